"""The statements of `taxi_assets/sql`, on a real database and tables of few rows written here."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from importlib.resources import files
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taxi_assets.cleaning import REASONS, THRESHOLDS
from taxi_assets.contract import SERVICES
from taxi_assets.features import ROW_FEATURES, holiday_dates
from taxi_assets.tables import TABLES
from taxi_assets.warehouse import sql

MARCH = date(2023, 3, 1)
KEY = {"service": "green", "month": MARCH}
NINE = datetime(2023, 3, 14, 9, 0)
Row = dict[str, Any]


def trip(number: int = 0, minutes: float = 15, **other: Any) -> Row:
    """A raw trip that breaks no rule, but for what is said otherwise."""
    begins = other.get("pickup_at", NINE)
    return {
        **KEY,
        "source_row": number,
        "pickup_at": begins,
        "dropoff_at": begins and begins + timedelta(minutes=minutes),
        "pickup_zone_id": 74,
        "dropoff_zone_id": 75,
        "trip_distance_miles": 2.5,
        **other,
    }


@pytest.fixture
def clean(memory, put):
    """Cleans rows: reasons by source row, None for the trips that are kept."""

    def clean(*rows: Row) -> dict[int, str | None]:
        put(memory, "raw_trips", *rows)
        run(memory)
        query = "SELECT source_row, NULL FROM clean_trips UNION ALL SELECT source_row, reason FROM rejected_trips"
        return dict(sorted(memory.execute(query).fetchall()))

    return clean


def run(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"INSERT INTO rejected_trips BY NAME {sql('rejected_trips')}", KEY | THRESHOLDS)
    connection.execute(f"INSERT INTO clean_trips BY NAME {sql('clean_trips')}", KEY)


# Rules of cleaning: what breaks each, and what lies at its threshold and does not


BREAKS = {
    "needed_value_missing": [
        {"pickup_at": None},
        {"dropoff_at": None},
        {"pickup_zone_id": None},
        {"dropoff_zone_id": None},
    ],
    "pickup_outside_month": [
        {"pickup_at": datetime(2023, 2, 28, 23, 59, 59)},
        {"pickup_at": datetime(2023, 4, 1)},
        {"pickup_at": datetime(2008, 12, 31, 9)},
        {"pickup_at": datetime(2024, 3, 14, 9)},
    ],
    "zone_unknown": [
        {"pickup_zone_id": 0},
        {"pickup_zone_id": 266},
        {"dropoff_zone_id": 0},
        {"dropoff_zone_id": 266},
        {"dropoff_zone_id": -1},
    ],
    "duration_too_short": [{"minutes": 59 / 60}, {"minutes": 0}, {"minutes": -15}],
    "duration_too_long": [{"minutes": 180 + 1 / 60}, {"minutes": 24 * 60}],
    "speed_impossible": [
        {"minutes": 60, "trip_distance_miles": 80.001},
        {"minutes": 1, "trip_distance_miles": 1.34},
        {"trip_distance_miles": 294_000},
        {"trip_distance_miles": float("inf")},
    ],
}
KEEPS = [
    {"pickup_at": datetime(2023, 3, 1)},
    {"pickup_at": datetime(2023, 3, 31, 23, 59, 59)},
    {"pickup_zone_id": 1, "dropoff_zone_id": 265},
    {"pickup_zone_id": 264, "dropoff_zone_id": 1},
    {"minutes": 1, "trip_distance_miles": 1},
    {"minutes": 180},
    {"minutes": 60, "trip_distance_miles": 80},
    {"trip_distance_miles": 0},
    {"trip_distance_miles": -3},
    {"trip_distance_miles": None},
    {"passenger_count": None, "fare_usd": -10, "payment_type_id": None},
]


def test_every_reason_is_tested_here() -> None:
    assert [*BREAKS, "duplicate"] == list(REASONS)


@pytest.mark.parametrize(("reason", "broken"), [(reason, broken) for reason, all_ in BREAKS.items() for broken in all_])
def test_a_trip_that_breaks_a_rule_is_rejected_for_it(clean, reason: str, broken: Row) -> None:
    assert clean(trip(0), trip(1, **broken)) == {0: None, 1: reason}


@pytest.mark.parametrize("kept", KEEPS)
def test_a_trip_at_a_threshold_is_kept(clean, kept: Row) -> None:
    assert clean(trip(0, **kept)) == {0: None}


def test_of_the_same_ride_the_first_row_is_kept(clean) -> None:
    assert clean(trip(7), trip(3), trip(5, fare_usd=-12.5)) == {3: None, 5: "duplicate", 7: "duplicate"}


def test_without_a_distance_a_ride_is_the_same_too(clean) -> None:
    assert clean(*(trip(row, trip_distance_miles=None) for row in (0, 1))) == {0: None, 1: "duplicate"}


@pytest.mark.parametrize(
    "other",
    [
        {"pickup_at": NINE + timedelta(seconds=1)},
        {"minutes": 15 + 1 / 60},
        {"pickup_zone_id": 75},
        {"dropoff_zone_id": 74},
        {"trip_distance_miles": 2.51},
        {"trip_distance_miles": None},
    ],
)
def test_rides_that_differ_are_no_duplicates(clean, other: Row) -> None:
    assert clean(trip(0), trip(1, **other)) == {0: None, 1: None}


@pytest.mark.parametrize("service", ["yellow", "fhvhv"])
def test_a_ride_of_another_service_or_month_is_no_duplicate(clean, service: str) -> None:
    others = trip(1, service=service), trip(2, month=date(2023, 2, 1))
    assert clean(trip(3), *others) == {3: None}


ORDER = [
    ("needed_value_missing", {"pickup_zone_id": None, "pickup_at": datetime(2009, 1, 1)}),
    ("pickup_outside_month", {"pickup_at": datetime(2009, 1, 1), "pickup_zone_id": 0}),
    ("zone_unknown", {"pickup_zone_id": 0, "minutes": 0}),
    ("zone_unknown", {"dropoff_zone_id": 999, "minutes": 999}),
    ("duration_too_short", {"minutes": 0.5, "trip_distance_miles": 100}),
    ("duration_too_long", {"minutes": 181, "trip_distance_miles": 1000}),
    ("speed_impossible", {"trip_distance_miles": 100}),
]


@pytest.mark.parametrize(("first", "broken"), ORDER)
def test_a_trip_counts_under_the_first_rule_it_breaks(clean, first: str, broken: Row) -> None:
    assert clean(*(trip(row, **broken) for row in (0, 1))) == {0: first, 1: first}


def test_rejected_trips_are_whole(memory, clean) -> None:
    whole = {"vendor_id": 2, "store_and_forward_flag": "N", "tip_usd": 1.5, "other_columns": '{"ride_time":0}'}
    clean(trip(4, 0.5, **whole))
    columns = [column.name for column in TABLES["raw_trips"].columns]
    query = f"SELECT {', '.join(columns)} FROM"
    assert memory.execute(f"{query} rejected_trips").fetchall() == memory.execute(f"{query} raw_trips").fetchall()
    assert memory.execute("SELECT duration_minutes FROM rejected_trips").fetchall() == [(0.5,)]


def test_clean_trips_last_from_pickup_to_dropoff(memory, clean) -> None:
    lasting = [15.5, 2, 180, 20 + 1 / 60]
    clean(*(trip(row, minutes) for row, minutes in enumerate(lasting)))
    found = memory.execute("SELECT duration_minutes FROM clean_trips ORDER BY source_row").fetchall()
    assert [value for (value,) in found] == pytest.approx(lasting)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


raw_rows = st.fixed_dictionaries(
    {
        "service": st.sampled_from(["green", "green", "yellow"]),
        "month": st.sampled_from([MARCH, MARCH, date(2023, 2, 1)]),
        "pickup_at": maybe(st.datetimes(datetime(2023, 2, 27), datetime(2023, 4, 2)) | st.just(NINE)),
        "dropoff_at": maybe(st.datetimes(datetime(2023, 2, 27), datetime(2023, 4, 2)) | st.just(datetime(2023, 3, 14, 10))),
        "pickup_zone_id": maybe(st.sampled_from([-1, 0, 1, 74, 265, 266])),
        "dropoff_zone_id": maybe(st.sampled_from([-1, 0, 1, 74, 265, 266])),
        "trip_distance_miles": maybe(st.floats(allow_nan=True) | st.sampled_from([2.5, 80.0])),
    }
)


@pytest.fixture(scope="module")
def scratch() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for table in TABLES.values():
            connection.execute(table.ddl())
        yield connection


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(rows=st.lists(raw_rows, min_size=5, max_size=5))
def test_kept_and_rejected_trips_are_the_raw_ones(scratch, put, rows: list[Row]) -> None:
    for table in ("raw_trips", "rejected_trips", "clean_trips"):
        scratch.execute(f"DELETE FROM {table}")
    put(scratch, "raw_trips", *(row | {"source_row": number} for number, row in enumerate(rows)))
    run(scratch)
    query = "SELECT source_row FROM {} WHERE service = 'green' AND month = DATE '2023-03-01' ORDER BY 1"
    raw = scratch.execute(query.format("raw_trips")).fetchall()
    divided = scratch.execute(
        "SELECT source_row FROM clean_trips UNION ALL SELECT source_row FROM rejected_trips ORDER BY 1"
    )
    assert divided.fetchall() == raw
    reasons = scratch.execute("SELECT DISTINCT reason FROM rejected_trips").fetchall()
    assert {reason for (reason,) in reasons} <= set(REASONS)


# Raw trips


def test_raw_trips_are_every_arrived_one_under_its_month(memory, put) -> None:
    rows = [trip(number, fare_usd=number) for number in range(5)]
    put(memory, "clean_trips", {"source_row": 1})
    memory.execute("CREATE TEMP TABLE arrived_trips AS SELECT * EXCLUDE (service, month) FROM raw_trips")
    put(memory, "raw_trips", *rows)
    memory.execute("INSERT INTO arrived_trips SELECT * EXCLUDE (service, month) FROM raw_trips")
    before = memory.execute("SELECT * FROM raw_trips ORDER BY source_row").fetchall()
    memory.execute("DELETE FROM raw_trips")
    memory.execute(f"INSERT INTO raw_trips BY NAME {sql('raw_trips')}", KEY)
    assert memory.execute("SELECT * FROM raw_trips ORDER BY source_row").fetchall() == before


# Features


ZONES = (
    {"zone_id": 74, "x_miles": 1.0, "y_miles": 1.0},
    {"zone_id": 75, "x_miles": 4.0, "y_miles": 5.0},
    {"zone_id": 264},
    {"zone_id": 265},
)


@pytest.fixture
def features(memory, put):
    """The features of rides from their pickups, by name, in the rides' order."""
    put(memory, "taxi_zones", *ZONES)

    def features(*rows: Row) -> list[Row]:
        put(memory, "clean_trips", *({name: row[name] for name in row if name != "minutes"} for row in rows))
        memory.execute("CREATE OR REPLACE TEMP VIEW trips AS SELECT * FROM clean_trips")
        found = memory.execute(f"{sql('trip_features')} ORDER BY source_row", {"holidays": list(holiday_dates())})
        names = [column[0] for column in found.description]
        return [dict(zip(names, values, strict=True)) for values in found.fetchall()]

    return features


@pytest.mark.parametrize(
    ("pickup_at", "expected"),
    [
        (datetime(2023, 3, 13, 0, 0), (0, 0, 0, 72, 3)),  # Monday midnight
        (datetime(2023, 3, 19, 23, 59, 59), (167, 1439, 6, 78, 3)),  # Sunday's last second
        (datetime(2024, 2, 29, 12, 30), (84, 750, 3, 60, 2)),
        (datetime(2024, 12, 31, 1, 2), (25, 62, 1, 366, 12)),
        (datetime(2023, 1, 1, 0, 0), (144, 0, 6, 1, 1)),
        (datetime(2023, 3, 12, 2, 30), (146, 150, 6, 71, 3)),  # an hour New York's clocks leave out
    ],
)
def test_the_calendar_is_that_of_the_pickup(features, pickup_at: datetime, expected: tuple[int, ...]) -> None:
    (found,) = features(trip(pickup_at=pickup_at))
    names = ("hour_of_week", "minute_of_day", "day_of_week", "day_of_year", "month_of_year")
    assert tuple(found[name] for name in names) == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (3, (False, True, False)),
        (4, (True, False, False)),
        (5, (False, False, True)),
        (6, (False, False, False)),
    ],
)
def test_holidays_cast_light_on_the_days_around(features, day: int, expected: tuple[bool, ...]) -> None:
    (found,) = features(trip(pickup_at=datetime(2023, 7, day, 23, 59)))
    assert (found["is_holiday"], found["is_holiday_eve"], found["is_after_holiday"]) == expected


@pytest.mark.parametrize(
    ("starts", "ends", "miles", "is_same"),
    [
        (74, 75, 5.0, False),
        (75, 74, 5.0, False),
        (74, 74, 0.0, True),
        (264, 74, None, False),
        (74, 265, None, False),
        (265, 265, None, True),
        (75, 200, None, False),  # a zone the table does not hold
    ],
)
def test_distance_is_between_the_zones(features, starts: int, ends: int, miles: float | None, is_same: bool) -> None:
    (found,) = features(trip(pickup_zone_id=starts, dropoff_zone_id=ends))
    assert found["zone_distance_miles"] == miles
    assert found["is_same_zone"] is is_same


def test_features_are_of_every_trip_and_of_the_tables_columns(features) -> None:
    found = features(*(trip(row, pickup_zone_id=74 + row % 2, duration_minutes=row + 1.5) for row in range(5)))
    assert [row["source_row"] for row in found] == list(range(5))
    assert [row["duration_minutes"] for row in found] == [1.5, 2.5, 3.5, 4.5, 5.5]
    assert list(found[0]) == [column.name for column in TABLES["trip_features"].columns]
    assert set(ROW_FEATURES) <= set(found[0])


def test_no_features_of_no_trips(features) -> None:
    assert features() == []


# Rides to learn from


WINDOW = {
    "all_services": list(SERVICES),
    "services": ["green", "yellow"],
    "months": [date(2023, 2, 1), MARCH],
    "shortest_minutes": 1,
    "longest_minutes": 60,
}


def feature_row(number: int, service: str, month: date, minutes: float) -> Row:
    return {
        "service": service,
        "month": month,
        "source_row": number,
        "pickup_at": NINE + timedelta(minutes=number),
        "duration_minutes": minutes,
    }


def learn_from(connection, **values: Any) -> list[Row]:
    found = connection.execute(sql("training_trips"), WINDOW | values)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_rides_to_learn_from_are_those_of_the_window_in_order(memory, put) -> None:
    put(
        memory,
        "trip_features",
        feature_row(2, "yellow", MARCH, 10),
        feature_row(9, "green", MARCH, 11),
        feature_row(1, "green", MARCH, 12),
        feature_row(5, "green", date(2023, 2, 1), 13),
        feature_row(0, "green", date(2023, 1, 1), 14),
        feature_row(0, "fhvhv", MARCH, 15),
    )
    found = learn_from(memory)
    assert [row["duration_minutes"] for row in found] == [13, 12, 11, 10]
    assert [row["service"] for row in found] == ["green", "green", "green", "yellow"]
    assert learn_from(memory, services=["fhvhv"])[0]["service_id"] == list(SERVICES).index("fhvhv")
    assert learn_from(memory, services=[]) == []
    assert learn_from(memory, months=[]) == []


def test_rides_to_learn_from_last_as_long_as_the_convention_says(memory, put) -> None:
    lasting = (0.99, 1, 60, 60.01, 180)
    put(memory, "trip_features", *(feature_row(n, "green", MARCH, minutes) for n, minutes in enumerate(lasting)))
    assert [row["duration_minutes"] for row in learn_from(memory)] == [1, 60]
    assert [row["duration_minutes"] for row in learn_from(memory, longest_minutes=180)] == [1, 60, 60.01, 180]


# Rides to score


COURSE = KEY | {"shortest_minutes": 1, "longest_minutes": 60, "zones": THRESHOLDS["zones"]}


def score(connection, put, *rows: Row) -> list[int]:
    put(connection, "raw_trips", *rows)
    found = connection.execute(f"SELECT source_row FROM ({sql('scored_trips')}) ORDER BY 1", COURSE).fetchall()
    return [row for (row,) in found]


@pytest.mark.parametrize(
    "other",
    [
        {"minutes": 1},
        {"minutes": 60},
        {"pickup_zone_id": 265, "dropoff_zone_id": 264},
        {"trip_distance_miles": 294_000},  # what cleaning rejects by what is known after the ride is scored all the same
        {"trip_distance_miles": None, "fare_usd": -10},
        {"pickup_at": datetime(2009, 1, 1)},
    ],
)
def test_a_ride_of_the_convention_is_scored(memory, put, other: Row) -> None:
    assert score(memory, put, trip(0, **other), trip(1, **other)) == [0, 1]


@pytest.mark.parametrize(
    "other",
    [
        {"minutes": 59 / 60},
        {"minutes": 60 + 1 / 60},
        {"minutes": -5},
        {"pickup_at": None},
        {"dropoff_at": None},
        {"pickup_zone_id": None},
        {"dropoff_zone_id": 0},
        {"pickup_zone_id": 266},
        {"service": "yellow"},
        {"month": date(2023, 2, 1)},
    ],
)
def test_a_ride_outside_the_convention_is_not_scored(memory, put, other: Row) -> None:
    assert score(memory, put, trip(0), trip(1, **other)) == [0]


def test_scored_rides_become_features_as_clean_ones_do(memory, put) -> None:
    score(memory, put, trip(0), trip(1, pickup_zone_id=265))
    memory.execute(f"CREATE TEMP TABLE trips AS {sql('scored_trips')}", COURSE)
    found = memory.execute(sql("trip_features"), {"holidays": list(holiday_dates())})
    assert [column[0] for column in found.description] == [column.name for column in TABLES["trip_features"].columns]
    assert len(found.fetchall()) == 2


# All of them


@pytest.mark.parametrize("name", [file.name for file in files("taxi_assets").joinpath("sql").iterdir()])
def test_each_file_is_one_select_whose_values_are_bound(name: str) -> None:
    statements = duckdb.extract_statements(files("taxi_assets").joinpath("sql", name).read_text())
    assert [statement.type for statement in statements] == [duckdb.StatementType.SELECT]
    assert statements[0].query.lstrip().startswith("--")
    assert "{" not in statements[0].query

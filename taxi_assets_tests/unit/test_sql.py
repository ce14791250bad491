"""The SQL files of the package, run on a real database with tables of a few rows.

The SQL of cleaning is tested in `test_cleaning_rules.py`.
"""

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from raw_rows import KEY, MARCH, NINE, Row, trip

import taxi_assets
from taxi_assets.features.feature_names import ROW_FEATURES
from taxi_assets.features.trip_features import holiday_dates
from taxi_assets.ingestion.publish_month import view_month_trips
from taxi_assets.months import Month
from taxi_assets.quality.cleaning_rules import THRESHOLDS
from taxi_assets.tlc.services import SERVICES
from taxi_assets.warehouse.queries import sql, sql_files
from taxi_assets.warehouse.schema import TABLES

# Raw trips


def test_staged_trips_are_all_rows_of_a_file_under_its_month(memory, put) -> None:
    put(memory, "raw_trips", *(trip(number, fare_usd=number) for number in range(5)))
    before = memory.execute("SELECT * FROM raw_trips ORDER BY source_row").fetchall()
    view_month_trips(memory, "green", Month(2023, 3), "(SELECT * EXCLUDE (service, month) FROM raw_trips)")
    assert memory.execute("SELECT * FROM month_trips ORDER BY source_row").fetchall() == before


# Features


ZONES = (
    {"zone_id": 74, "x_miles": 1.0, "y_miles": 1.0},
    {"zone_id": 75, "x_miles": 4.0, "y_miles": 5.0},
    {"zone_id": 264},
    {"zone_id": 265},
)


@pytest.fixture
def features(memory, put):
    """The features of trips by name, in the order of the given pickups."""
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
        (datetime(2023, 3, 12, 2, 30), (147, 210, 6, 71, 3)),  # skipped by the clock: read as 03:30
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
def test_holidays_mark_the_days_around_them(features, day: int, expected: tuple[bool, ...]) -> None:
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
        (75, 200, None, False),  # a zone that is not in the table
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
    assert {column.name for column in TABLES["trip_features"].columns} <= set(found[0])
    assert list(found[0])[-len(ROW_FEATURES) :] == list(ROW_FEATURES)


def test_no_trips_give_no_features(features) -> None:
    assert features() == []


# Training trips


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


def training_rows(connection, **values: Any) -> list[Row]:
    found = connection.execute(sql("training_trips"), WINDOW | values)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_training_trips_are_those_of_the_window_in_order(memory, put) -> None:
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
    found = training_rows(memory)
    assert [row["duration_minutes"] for row in found] == [13, 12, 11, 10]
    green, yellow = (list(SERVICES).index(service) for service in ("green", "yellow"))
    assert [row["service_id"] for row in found] == [green, green, green, yellow]
    assert training_rows(memory, services=["fhvhv"])[0]["service_id"] == list(SERVICES).index("fhvhv")
    assert training_rows(memory, services=[]) == []
    assert training_rows(memory, months=[]) == []


def test_training_trips_have_durations_in_scope(memory, put) -> None:
    lasting = (0.99, 1, 60, 60.01, 180)
    put(
        memory,
        "trip_features",
        *(feature_row(n, "green", MARCH, minutes) for n, minutes in enumerate(lasting)),
    )
    assert [row["duration_minutes"] for row in training_rows(memory)] == [1, 60]
    assert [row["duration_minutes"] for row in training_rows(memory, longest_minutes=180)] == [1, 60, 60.01, 180]


# Scored trips


TRIPS_1_TO_60_MINUTES = KEY | {"shortest_minutes": 1, "longest_minutes": 60, "zones": THRESHOLDS["zones"]}


def score(connection, put, *rows: Row) -> list[int]:
    put(connection, "raw_trips", *rows)
    found = connection.execute(
        f"SELECT source_row FROM ({sql('scored_trips')}) ORDER BY 1", TRIPS_1_TO_60_MINUTES
    ).fetchall()
    return [row for (row,) in found]


@pytest.mark.parametrize(
    "other",
    [
        {"minutes": 1},
        {"minutes": 60},
        {"pickup_zone_id": 265, "dropoff_zone_id": 264},
        {"trip_distance_miles": 294_000},  # cleaning rejects these by post-trip fields; they are scored all the same
        {"trip_distance_miles": None, "fare_usd": -10},
        {"pickup_at": datetime(2023, 3, 1)},
        {"pickup_at": datetime(2023, 3, 31, 23, 59, 59)},
    ],
)
def test_trip_in_scope_is_scored(memory, put, other: Row) -> None:
    assert score(memory, put, trip(0, **other), trip(1, **other)) == [0, 1]


@pytest.mark.parametrize(
    "other",
    [
        {"minutes": 59 / 60},
        {"minutes": 60 + 1 / 60},
        {"minutes": -5},
        {"pickup_at": None},
        {"pickup_at": datetime(2008, 12, 31)},  # a wrong clock would make a day of its own
        {"pickup_at": datetime(2023, 2, 28, 23, 59, 59)},
        {"pickup_at": datetime(2023, 4, 1)},
        {"dropoff_at": None},
        {"pickup_zone_id": None},
        {"dropoff_zone_id": 0},
        {"pickup_zone_id": 266},
        {"service": "yellow"},
        {"month": date(2023, 2, 1)},
    ],
)
def test_trip_out_of_scope_is_not_scored(memory, put, other: Row) -> None:
    assert score(memory, put, trip(0), trip(1, **other)) == [0]


def test_a_scored_trip_lasts_its_elapsed_time(memory, put) -> None:
    begin, end = datetime(2023, 3, 12, 1, 57, 8), datetime(2023, 3, 12, 3, 3, 52)
    score(memory, put, trip(0, pickup_at=begin, dropoff_at=end))
    found = memory.execute(f"SELECT duration_minutes FROM ({sql('scored_trips')})", TRIPS_1_TO_60_MINUTES).fetchall()
    assert found[0][0] == pytest.approx(6 + 44 / 60)


def test_a_months_mean_duration_is_of_elapsed_time(memory, put) -> None:
    begin, end = datetime(2023, 3, 12, 1, 55), datetime(2023, 3, 12, 3, 5)
    put(memory, "raw_trips", trip(0, pickup_at=begin, dropoff_at=end), trip(1, 20))
    memory.execute("CREATE TEMP VIEW compared_trips AS FROM raw_trips")
    found = memory.execute(f"SELECT mean_duration_minutes FROM ({sql('month_statistics')})").fetchall()
    assert found == [(15.0,)]


DIFFERENCES = re.compile(r"date_?diff\(|date_?sub\(|dropoff_at\s*-|-\s*pickup_at\b(?!\[)|age\(pickup")


def test_no_sql_subtracts_local_times() -> None:
    package = Path(taxi_assets.__file__).parent
    sources = [path for path in package.rglob("*") if path.suffix in {".py", ".sql"} and path.name != "local_time.py"]
    assert [path.name for path in sources if DIFFERENCES.search(path.read_text())] == []


@pytest.mark.parametrize(
    "text",
    [
        "date_diff('second', pickup_at, dropoff_at)",
        "epoch(dropoff_at - pickup_at)",
        'trips["x"] - pickup_at',
        "datesub(",
    ],
)
def test_a_subtraction_of_local_times_is_found(text: str) -> None:
    assert DIFFERENCES.search(text)


def test_scored_trips_have_the_features_of_clean_trips(memory, put) -> None:
    score(memory, put, trip(0), trip(1, pickup_zone_id=265))
    memory.execute(f"CREATE TEMP TABLE trips AS {sql('scored_trips')}", TRIPS_1_TO_60_MINUTES)
    found = memory.execute(sql("trip_features"), {"holidays": list(holiday_dates())})
    names = {column.name for column in TABLES["trip_features"].columns}
    assert {column[0] for column in found.description} == names | {"vendor_id"}
    assert len(found.fetchall()) == 2


# All SQL files


@pytest.mark.parametrize("name", sorted(sql_files()))
def test_each_file_is_one_select_with_bound_values(name: str) -> None:
    statements = duckdb.extract_statements(sql(name))
    assert [statement.type for statement in statements] == [duckdb.StatementType.SELECT]
    assert statements[0].query.lstrip().startswith("--")
    assert "{" not in statements[0].query

"""Rules of cleaning: trips that break them, trips at their thresholds, and their texts for people."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_rows import KEY, MARCH, NINE, Row, trip
from sample_lake import clean_month

from taxi_assets.quality.cleaning_rules import REASONS, RULES, THRESHOLDS, Rule
from taxi_assets.warehouse.connection import define_macros
from taxi_assets.warehouse.queries import sql
from taxi_assets.warehouse.schema import TABLES


def test_the_sql_has_the_reasons_in_their_order() -> None:
    assert re.findall(r"THEN '(\w+)'", sql("rejections")) == list(REASONS)


def test_the_sql_takes_every_threshold_as_a_parameter() -> None:
    text = sql("rejections")
    assert set(re.findall(r"\$(\w+)", text)) == {*THRESHOLDS, "month"}
    case = text[text.index("CASE") : text.index("END AS broken_rule")]
    assert not re.findall(r"[<>] *-?\d{2,}|AND \d", case)


@pytest.mark.parametrize(
    ("reason", "threshold", "wording"),
    [
        ("duration_too_short", "shortest_minutes", {1: "under a minute"}),
        ("duration_too_long", "longest_minutes", {180: "over three hours"}),
        ("speed_impossible", "fastest_mph", {80: "80 mph"}),
    ],
)
def test_a_reason_has_its_threshold(reason: str, threshold: str, wording: dict[float, str]) -> None:
    assert wording[THRESHOLDS[threshold]] in REASONS[reason]


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_a_name_and_a_sentence_for_people(reason: str) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", reason)
    assert re.fullmatch(r"[^\n.]{10,}", REASONS[reason])


def test_rules_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        THRESHOLDS["longest_minutes"] = 240  # type: ignore[index]
    with pytest.raises(TypeError):
        REASONS["too_dear"] = "a fare too high"  # type: ignore[index]


# The rules applied to rows


@pytest.fixture
def clean(memory, put):
    """Cleans rows: reasons by source row, None for kept trips."""

    def clean(*rows: Row) -> dict[int, str | None]:
        put(memory, "raw_trips", *rows)
        clean_month(memory, KEY)
        query = "SELECT source_row, NULL FROM clean_trips UNION ALL SELECT source_row, reason FROM rejected_trips"
        return dict(sorted(memory.execute(query).fetchall()))

    return clean


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
    assert {*BREAKS, "clock_change_ambiguous", "duplicate", "line_unreadable", "time_unreadable"} == set(REASONS)


def test_unreadable_line_and_missing_value_have_different_reasons(clean) -> None:
    torn = dict.fromkeys(("pickup_at", "dropoff_at", "pickup_zone_id", "dropoff_zone_id", "trip_distance_miles"))
    unreadable = trip(1) | torn | {"unreadable": '{"line": 3, "text": "torn"}'}
    odd = trip(2) | torn | {"other_columns": '{"unreadable_line": "a column of that name"}'}
    late = trip(3) | {"pickup_at": None, "unreadable": '{"pickup_at": "soon"}'}
    whole = trip(4) | {"unreadable": '{"requested_at": "soon"}'}
    found = clean(
        trip(0), unreadable, odd, late, whole | {"trip_distance_miles": 3.5}, whole | torn | {"source_row": 5}
    )
    needed = "needed_value_missing"
    assert found == {0: None, 1: "line_unreadable", 2: needed, 3: "time_unreadable", 4: None, 5: needed}


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_a_rule_states_its_reason_and_its_threshold(rule: Rule) -> None:
    assert re.fullmatch(r"[^\n]{20,}", rule.rationale)
    assert rule.threshold is None or rule.threshold in THRESHOLDS


def test_every_threshold_belongs_to_one_rule() -> None:
    assert sorted(filter(None, (rule.threshold for rule in RULES))) == sorted(THRESHOLDS)


@pytest.mark.parametrize(("reason", "broken"), [(reason, broken) for reason, all_ in BREAKS.items() for broken in all_])
def test_a_trip_that_breaks_a_rule_is_rejected_for_it(clean, reason: str, broken: Row) -> None:
    assert clean(trip(0), trip(1, **broken)) == {0: None, 1: reason}


@pytest.mark.parametrize("kept", KEEPS)
def test_a_trip_at_a_threshold_is_kept(clean, kept: Row) -> None:
    assert clean(trip(0, **kept)) == {0: None}


def test_the_first_of_equal_trips_is_kept(clean) -> None:
    assert clean(trip(7), trip(3), trip(5, fare_usd=-12.5)) == {3: None, 5: "duplicate", 7: "duplicate"}


def test_equal_trips_without_a_distance_are_duplicates(clean) -> None:
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
def test_trips_that_differ_are_no_duplicates(clean, other: Row) -> None:
    assert clean(trip(0), trip(1, **other)) == {0: None, 1: None}


@pytest.mark.parametrize("service", ["yellow", "fhvhv"])
def test_a_trip_of_another_service_or_month_is_no_duplicate(clean, service: str) -> None:
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


def test_rejected_trips_keep_all_columns(memory, clean) -> None:
    whole = {
        "vendor_id": 2,
        "store_and_forward_flag": "N",
        "tip_usd": 1.5,
        "other_columns": '{"ride_time":0}',
        "unreadable": '{"requested_at":"soon"}',
    }
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
        "dropoff_at": maybe(
            st.datetimes(datetime(2023, 2, 27), datetime(2023, 4, 2)) | st.just(datetime(2023, 3, 14, 10))
        ),
        "pickup_zone_id": maybe(st.sampled_from([-1, 0, 1, 74, 265, 266])),
        "dropoff_zone_id": maybe(st.sampled_from([-1, 0, 1, 74, 265, 266])),
        "trip_distance_miles": maybe(st.floats(allow_nan=True) | st.sampled_from([2.5, 80.0])),
    }
)


@pytest.fixture(scope="module")
def scratch() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        define_macros(connection)
        for table in TABLES.values():
            connection.execute(table.ddl())
        yield connection


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=30)
@given(rows=st.lists(raw_rows, min_size=5, max_size=5))
def test_kept_and_rejected_trips_are_the_raw_trips(scratch, put, rows: list[Row]) -> None:
    for table in ("raw_trips", "rejected_trips", "clean_trips"):
        scratch.execute(f"DELETE FROM {table}")
    put(scratch, "raw_trips", *(row | {"source_row": number} for number, row in enumerate(rows)))
    clean_month(scratch, KEY)
    query = "SELECT source_row FROM {} WHERE service = 'green' AND month = DATE '2023-03-01' ORDER BY 1"
    raw = scratch.execute(query.format("raw_trips")).fetchall()
    divided = scratch.execute(
        "SELECT source_row FROM clean_trips UNION ALL SELECT source_row FROM rejected_trips ORDER BY 1"
    )
    assert divided.fetchall() == raw
    reasons = scratch.execute("SELECT DISTINCT reason FROM rejected_trips").fetchall()
    assert {reason for (reason,) in reasons} <= set(REASONS)

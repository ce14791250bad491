"""The suites as data: names, arguments, and the SQL of their derived columns, on rows written here."""

import re

import duckdb
import pytest

from taxi_assets.quality.suites import CLEAN_TRIPS, RAW_TRIPS, SUITES, TRIP_FEATURES, Expectation, Suite
from taxi_assets.warehouse.connection import define_macros
from taxi_assets.warehouse.schema import TABLES

ALL = [(suite, expectation) for suite in SUITES.values() for expectation in suite.expectations]
IDS = [f"{suite.table}-{expectation.name}" for suite, expectation in ALL]
EACH = pytest.mark.parametrize(("suite", "expectation"), ALL, ids=IDS)


def derive(suite: Suite, column: str, *inserts: str) -> list[object]:
    """The values of a derived column on rows given as `column = value, ...`."""
    with duckdb.connect() as connection:
        define_macros(connection)
        connection.execute(TABLES[suite.table].ddl())
        for insert in inserts:
            pairs = [pair.split(" = ") for pair in insert.split(", ")]
            names, values = ", ".join(name for name, _ in pairs), ", ".join(value for _, value in pairs)
            connection.execute(f"INSERT INTO {suite.table} ({names}) VALUES ({values})")
        rows = connection.execute(f"SELECT {column} FROM {suite.with_derived(suite.table)}").fetchall()
    return [row[0] for row in rows]


def test_each_suite_is_stored_under_its_table() -> None:
    assert list(SUITES) == ["raw_trips", "clean_trips", "trip_features"]
    assert all(table == suite.table and table in TABLES for table, suite in SUITES.items())


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_names_are_unique_sentences(suite: Suite) -> None:
    names = [expectation.name for expectation in suite.expectations]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in names)


@EACH
def test_descriptions_are_plain_text(suite: Suite, expectation: Expectation) -> None:
    # `$` starts a placeholder in Great Expectations, and `<` a tag in Dagster.
    assert re.fullmatch(r"[^\n$<>]{15,}[^.\n$<>]", expectation.description)


@EACH
def test_columns_are_the_tables_or_derived(suite: Suite, expectation: Expectation) -> None:
    known_columns = {column.name for column in TABLES[suite.table].columns} | set(suite.derived)
    column = expectation.arguments.get("column")
    assert column in known_columns or (column is None and expectation.kind == "ExpectTableRowCountToBeBetween")


@EACH
def test_arguments_cannot_be_changed(suite: Suite, expectation: Expectation) -> None:
    with pytest.raises(TypeError):
        expectation.arguments["mostly"] = 0.1  # type: ignore[index]


@pytest.mark.parametrize("suite", [CLEAN_TRIPS, TRIP_FEATURES], ids=lambda suite: suite.table)
def test_expectations_of_our_own_tables_are_errors_for_every_row(suite: Suite) -> None:
    shares = [e.arguments.get("mostly", 1) for e in suite.expectations if e.severity == "error"]
    assert set(shares) == {1}


def test_raw_months_have_tolerant_expectations() -> None:
    severities = {expectation.severity for expectation in RAW_TRIPS.expectations}
    assert severities == {"error", "warning"}


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_derived_columns_are_new_and_valid_sql(suite: Suite) -> None:
    assert not {column.name for column in TABLES[suite.table].columns} & set(suite.derived)
    used = {expectation.arguments.get("column") for expectation in suite.expectations}
    later = list(suite.derived.values())
    for number, column in enumerate(suite.derived, 1):
        assert column in used or any(column in sql for sql in later[number:])
        assert derive(suite, column) == []


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_month_includes_its_first_second_and_not_the_next_months(suite: Suite) -> None:
    month = "month = '2023-02-01'"
    days = ["'2023-01-31 23:59:59.999'", "'2023-02-01'", "'2023-02-28 23:59:59.999'", "'2023-03-01'", "NULL"]
    rows = [f"{month}, pickup_at = {day}" for day in days]
    assert derive(suite, "is_in_month", *rows) == [False, True, True, False, None]


def test_a_day_outside_the_month_is_not_counted() -> None:
    month = "month = '2023-02-01'"
    rows = (f"{month}, pickup_at = '2023-02-07 08:00'", f"{month}, pickup_at = '2009-01-05'")
    assert derive(RAW_TRIPS, "pickup_day", *rows) == [7, None]


def test_a_raw_trip_is_complete_with_both_times_and_both_zones() -> None:
    whole = "pickup_at = '2023-02-07', dropoff_at = '2023-02-07', pickup_zone_id = 1, dropoff_zone_id = 2"
    rows = [
        whole,
        *(re.sub(rf"{name} = [^,]+", f"{name} = NULL", whole) for name in re.findall(r"\w+(?= =)", whole)),
    ]
    assert derive(RAW_TRIPS, "is_complete", *rows) == [True, False, False, False, False]


def test_a_trip_without_duration_has_no_speed() -> None:
    trip = "pickup_at = '2023-02-07 08:00', trip_distance_miles = 3, dropoff_at = "
    rows = (f"{trip}'2023-02-07 08:15'", f"{trip}'2023-02-07 08:00'", f"{trip}'2023-02-07 07:00'")
    assert derive(RAW_TRIPS, "speed_mph", *rows) == [12, None, None]


def test_repeated_trips_are_found_by_trip_columns() -> None:
    trip = "pickup_at = '2023-02-07 08:00:00', pickup_zone_id = 7"
    rows = (trip, f"{trip}, fare_usd = -9", trip.replace("= 7", "= 8"), trip.replace("08:00:00", "08:00:01"))
    first, refund, elsewhere, unsampled = derive(RAW_TRIPS, "sampled_trip", *rows)
    assert first == refund != elsewhere
    assert unsampled is None


def test_a_duration_is_compared_with_the_times_it_comes_from() -> None:
    times = "pickup_at = '2023-02-07 08:00:00', dropoff_at = '2023-02-07 08:10:30'"
    rows = (f"{times}, duration_minutes = 10.5", f"{times}, duration_minutes = 630")
    assert derive(CLEAN_TRIPS, "duration_error_minutes", *rows) == [0, 619.5]


def test_speeds_are_possible_up_to_the_limit_of_cleaning() -> None:
    rows = [f"duration_minutes = 30, trip_distance_miles = {miles}" for miles in ("40", "40.1", "NULL")]
    assert derive(CLEAN_TRIPS, "is_possible_speed", *rows) == [True, False, None]


def test_the_calendar_of_a_trip_is_that_of_its_pickup() -> None:
    true = (
        "pickup_at = '2023-03-05 23:59:59', hour_of_week = 167, minute_of_day = 1439, day_of_week = 6, "
        "day_of_year = 64, month_of_year = 3"
    )
    untrue = [true.replace(f"= {value}", f"= {value - 1}") for value in (167, 1439, 6, 64, 3)]
    assert derive(TRIP_FEATURES, "is_true_calendar", true) == [True]
    assert derive(TRIP_FEATURES, "is_true_calendar", *untrue) == [False] * 5


@pytest.mark.parametrize(("same", "dropoff", "true"), [(True, 7, True), (False, 7, False), (False, 8, True)])
def test_a_same_zone_flag_is_compared_with_the_zones(same: bool, dropoff: int, true: bool) -> None:
    row = f"pickup_zone_id = 7, dropoff_zone_id = {dropoff}, is_same_zone = {same}"
    assert derive(TRIP_FEATURES, "is_true_same_zone", row) == [true]

"""Each expectation refuses a good month that is damaged in one way."""

import json
from dataclasses import replace

import duckdb
import pytest
from valid_months import fill

from taxi_assets.quality import validate
from taxi_assets.quality.suites import CLEAN_TRIPS, RAW_TRIPS, SUITES, Expectation, Suite

REPEAT = "INSERT INTO {table} SELECT * REPLACE (99 AS source_row) FROM {table} LIMIT 1"
EVERYWHERE = {
    "month_has_rows": "DELETE FROM {table}",
    "rows_are_of_one_service": "service = 'yellow' WHERE source_row = 0",
    "rows_are_of_one_month": "month = '2023-03-01' WHERE source_row = 0",
    "source_rows_are_unique": "INSERT INTO {table} SELECT * FROM {table} WHERE source_row = 7",
}
OURS = {
    "pickup_zones_are_on_the_map": "pickup_zone_id = 266 WHERE source_row = 0",
    "dropoff_zones_are_on_the_map": "dropoff_zone_id = 0 WHERE source_row = 0",
    "pickups_are_in_their_month": "pickup_at = '2023-03-01' WHERE source_row = 0",
    "durations_are_plausible": "duration_minutes = 181 WHERE source_row = 0",
}
SPOILT = {
    "raw_trips": {
        **EVERYWHERE,
        "pickup_times_are_present": "pickup_at = NULL WHERE source_row < 13",
        "dropoff_times_are_present": "dropoff_at = NULL WHERE source_row < 13",
        "pickup_zones_are_present": "pickup_zone_id = NULL WHERE source_row < 13",
        "dropoff_zones_are_present": "dropoff_zone_id = NULL WHERE source_row < 13",
        "pickup_zones_are_on_the_map": "pickup_zone_id = 0 WHERE source_row < 4",
        "dropoff_zones_are_on_the_map": "dropoff_zone_id = 266 WHERE source_row < 4",
        "pickups_are_in_their_month": "pickup_at = '2009-01-01' WHERE source_row < 7",
        "durations_are_plausible": "dropoff_at = pickup_at WHERE source_row < 13",
        "median_duration_is_plausible": "dropoff_at = pickup_at + INTERVAL 10 SECOND",
        "trips_are_complete": "pickup_zone_id = NULL WHERE source_row = 0",
        "every_day_has_pickups": "pickup_at = '2023-02-01' WHERE day(pickup_at) = 28",
        "many_zones_have_pickups": "pickup_zone_id = 1 WHERE source_row < 12",
        "dropoffs_follow_pickups": "dropoff_at = pickup_at WHERE source_row = 0",
        "trips_are_not_repeated": REPEAT,
        "distances_are_plausible": "trip_distance_miles = 0 WHERE source_row < 7",
        "speeds_are_in_miles_per_hour": "trip_distance_miles = trip_distance_miles * 1.609",
        "passenger_counts_are_present": "passenger_count = NULL WHERE source_row < 10",
        "passenger_counts_are_plausible": "passenger_count = 0 WHERE source_row < 4",
        "fares_are_not_negative": "fare_usd = -9.5 WHERE source_row = 0",
        "payment_types_are_known": "payment_type_id = 7 WHERE source_row = 0",
        "rate_codes_are_known": "rate_code_id = 7 WHERE source_row = 0",
    },
    "clean_trips": {
        **EVERYWHERE,
        **OURS,
        "trips_are_complete": "dropoff_at = NULL WHERE source_row = 0",
        "durations_match_their_times": "duration_minutes = 11 WHERE source_row = 0",
        "speeds_are_possible": "trip_distance_miles = 14 WHERE source_row = 0",
        "trips_are_not_repeated": REPEAT,
        "distances_are_not_negative": "trip_distance_miles = -1 WHERE source_row = 0",
        "passenger_counts_are_plausible": "passenger_count = 9 WHERE source_row < 4",
    },
    "trip_features": {
        **EVERYWHERE,
        **OURS,
        "features_are_complete": "is_holiday_eve = NULL WHERE source_row = 0",
        "hours_of_week_are_in_range": "hour_of_week = 168 WHERE source_row = 0",
        "minutes_of_day_are_in_range": "minute_of_day = 1440 WHERE source_row = 0",
        "days_of_week_are_in_range": "day_of_week = 7 WHERE source_row = 0",
        "days_of_year_are_in_range": "day_of_year = 0 WHERE source_row = 0",
        "months_of_year_are_in_range": "month_of_year = 13 WHERE source_row = 0",
        "calendar_matches_pickup_times": "hour_of_week = hour_of_week - 1 WHERE source_row = 20",
        "same_zone_flags_match_zones": "is_same_zone = NOT is_same_zone WHERE source_row = 0",
        "zone_distances_are_plausible": "zone_distance_miles = 41 WHERE source_row = 0",
        "zone_distances_are_known": "zone_distance_miles = NULL WHERE source_row < 4",
        "most_days_are_no_holidays": "is_holiday = TRUE WHERE source_row < 19",
    },
}
CASES = [(suite, expectation) for suite in SUITES.values() for expectation in suite.expectations]


def spoil(connection: duckdb.DuckDBPyConnection, table: str, how: str) -> None:
    """Runs the SQL statement, or updates the table with these assignments."""
    statement = how if how.startswith(("DELETE", "INSERT")) else f"UPDATE {table} SET {how}"
    connection.execute(statement.format(table=table))


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_good_month_meets_every_expectation(lake: duckdb.DuckDBPyConnection, suite: Suite) -> None:
    fill(lake, suite.table)
    suite_result = validate(lake, suite.table, suite)
    assert [outcome.name for outcome in suite_result.outcomes] == [e.name for e in suite.expectations]
    assert [outcome.name for outcome in suite_result.outcomes if not outcome.passed] == []
    assert (suite_result.rows, suite_result.summary()) == (60, ())


def test_every_expectation_has_a_test_that_fails_it() -> None:
    assert {(suite.table, expectation.name) for suite, expectation in CASES} == {
        (table, name) for table, spoilt in SPOILT.items() for name in spoilt
    }


@pytest.mark.parametrize(("suite", "expectation"), CASES, ids=[f"{s.table}-{e.name}" for s, e in CASES])
def test_expectation_refuses_a_damaged_month(
    lake: duckdb.DuckDBPyConnection, suite: Suite, expectation: Expectation
) -> None:
    fill(lake, suite.table)
    spoil(lake, suite.table, SPOILT[suite.table][expectation.name])
    suite_result = validate(lake, suite.table, replace(suite, expectations=(expectation,)))
    (outcome,) = suite_result.outcomes
    assert (outcome.name, outcome.passed) == (expectation.name, False)
    failed = suite_result.failed_errors() if expectation.severity == "error" else suite_result.failed_warnings()
    assert failed == (outcome,)
    assert json.loads(json.dumps(suite_result.as_json(), allow_nan=False))["outcomes"][0]["name"] == expectation.name


def test_rows_are_counted_and_their_share_is_observed(lake: duckdb.DuckDBPyConnection) -> None:
    fill(lake, "raw_trips")
    spoil(lake, "raw_trips", "dropoff_at = pickup_at WHERE source_row < 15")
    outcomes = {outcome.name: outcome for outcome in validate(lake, "raw_trips", RAW_TRIPS).outcomes}
    durations, median = outcomes["durations_are_plausible"], outcomes["median_duration_is_plausible"]
    assert (durations.observed, durations.unexpected_count, durations.unexpected_percent) == (0.75, 15, 25.0)
    assert (median.observed, median.unexpected_count, median.unexpected_percent) == (10, None, None)


def test_a_summary_names_expectation_observation_and_rows(lake: duckdb.DuckDBPyConnection) -> None:
    fill(lake, "raw_trips")
    spoil(lake, "raw_trips", "dropoff_at = pickup_at + (dropoff_at - pickup_at) * 60")
    shares, median = validate(lake, "raw_trips", RAW_TRIPS).summary()
    assert shares.startswith("durations_are_plausible: 0 % as expected, 60 of 60 rows not (At least 80 %")
    assert median.startswith("median_duration_is_plausible: observed 600 over 60 rows (The median trip")


def test_month_without_rows_is_refused(lake: duckdb.DuckDBPyConnection) -> None:
    suite_result = validate(lake, "raw_trips", RAW_TRIPS)
    assert suite_result.summary()[0] == "month_has_rows: observed 0 over 0 rows (The month has at least one row)"
    json.dumps(suite_result.as_json(), allow_nan=False)


def test_validation_covers_only_its_own_month(lake: duckdb.DuckDBPyConnection) -> None:
    fill(lake, "clean_trips")
    lake.execute("INSERT INTO clean_trips SELECT * REPLACE (DATE '2023-03-01' AS month) FROM clean_trips")
    lake.execute("CREATE TEMP VIEW audited AS SELECT * FROM lake.clean_trips WHERE month = '2023-02-01'")
    suite_result = validate(lake, "audited", CLEAN_TRIPS)
    assert (suite_result.rows, suite_result.summary()) == (60, ())

"""Great Expectations on a real lake, in a transaction: what each expectation refuses, what validating leaves.

Each month here is sixty good rides, made in SQL; a test spoils some of them.
"""

import gc
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from taxi_assets.contract import map_columns
from taxi_assets.expectations import CLEAN_TRIPS, RAW_TRIPS, SUITES, TRIP_FEATURES, Expectation, Suite
from taxi_assets.months import Month
from taxi_assets.quality import validate, write_data_docs
from taxi_assets.synthetic import write_month
from taxi_assets.tables import TABLES
from taxi_assets.warehouse import month_key, sql

FEBRUARY = Month(2023, 2)
GOOD_ROWS = """
    WITH rides AS (
        SELECT
            'green' AS service, DATE '2023-02-01' AS month, i AS source_row,
            month + to_days(CAST(i % 28 AS INTEGER)) + to_minutes(i * 17) AS pickup_at,
            pickup_at + INTERVAL 10 MINUTE AS dropoff_at,
            1 + i AS pickup_zone_id, 1 + (i * 7) % 60 AS dropoff_zone_id,
            1 AS passenger_count, 1.5 AS trip_distance_miles, 10.0 AS duration_minutes
        FROM range(60) AS numbers (i)
    )
"""
GOOD = {
    "raw_trips": """
        SELECT * EXCLUDE (duration_minutes), 9.5 AS fare_usd, 1 AS payment_type_id, 5 AS rate_code_id""",
    "clean_trips": "SELECT *",
    "trip_features": """
        SELECT
            * EXCLUDE (dropoff_at, trip_distance_miles),
            (isodow(pickup_at) - 1) * 24 + hour(pickup_at) AS hour_of_week,
            hour(pickup_at) * 60 + minute(pickup_at) AS minute_of_day, isodow(pickup_at) - 1 AS day_of_week,
            dayofyear(pickup_at) AS day_of_year, month(pickup_at) AS month_of_year, FALSE AS is_holiday,
            FALSE AS is_holiday_eve, FALSE AS is_after_holiday, 1.2 AS zone_distance_miles,
            pickup_zone_id = dropoff_zone_id AS is_same_zone""",
}
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
        "zone_distances_are_plausible": "zone_distance_miles = 61 WHERE source_row = 0",
        "zone_distances_are_known": "zone_distance_miles = NULL WHERE source_row < 4",
        "most_days_are_no_holidays": "is_holiday = TRUE WHERE source_row < 19",
    },
}
CASES = [(suite, expectation) for suite in SUITES.values() for expectation in suite.expectations]


def attach(folder: Path) -> duckdb.DuckDBPyConnection:
    """The lake of this folder, as locked down as the platform's own connections are."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for name in ("ducklake", "sqlite_scanner"):
        spec = importlib.util.find_spec(f"duckdb_extension_{name}")
        assert spec is not None
        extension = next(Path(spec.submodule_search_locations[0]).rglob(f"{name}.duckdb_extension"))
        connection.execute(f"LOAD '{extension}'")
    connection.execute(
        f"ATTACH 'ducklake:sqlite:{folder}/catalog.sqlite' AS lake (DATA_PATH '{folder}/data/')"
    )
    connection.execute("USE lake")
    connection.execute(f"SET allowed_directories = ['{folder}/']")
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")
    return connection


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    with attach(folder) as connection:
        for table in SUITES:
            connection.execute(TABLES[table].ddl())
    return folder


@pytest.fixture(scope="module")
def shared_lake(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with attach(folder) as connection:
        yield connection


@pytest.fixture
def lake(shared_lake: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The lake in a transaction that is rolled back."""
    shared_lake.execute("BEGIN TRANSACTION")
    yield shared_lake
    shared_lake.execute("ROLLBACK")


def fill(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Put a good month in the table."""
    connection.execute(f"INSERT INTO {table} BY NAME {GOOD_ROWS} {GOOD[table]} FROM rides")


def create_clean(connection: duckdb.DuckDBPyConnection) -> None:
    """Put a good month in a table of its own lake."""
    connection.execute(TABLES["clean_trips"].ddl())
    fill(connection, "clean_trips")


def spoil(connection: duckdb.DuckDBPyConnection, table: str, how: str) -> None:
    """Do what is said, or update the table as is said."""
    statement = how if how.startswith(("DELETE", "INSERT")) else f"UPDATE {table} SET {how}"  # noqa: S608
    connection.execute(statement.format(table=table))


def rows_seen_by_others(folder: Path, table: str) -> int:
    with attach(folder) as other:
        return int(other.table(table).count("*").fetchall()[0][0])


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_good_month_meets_every_expectation(lake: duckdb.DuckDBPyConnection, suite: Suite) -> None:
    fill(lake, suite.table)
    verdict = validate(lake, suite.table, suite)
    assert [outcome.name for outcome in verdict.outcomes] == [e.name for e in suite.expectations]
    assert [outcome.name for outcome in verdict.outcomes if not outcome.passed] == []
    assert (verdict.rows, verdict.summary()) == (60, ())


def test_every_expectation_has_a_month_it_refuses() -> None:
    assert {(suite.table, expectation.name) for suite, expectation in CASES} == {
        (table, name) for table, spoilt in SPOILT.items() for name in spoilt
    }


@pytest.mark.parametrize(("suite", "expectation"), CASES, ids=[f"{s.table}-{e.name}" for s, e in CASES])
def test_an_expectation_refuses_a_spoilt_month(
    lake: duckdb.DuckDBPyConnection, suite: Suite, expectation: Expectation
) -> None:
    fill(lake, suite.table)
    spoil(lake, suite.table, SPOILT[suite.table][expectation.name])
    verdict = validate(lake, suite.table, replace(suite, expectations=(expectation,)))
    (outcome,) = verdict.outcomes
    assert (outcome.name, outcome.passed) == (expectation.name, False)
    failed = verdict.failed_errors() if expectation.severity == "error" else verdict.failed_warnings()
    assert failed == (outcome,)
    assert (
        json.loads(json.dumps(verdict.as_json(), allow_nan=False))["outcomes"][0]["name"] == expectation.name
    )


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


def test_a_month_without_rows_is_refused_in_plain_words(lake: duckdb.DuckDBPyConnection) -> None:
    verdict = validate(lake, "raw_trips", RAW_TRIPS)
    assert verdict.summary()[0] == "month_has_rows: observed 0 over 0 rows (The month has at least one row)"
    json.dumps(verdict.as_json(), allow_nan=False)


def test_one_month_is_judged_and_not_its_neighbours(lake: duckdb.DuckDBPyConnection) -> None:
    fill(lake, "clean_trips")
    lake.execute("INSERT INTO clean_trips SELECT * REPLACE (DATE '2023-03-01' AS month) FROM clean_trips")
    lake.execute("CREATE TEMP VIEW audited AS SELECT * FROM lake.clean_trips WHERE month = '2023-02-01'")
    verdict = validate(lake, "audited", CLEAN_TRIPS)
    assert (verdict.rows, verdict.summary()) == (60, ())


def test_uncommitted_rows_are_judged_and_a_rollback_leaves_nothing(folder: Path) -> None:
    with attach(folder) as connection:
        connection.execute("BEGIN TRANSACTION")
        fill(connection, "clean_trips")
        assert validate(connection, "clean_trips", CLEAN_TRIPS).rows == 60
        assert rows_seen_by_others(folder, "clean_trips") == 0
        connection.execute("ROLLBACK")
        assert connection.table("clean_trips").count("*").fetchall() == [(0,)]
        held = connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
        assert sorted(row[0] for row in held) == sorted(SUITES)
    assert rows_seen_by_others(folder, "clean_trips") == 0


def test_a_month_can_be_committed_after_it_was_judged(tmp_path: Path) -> None:
    with attach(tmp_path) as connection:
        connection.execute("BEGIN TRANSACTION")
        create_clean(connection)
        first = validate(connection, "clean_trips", CLEAN_TRIPS)
        connection.execute("DELETE FROM clean_trips WHERE source_row = 0")
        second = validate(connection, "clean_trips", CLEAN_TRIPS)
        connection.execute("COMMIT")
    assert (first.rows, second.rows) == (60, 59)
    assert first.failed_errors() == second.failed_errors() == ()
    assert rows_seen_by_others(tmp_path, "clean_trips") == 59


def test_no_transaction_is_begun_where_none_is_under_way(tmp_path: Path) -> None:
    with attach(tmp_path) as connection:
        create_clean(connection)
        validate(connection, "clean_trips", CLEAN_TRIPS)
        with pytest.raises(duckdb.TransactionException, match="no transaction is active"):
            connection.execute("COMMIT")


def test_nothing_keeps_the_connection_or_uses_it_later(tmp_path: Path) -> None:
    connection = attach(tmp_path)
    create_clean(connection)
    verdict = validate(connection, "clean_trips", CLEAN_TRIPS)
    alive = weakref.ref(connection)
    del connection
    gc.collect()
    assert alive() is None
    assert verdict.document.statistics["evaluated_expectations"] == len(CLEAN_TRIPS.expectations)


def test_a_connection_given_back_is_out_of_reach() -> None:
    from taxi_assets.quality.dialect import borrow

    with duckdb.connect() as connection:
        with borrow(connection) as loan:
            loan.cursor().execute("SELECT 1")
        with pytest.raises(RuntimeError, match="given back"):
            loan.cursor()
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_a_column_there_is_not_is_an_error_and_no_finding(lake: duckdb.DuckDBPyConnection) -> None:
    fill(lake, "clean_trips")
    stray = replace(CLEAN_TRIPS.expectations[1], name="tips_are_of_one_kind", arguments={"column": "tip"})
    with pytest.raises(RuntimeError, match=r'tips_are_of_one_kind cannot be evaluated: .*"tip"'):
        validate(lake, "clean_trips", replace(CLEAN_TRIPS, expectations=(stray,)))


def test_sql_that_fails_is_an_error_that_tells_the_first_cause(
    lake: duckdb.DuckDBPyConnection, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(lake, "clean_trips")
    broken = replace(CLEAN_TRIPS, derived={**CLEAN_TRIPS.derived, "is_in_month": "CAST(service AS BOOLEAN)"})
    with pytest.raises(
        RuntimeError, match=r"the suite of clean_trips cannot be evaluated: .*'green'"
    ) as raised:
        validate(lake, "clean_trips", broken)
    assert isinstance(raised.value.__cause__, duckdb.ConversionException)
    assert capfd.readouterr() == ("", "")


def test_validating_calls_nobody_and_prints_nothing(
    lake: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(lake, "trip_features")
    calls: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: calls.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: calls.append(address))
    verdict = validate(lake, "trip_features", TRIP_FEATURES)
    assert (verdict.rows, calls, capfd.readouterr()) == (60, [], ("", ""))


def test_importing_the_package_imports_no_heavy_library() -> None:
    heavy = "{'great_expectations', 'sqlalchemy', 'duckdb_engine', 'pandas', 'numpy'}"
    program = f"import sys, taxi_assets.quality; sys.exit(sorted({heavy} & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", program], check=True)


class TestDataDocs:
    def test_a_page_names_every_expectation_and_needs_no_network(
        self, lake: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        fill(lake, "raw_trips")
        verdict = validate(lake, "raw_trips", RAW_TRIPS)
        page = write_data_docs(verdict, "raw_trips", "green", FEBRUARY, tmp_path / "docs")
        assert page == tmp_path / "docs" / "raw_trips" / "green_2023-02.html"
        html = page.read_text()
        assert all(
            f"<code>{e.name}</code>" in html and f'id="{e.name}"' in html for e in RAW_TRIPS.expectations
        )
        assert "fit to be published" in html
        assert "values must not be null" in html  # the words of Great Expectations
        for text in (html, (tmp_path / "docs" / "index.html").read_text()):
            assert not re.search(r"""(src|href)=["']?(https?:)?//|url\(|@import|<script""", text)

    def test_a_refused_month_says_so(self, lake: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        fill(lake, "raw_trips")
        spoil(lake, "raw_trips", "pickup_at = NULL WHERE source_row < 30")
        verdict = validate(lake, "raw_trips", RAW_TRIPS)
        html = write_data_docs(verdict, "raw_trips", "green", FEBRUARY, tmp_path).read_text()
        assert "refused, 1 of severity error failed" in html
        assert "✘" in (tmp_path / "index.html").read_text()

    def test_the_index_lists_every_month_and_pages_of_others_stay(
        self, lake: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        fill(lake, "raw_trips")
        fill(lake, "clean_trips")
        raw, clean = validate(lake, "raw_trips", RAW_TRIPS), validate(lake, "clean_trips", CLEAN_TRIPS)
        months = (Month(2023, 3), FEBRUARY)
        first = write_data_docs(clean, "clean_trips", "green", FEBRUARY, tmp_path)
        kept = first.read_bytes()
        pages = [write_data_docs(raw, "raw_trips", "green", month, tmp_path) for month in months]
        assert first.read_bytes() == kept
        linked = re.findall(r'href="([^"]+)"', (tmp_path / "index.html").read_text())
        assert linked == [page.relative_to(tmp_path).as_posix() for page in (pages[1], pages[0], first)]
        assert not list(tmp_path.rglob("*.html.*"))

    def test_a_month_validated_again_has_one_page_the_newest(
        self, lake: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        fill(lake, "clean_trips")
        for rows in (60, 59):
            verdict = validate(lake, "clean_trips", CLEAN_TRIPS)
            page = write_data_docs(verdict, "clean_trips", "green", FEBRUARY, tmp_path)
            assert f"{rows} rows" in page.read_text()
            lake.execute("DELETE FROM clean_trips WHERE source_row = 0")
        assert len(list(tmp_path.glob("clean_trips/*.html"))) == 1


def test_months_as_they_are_published_are_fit_to_be(tmp_path: Path) -> None:
    """Real months where TLC's files are at hand, else synthetic ones: not one fails an error."""
    for service, month, file in months_at_hand(tmp_path):
        with duckdb.connect() as connection:
            published = connection.read_parquet(str(file)).columns
            columns = map_columns(tuple(published)).select_list()
            connection.execute(
                f"CREATE VIEW arrived_trips AS SELECT file_row_number AS source_row, {columns} "  # noqa: S608
                f"FROM read_parquet('{file}', file_row_number = true)"
            )
            connection.execute(f"CREATE TABLE arrived AS {sql('raw_trips')}", month_key(service, month))
            verdict = validate(connection, "arrived", RAW_TRIPS)
        assert (file.name, verdict.summary()) == (file.name, ())


def months_at_hand(folder: Path) -> list[tuple[str, Month, Path]]:
    source = Path(os.environ.get("TAXI_TLC_SOURCE", Path(__file__).parents[3] / "shared" / "tlc"))
    real = sorted(source.glob("green_tripdata_*.parquet"))[::24]
    if real:
        return [("green", Month.parse(file.stem[-7:]), file) for file in real]
    months = [("green", Month(2021, 1)), ("yellow", Month(2023, 3)), ("fhvhv", Month(2025, 1))]
    return [(service, month, write_month(folder, service, month, 5000, 1)) for service, month in months]

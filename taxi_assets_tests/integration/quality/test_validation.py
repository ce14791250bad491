"""Great Expectations inside a DuckLake transaction sees uncommitted rows and leaves nothing behind."""

import gc
import os
import socket
import statistics
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from valid_months import attach, create_clean, fill

from taxi_assets.ingestion.canonical_rows import canonical_trips
from taxi_assets.ingestion.publish_month import reject_trips, view_month_trips
from taxi_assets.ingestion.table_checks import audit, audit_beside
from taxi_assets.months import Month
from taxi_assets.quality import validate
from taxi_assets.quality.suite_metrics import count_metrics
from taxi_assets.quality.suites import CLEAN_TRIPS, RAW_TRIPS, SUITES, TRIP_FEATURES, Expectation, Kind, Suite
from taxi_assets.settings import Settings
from taxi_assets.synthetic import write_month
from taxi_assets.warehouse.connection import Warehouse, define_macros

VIEWS = ("canonical_trips", "month_trips")


def rows_seen_by_others(folder: Path, table: str) -> int:
    with attach(folder) as other:
        return int(other.table(table).count("*").fetchall()[0][0])


def test_uncommitted_rows_are_validated_and_a_rollback_leaves_nothing(folder: Path) -> None:
    with attach(folder) as connection:
        connection.execute("BEGIN TRANSACTION")
        fill(connection, "clean_trips")
        assert validate(connection, "clean_trips", CLEAN_TRIPS).rows == 60
        assert rows_seen_by_others(folder, "clean_trips") == 0
        connection.execute("ROLLBACK")
        assert connection.table("clean_trips").count("*").fetchall() == [(0,)]
        tables = connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
        assert sorted(row[0] for row in tables) == sorted(SUITES)
    assert rows_seen_by_others(folder, "clean_trips") == 0


def test_duplicate_check_passes_without_a_trip_at_second_zero(tmp_path: Path) -> None:
    with attach(tmp_path) as connection:
        connection.execute("BEGIN TRANSACTION")
        create_clean(connection)
        for column in ("pickup_at", "dropoff_at"):
            connection.execute(f"UPDATE clean_trips SET {column} = {column} + INTERVAL 7 SECOND")
        assert connection.execute("SELECT min(second(pickup_at)) FROM clean_trips").fetchall()[0][0] > 0
        found = {outcome.name: outcome for outcome in validate(connection, "clean_trips", CLEAN_TRIPS).outcomes}
        assert found["trips_are_not_repeated"].passed


def test_month_can_be_committed_after_validation(tmp_path: Path) -> None:
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


def test_validation_starts_no_transaction(tmp_path: Path) -> None:
    with attach(tmp_path) as connection:
        create_clean(connection)
        validate(connection, "clean_trips", CLEAN_TRIPS)
        with pytest.raises(duckdb.TransactionException, match="no transaction is active"):
            connection.execute("COMMIT")


def test_validation_keeps_no_reference_to_the_connection(tmp_path: Path) -> None:
    connection = attach(tmp_path)
    create_clean(connection)
    suite_result = validate(connection, "clean_trips", CLEAN_TRIPS)
    alive = weakref.ref(connection)
    del connection
    gc.collect()
    assert alive() is None
    assert suite_result.document.statistics["evaluated_expectations"] == len(CLEAN_TRIPS.expectations)


def test_counts_equal_the_pandas_engine_of_great_expectations(lake: duckdb.DuckDBPyConnection) -> None:
    """On nulls, duplicates and values out of range, all counts equal those on a pandas frame."""
    from benchmarks.publish_pipelines import validate_frame

    for table, suite in SUITES.items():
        fill(lake, table)
        lake.execute(f"INSERT INTO {table} SELECT * REPLACE (source_row // 2 AS source_row) FROM {table} LIMIT 31")
        lake.execute(f"UPDATE {table} SET passenger_count = NULL, pickup_at = NULL WHERE source_row % 7 = 1")
        lake.execute(f"UPDATE {table} SET pickup_zone_id = 300 WHERE source_row % 9 = 2")
        frame = lake.execute(f"FROM {suite.with_derived(table)}").df()
        theirs = {found.expectation_config.meta["name"]: found for found in validate_frame(frame, table).results}
        for ours in validate(lake, table, suite).document.results:
            name = ours.expectation_config.meta["name"]
            assert (name, ours.success, counted(ours)) == (name, theirs[name].success, counted(theirs[name]))


def counted(result: Any) -> dict[str, Any]:
    """The numbers of a result, rounded to ten digits."""
    names = ("element_count", "unexpected_count", "missing_count", "unexpected_percent", "observed_value")
    numbers = {name: result.result.get(name) for name in names}
    return {name: None if number is None else float(f"{number:.10g}") for name, number in numbers.items()}


@pytest.mark.parametrize("values", [(), (None,), (-65, -64, -1, 0, 1, 63, 64, -1, 64, None), (2**62, -(2**62), 2**62)])
def test_distinct_count_and_median_of_integers_are_exact(values: tuple[int | None, ...]) -> None:
    expectations = (
        Expectation("distinct", Kind.DISTINCT, {"column": "number"}, "error", ""),
        Expectation("proportion", Kind.UNIQUE, {"column": "number"}, "error", ""),
        Expectation("median", Kind.MEDIAN, {"column": "number"}, "error", ""),
    )
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE numbers (number BIGINT)")
        connection.execute("INSERT INTO numbers SELECT unnest($values::BIGINT[])", {"values": list(values)})
        found = count_metrics(connection, "numbers", Suite("numbers", expectations))
    present = [value for value in values if value is not None]
    assert found["distinct"]["column.distinct_values.count"] == len(set(present))
    assert found["proportion"]["column.unique_proportion"] == (len(set(present)) / len(present) if present else 1)
    assert found["median"]["column.median"] == (statistics.median(present) if present else None)


def test_missing_column_is_an_error_and_not_a_failed_check(lake: duckdb.DuckDBPyConnection) -> None:
    fill(lake, "clean_trips")
    stray = replace(CLEAN_TRIPS.expectations[1], name="tips_are_of_one_kind", arguments={"column": "tip"})
    with pytest.raises(RuntimeError, match=r'the suite of clean_trips cannot be evaluated: .*"tip"'):
        validate(lake, "clean_trips", replace(CLEAN_TRIPS, expectations=(stray,)))


def test_failed_sql_is_an_error_with_its_root_cause(
    lake: duckdb.DuckDBPyConnection, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(lake, "clean_trips")
    broken = replace(CLEAN_TRIPS, derived={**CLEAN_TRIPS.derived, "is_in_month": "CAST(service AS BOOLEAN)"})
    with pytest.raises(RuntimeError, match=r"the suite of clean_trips cannot be evaluated: .*'green'") as raised:
        validate(lake, "clean_trips", broken)
    assert isinstance(raised.value.__cause__, duckdb.ConversionException)
    assert capfd.readouterr() == ("", "")


def test_validation_makes_no_network_call_and_prints_nothing(
    lake: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(lake, "trip_features")
    calls: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: calls.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: calls.append(address))
    suite_result = validate(lake, "trip_features", TRIP_FEATURES)
    assert (suite_result.rows, calls, capfd.readouterr()) == (60, [], ("", ""))


def test_importing_the_package_imports_no_heavy_library() -> None:
    heavy = "{'great_expectations', 'sqlalchemy', 'pandas', 'numpy'}"
    program = f"import sys, taxi_assets.quality; sys.exit(sorted({heavy} & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_published_months_pass_every_error_expectation(tmp_path: Path) -> None:
    """No published month fails an expectation of severity error. Uses TLC's files, or synthetic months."""
    for service, month, file in months_at_hand(tmp_path):
        with duckdb.connect() as connection:
            define_macros(connection)
            with canonical_trips(connection, file, service):
                view_month_trips(connection, service, month, "canonical_trips")
                reject_trips(connection, month)
                suite_result = validate(connection, "month_trips", RAW_TRIPS)
        assert (file.name, suite_result.summary()) == (file.name, ())


def test_counts_beside_other_queries_are_those_of_an_audit(tmp_path: Path) -> None:
    warehouse = Warehouse(Settings(home=tmp_path, data_kind="synthetic"))
    stray = Expectation("stray", Kind.PRESENT, {"column": "not_there"}, "error", "a column that is not there")
    with warehouse.exclusive_connection() as connection:
        file = write_month(warehouse.settings.landing, "green", Month(2021, 1), 2000, 1)
        with canonical_trips(connection, file, "green"):
            view_month_trips(connection, "green", Month(2021, 1), "canonical_trips")
            reject_trips(connection, Month(2021, 1))
            with audit_beside(connection, VIEWS, RAW_TRIPS) as result:
                assert connection.execute("SELECT count(*) > 1000 FROM trips").fetchall() == [(True,)]
                assert result() == audit(connection, "month_trips", RAW_TRIPS)
            with (
                audit_beside(connection, VIEWS, replace(RAW_TRIPS, expectations=(stray,))) as result,
                pytest.raises(RuntimeError, match="the suite of raw_trips cannot be evaluated"),
            ):
                result()


def months_at_hand(folder: Path) -> list[tuple[str, Month, Path]]:
    source = Path(os.environ.get("TAXI_TLC_SOURCE", Path(__file__).resolve().parents[4] / "shared" / "tlc"))
    real = sorted(source.glob("green_tripdata_*.parquet"))[::24]
    if real:
        return [("green", Month.parse(file.stem[-7:]), file) for file in real]
    months = [("green", Month(2021, 1)), ("yellow", Month(2023, 3)), ("fhvhv", Month(2025, 1))]
    return [(service, month, write_month(folder, service, month, 5000, 1)) for service, month in months]

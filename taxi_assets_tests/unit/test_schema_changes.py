"""Changes of TLC's columns are recorded with each month, whatever the order of ingestion."""

from collections.abc import Callable
from datetime import date, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import duckdb
import pytest

from taxi_assets.ingestion.casting import CanonicalTrips
from taxi_assets.ingestion.file_columns import FileColumns
from taxi_assets.ingestion.file_times import TimeReading
from taxi_assets.ingestion.schema_changes import read_schema_changes, record_schema
from taxi_assets.ingestion.source_files import SourceFile, write_source_files
from taxi_assets.ingestion.table_checks import read_audited_month, run_table_checks
from taxi_assets.months import Month
from taxi_assets.quality.results import ExpectationResult
from taxi_assets.synthetic import ERAS
from taxi_assets.tlc.contract import map_columns
from taxi_assets.warehouse.queries import sql

Recorder = Callable[..., str]


def found(memory: duckdb.DuckDBPyConnection, service: str, month: Month) -> dict[str, ExpectationResult]:
    """The check results of a month without rows whose file a person has accepted."""
    accepted = {"accepted_by": "a person", "accepted_at": datetime(2025, 1, 1)}
    file = SourceFile(f"{service} {month}", "file", "ingested", datetime(2025, 1, 1), service, month, **accepted)
    write_source_files(memory, [file])
    memory.execute("CREATE OR REPLACE TEMP VIEW month_trips AS FROM raw_trips")
    memory.execute(f"CREATE OR REPLACE TEMP TABLE month_extent AS {sql('month_extent')}")
    audited = read_audited_month(memory, file, is_new=True)
    return {outcome.name: outcome for outcome in run_table_checks(memory, "raw_trips", audited)}


@pytest.fixture
def record(memory: duckdb.DuckDBPyConnection) -> Recorder:
    """Records a month in an era's format; returns the check's observation, empty without a change."""

    def record(month: Month, era: str, service: str = "green") -> str:
        columns = ERAS[service][era].columns
        names = tuple(column.name for column in columns)
        types = tuple("string" if era.endswith("-csv") else str(column.type) for column in columns)
        trips_view = CanonicalTrips(Path(), FileColumns(names, types, None), map_columns(names))
        record_schema(memory, service, month, trips_view)
        outcome = found(memory, service, month)["columns_are_those_of_the_month_before"]
        assert outcome.severity == "warning"
        changes = read_schema_changes(memory, service, month)
        assert (changes == ()) == (outcome.observed == "no change")
        assert outcome.passed == all(change.change == "retyped" for change in changes)
        return str(outcome.observed) if changes else ""

    return record


def tables(memory: duckdb.DuckDBPyConnection) -> list[Any]:
    return [memory.execute(f"SELECT * FROM {t} ORDER BY ALL").fetchall() for t in ("file_columns", "schema_changes")]


def test_the_first_month_and_one_like_it_have_no_changes(record: Recorder) -> None:
    assert record(Month(2024, 1), "B") == record(Month(2024, 2), "B") == ""


def test_new_and_retyped_columns_are_reported(memory: duckdb.DuckDBPyConnection, record: Recorder) -> None:
    record(Month(2022, 12), "A")
    observed = record(Month(2023, 2), "B")
    outcomes = found(memory, "green", Month(2023, 2))
    assert outcomes["columns_are_those_of_the_month_before"].passed  # types alone require no action
    assert observed.startswith("since 2022-12: DOLocationID retyped from int64 to int32; ")
    assert "ehail_fee retyped from null to double" in observed
    assert record(Month(2025, 1), "C") == "since 2023-02: cbd_congestion_fee is new"
    query = "SELECT column_name, change, type_before, type_after, compared_with FROM schema_changes WHERE month = $1"
    changed = memory.execute(query, [date(2025, 1, 1)]).fetchall()
    assert changed == [("cbd_congestion_fee", "new", None, "double", date(2023, 2, 1))]


def test_removed_and_renamed_columns_are_reported(record: Recorder) -> None:
    record(Month(2024, 11), "C", "yellow")
    assert record(Month(2024, 12), "B", "yellow") == "since 2024-11: cbd_congestion_fee is gone"
    assert "Airport_fee renamed to airport_fee" in record(Month(2025, 1), "A", "yellow")


def test_text_has_no_types_to_compare(record: Recorder) -> None:
    record(Month(2023, 2), "B")
    assert record(Month(2023, 3), "2019-csv") == record(Month(2023, 4), "A") == ""


def test_services_are_compared_separately(record: Recorder) -> None:
    record(Month(2023, 1), "A", "yellow")
    assert record(Month(2023, 2), "B", "green") == ""


def test_order_of_ingestion_does_not_matter(memory: duckdb.DuckDBPyConnection, record: Recorder) -> None:
    eras = {Month(2023, 1): "A", Month(2023, 2): "B", Month(2025, 1): "C"}
    recorded_tables = set()
    for order in permutations(eras):
        for month in order:
            record(month, eras[month])
        recorded_tables.add(str(tables(memory)))
        memory.execute("DELETE FROM file_columns; DELETE FROM schema_changes")
    assert len(recorded_tables) == 1


def test_a_republished_month_keeps_its_old_changes(memory: duckdb.DuckDBPyConnection, record: Recorder) -> None:
    record(Month(2023, 1), "B")
    record(Month(2023, 2), "C")
    before = tables(memory)
    record(Month(2023, 2), "B")
    assert tables(memory)[1] == []
    record(Month(2023, 2), "C")
    assert tables(memory) == before


@pytest.mark.parametrize(
    ("notes", "passed", "observed"),
    [
        ({}, True, "not converted"),
        ({"lpep_pickup_datetime": "day first"}, True, "lpep_pickup_datetime: day first"),
        ({"lpep_pickup_datetime": "in New York's time zone"}, True, "lpep_pickup_datetime: in New York's time zone"),
        (
            {"lpep_pickup_datetime": "converted from UTC to New York's clock"},
            False,
            "lpep_pickup_datetime: converted from",
        ),
    ],
)
def test_time_readings_are_stored_and_reported(
    memory: duckdb.DuckDBPyConnection, notes: dict[str, str], passed: bool, observed: str
) -> None:
    names = tuple(column.name for column in ERAS["green"]["B"].columns)
    times = {name: TimeReading("", note) for name, note in notes.items()}
    trips_view = CanonicalTrips(Path(), FileColumns(names, ("int64",) * len(names), 1), map_columns(names), times=times)
    record_schema(memory, "green", Month(2024, 1), trips_view)
    query = "SELECT column_name, read_as FROM file_columns WHERE read_as IS NOT NULL"
    assert dict(memory.execute(query).fetchall()) == notes
    outcome = found(memory, "green", Month(2024, 1))["times_are_new_yorks_clock"]
    assert (outcome.severity, outcome.passed) == ("warning", passed)
    assert str(outcome.observed).startswith(observed)


def test_json_in_the_warehouse_is_strict(memory: duckdb.DuckDBPyConnection) -> None:
    odd = {"statistics": {"mean_total_usd": {"before": float("nan"), "after": 1.5}}}
    write_source_files(memory, [SourceFile("a", "file", "ingested", datetime(2025, 1, 1), difference=odd)])
    (text,) = memory.execute("SELECT difference::VARCHAR FROM source_files").fetchall()[0]
    assert text == '{"statistics": {"mean_total_usd": {"before": null, "after": 1.5}}}'

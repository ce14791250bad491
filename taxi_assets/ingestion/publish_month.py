"""Publishes one service's month from file to features in one commit. No Dagster here.

The rows are written to files of the lake, and audited there, before any table knows these files. The transaction then
registers them: readers see the month's raw, clean and rejected trips and features together, or none of them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from duckdb import DuckDBPyConnection

from taxi_assets.errors import TaxiError
from taxi_assets.features.trip_features import holiday_dates
from taxi_assets.ingestion import month_differences
from taxi_assets.ingestion.canonical_rows import canonical_trips
from taxi_assets.ingestion.casting import CanonicalTrips
from taxi_assets.ingestion.lake_files import LakeFile, kept_file, raw_file, register
from taxi_assets.ingestion.possible_duplicates import find_possible_duplicates
from taxi_assets.ingestion.published_months import (
    Publication,
    PublishedMonth,
    PublishedTable,
    inputs_digest,
    read_published_month,
    record_publication,
)
from taxi_assets.ingestion.recorded_file import (
    ReplacedFile,
    recorded_state,
    require_data_kind,
    require_recorded_checksum,
)
from taxi_assets.ingestion.schema_changes import record_schema
from taxi_assets.ingestion.source_files import SourceFile, mark_ingested
from taxi_assets.ingestion.table_checks import COMPLETENESS, audit, audit_beside, read_audited_month, run_table_checks
from taxi_assets.ingestion.taxi_zones import read_zones
from taxi_assets.ingestion.text_lines import count_rows
from taxi_assets.months import Month
from taxi_assets.quality import SuiteResult
from taxi_assets.quality.cleaning_rules import THRESHOLDS
from taxi_assets.quality.suites import SUITES
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.catalogue import publish_lock, staging_lock
from taxi_assets.warehouse.connection import Warehouse, month_key, one_snapshot, transaction
from taxi_assets.warehouse.data_path import NewFiles, new_files
from taxi_assets.warehouse.queries import sql
from taxi_assets.warehouse.schema import TABLES
from taxi_assets.warehouse.sql_quotes import quote_literal

_REMEDY = "The same file would fail again: put another file of the month into the landing folder"


class MonthRefused(TaxiError):
    """A table of a month failed an error-severity check, so nothing of the month was published.

    `suite_results` are those of all audited tables, `suite_result` that of the failed one.
    """

    def __init__(self, service: str, month: Month, suite_results: Mapping[str, SuiteResult]) -> None:
        self.service, self.month, self.suite_results = service, month, suite_results
        self.suite_result = next(result for result in suite_results.values() if result.failed_errors())
        self.table = self.suite_result.table
        reasons = "; ".join(self.suite_result.summary())
        super().__init__(f"{self.table} of {service} {month} is not published: {reasons}. {_REMEDY}")


class IncompleteMonth(MonthRefused):
    """The only fault of a file is that much of its month is missing: a person decides."""

    def __init__(self, refusal: MonthRefused, source_file: SourceFile) -> None:
        super().__init__(refusal.service, refusal.month, refusal.suite_results)
        reasons = "; ".join(self.suite_result.summary())
        self.args = (
            f"{source_file.file_name} waits to be accepted; the published rows of {self.service} {self.month} stay: "
            f"{reasons}. Put the complete file into the landing folder, or accept it as it is: "
            f"taxi files accept {(source_file.sha256 or '')[:16]}",
        )


class _ChangedMeanwhile(Exception):
    """Another process has published the month, or the zones, since this one read them."""


def publish_zones(warehouse: Warehouse, lookup: Path, shapes: Path, run_id: str | None = None) -> int:
    """Replace `taxi_zones`; return the number of zones."""
    zones = read_zones(lookup, shapes)
    with warehouse.publishing("taxi_zones", run_id) as connection:
        connection.execute("DELETE FROM taxi_zones")
        query = "INSERT INTO taxi_zones BY NAME SELECT unnest(zone) FROM (SELECT unnest($zones) AS zone)"
        connection.execute(query, {"zones": zones})
    return len(zones)


def publish_month(warehouse: Warehouse, source_file: SourceFile, run_id: str | None = None) -> Publication:
    """Replace one month by the file's rows: raw, clean and rejected trips, and features.

    A month made from the same file by the same code and zones is not written again.

    Returns:
        The publication. Its difference compares the month with its previous file, if there was one.

    Raises:
        DamagedFile: the file's bytes do not match its recorded SHA-256.
        TaxiError: the file is missing, or its columns do not meet the contract.
        MissingZones: the warehouse has no taxi zones.
        IncompleteMonth: a large part of the month is missing and nothing else is wrong.
        MonthRefused: the rows fail a table's suite.
        ReplacedFile: another file of the month has taken the place of this one.
    """
    require_data_kind(warehouse.settings, source_file)
    require_recorded_checksum(warehouse.settings, source_file)
    # Publishers of all homes wait for the registration only.
    with warehouse.unlocked_connection() as connection, staging_lock(warehouse.settings):
        while True:
            with suppress(_ChangedMeanwhile):
                return _publish_unless_unchanged(warehouse, connection, source_file, run_id)


def _publish_unless_unchanged(
    warehouse: Warehouse, connection: DuckDBPyConnection, source_file: SourceFile, run_id: str | None
) -> Publication:
    inputs, published, state = before = _read_state(connection, source_file)
    if state == "superseded" != source_file.state:
        raise ReplacedFile(f"{source_file.label} is not published: another file of the month has replaced it")
    if published and published.inputs == inputs and state == "ingested":
        return published.publication
    path = warehouse.settings.root / source_file.path
    with _staged(connection, warehouse, path, source_file) as staged:
        fault_points.fault_point("audited")
        with publish_lock(warehouse.settings):
            if _identity(_read_state(connection, source_file)) != _identity(before):
                raise _ChangedMeanwhile
            publication = _commit(connection, source_file, staged, inputs, published, run_id)
    fault_points.fault_point("published")
    return publication


def _read_state(connection: DuckDBPyConnection, source_file: SourceFile) -> tuple[str, PublishedMonth | None, str]:
    with one_snapshot(connection):
        inputs, published = inputs_digest(connection, source_file), read_published_month(connection, source_file)
        return inputs, published, recorded_state(connection, source_file)


def _identity(before: tuple[str, PublishedMonth | None, str]) -> tuple[str, ...]:
    inputs, published, state = before
    month = (published.sha256, published.inputs, published.raw_table) if published else ()
    return (inputs, state, *month)


def _commit(
    connection: DuckDBPyConnection,
    source_file: SourceFile,
    staged: "_Staged",
    inputs: str,
    published: PublishedMonth | None,
    run_id: str | None,
) -> Publication:
    service, month = source_file.require_month()
    try:
        with transaction(connection, f"{service} {month}", run_id):
            publication = _publish(connection, source_file, staged, inputs, published, run_id)
            fault_points.fault_point("registered")
            staged.new_files.may_be_registered = True
    except MonthRefused as refusal:
        if {outcome.name for outcome in refusal.suite_result.failed_errors()} == {COMPLETENESS}:
            raise IncompleteMonth(refusal, source_file) from refusal
        raise
    return publication


def stored_publication(warehouse: Warehouse, source_file: SourceFile) -> Publication:
    """The publication of a month whose file is gone."""
    with warehouse.reading() as connection:
        published = read_published_month(connection, source_file)
    if published is None:
        raise TaxiError(f"nothing of {source_file.label} is published: put it into the landing folder again")
    return published.publication


def view_month_trips(connection: DuckDBPyConnection, service: str, month: Month, relation: str) -> None:
    """Create the temporary view `month_trips` of a month's raw rows.

    Args:
        connection: A DuckDB connection with the project's macros.
        service: The service of the rows.
        month: The month of the rows.
        relation: The raw rows under canonical names, without their service and month.
    """
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW month_trips AS SELECT {quote_literal(service)} AS service, "
        f"DATE '{month.first_day}' AS month, * FROM {relation}"
    )


def reject_trips(connection: DuckDBPyConnection, month: Month) -> None:
    """Create the temporary `month_rejections` of `month_trips`, and the view `trips` of those kept."""
    find_possible_duplicates(connection)
    values = {"month": month.first_day, **THRESHOLDS}
    connection.execute(f"CREATE OR REPLACE TEMP TABLE month_rejections AS {sql('rejections')}", values)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW trips AS {sql('kept_trips')}")


@dataclass(frozen=True)
class _Staged:
    """A month's rows in files of the lake that no table has yet, and the results of their suites."""

    trips_view: CanonicalTrips
    files: tuple[LakeFile, ...]
    new_files: NewFiles
    suite_results: Mapping[str, SuiteResult]
    former: month_differences.PreviousMonth | None


@contextmanager
def _staged(
    connection: DuckDBPyConnection, warehouse: Warehouse, path: Path, source_file: SourceFile
) -> Iterator[_Staged]:
    """Write the month's rows to files of the lake and run their suites; deletes the files on an error.

    Kept trips are not written if the raw ones fail.
    """
    service, month = source_file.require_month()
    key = month_key(service, month)
    with (
        canonical_trips(connection, path, service, source_file.file_name) as trips_view,
        new_files(warehouse.settings) as new,
    ):
        files = [raw_file(connection, new, trips_view, key, source_file.sha256 or "")]
        fault_points.fault_point("filled")
        view_month_trips(connection, service, month, "canonical_trips")
        with audit_beside(connection, ("canonical_trips", "month_trips"), SUITES["raw_trips"]) as raw_result:
            reject_trips(connection, month)
            connection.execute(f"CREATE OR REPLACE TEMP TABLE month_extent AS {sql('month_extent')}")
            suite_results = {"raw_trips": raw_result()}
        if not suite_results["raw_trips"].failed_errors():
            holidays = {"holidays": list(holiday_dates())}
            files.append(kept_file(connection, new, _kept_query(), holidays, key))
            for table in ("clean_trips", "trip_features"):
                rows = TABLES[table].select(kept_trips="month_kept")
                suite_results[table] = audit(connection, f"({rows})", SUITES[table])
        former = month_differences.hash_previous_month(connection, source_file, trips_view.columns.names)
        yield _Staged(trips_view, tuple(files), new, suite_results, former)


def _kept_query() -> str:
    return f"SELECT * EXCLUDE (service, month) FROM ({sql('trip_features')})"


def _publish(
    connection: DuckDBPyConnection,
    source_file: SourceFile,
    staged: _Staged,
    inputs: str,
    published: PublishedMonth | None,
    run_id: str | None,
) -> Publication:
    """Replace the month in the open transaction, run the table checks, and refuse it if anything failed."""
    (service, month), trips_view = source_file.require_month(), staged.trips_view
    if published:
        for table in (published.raw_table, "kept_trips", "rejections", "published_months"):
            query = f"DELETE FROM {table} WHERE service = $service AND month = $month"
            connection.execute(query, month_key(service, month))
    for file in staged.files:
        register(connection, file)
    connection.execute("INSERT INTO rejections BY NAME FROM month_rejections")
    record_schema(connection, service, month, trips_view)
    difference = month_differences.compare_month(connection, staged.former) if staged.former else None
    rows = count_rows(trips_view.path) if trips_view.columns.rows is None else trips_view.columns.rows
    record = mark_ingested(connection, source_file, rows, run_id, difference)
    is_new = published is None or published.sha256 != source_file.sha256
    audited = read_audited_month(connection, record, is_new)
    suite_results = {
        table: replace(result, outcomes=(*result.outcomes, *run_table_checks(connection, table, audited)))
        for table, result in staged.suite_results.items()
    }
    if any(result.failed_errors() for result in suite_results.values()):
        raise MonthRefused(service, month, suite_results)
    reasons = connection.execute("SELECT reason, count(*) FROM month_rejections GROUP BY ALL ORDER BY ALL").fetchall()
    counts = {
        "raw_trips": {**dict.fromkeys(trips_view.mapping.unknown, rows), **+trips_view.counts},
        "clean_trips": dict(reasons),
    }
    tables = {table: PublishedTable(result, counts.get(table, {})) for table, result in suite_results.items()}
    record_publication(connection, source_file, inputs, staged.files[0].table, tables)
    return Publication(service, month, source_file, tables, audited.schema_changes, difference)

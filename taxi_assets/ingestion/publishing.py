"""Fills each table with one service's month, by `write_audit_publish`. No Dagster here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from taxi_assets.errors import TaxiError
from taxi_assets.features.trip_features import holiday_dates
from taxi_assets.files import sha256_of
from taxi_assets.ingestion import month_differences
from taxi_assets.ingestion.canonical_rows import canonical_trips
from taxi_assets.ingestion.schema_changes import ColumnChange, read_schema_changes, record_schema
from taxi_assets.ingestion.source_files import SourceFile, mark_ingested
from taxi_assets.ingestion.table_checks import COMPLETENESS, audit_month
from taxi_assets.ingestion.taxi_zones import read_zones
from taxi_assets.ingestion.text_lines import count_rows
from taxi_assets.months import Month
from taxi_assets.quality import SuiteResult
from taxi_assets.quality.cleaning_rules import THRESHOLDS
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.connection import Warehouse, create_month_view, month_key
from taxi_assets.warehouse.queries import replace_month
from taxi_assets.warehouse.write_audit_publish import Fill, Filled, MonthRefused, write_audit_publish


class DamagedFile(TaxiError):
    """A file's bytes do not match its recorded SHA-256, so it is not read."""


class IncompleteMonth(MonthRefused):
    """The only fault of a file is that much of its month is missing: a person decides."""

    def __init__(self, refusal: MonthRefused, source_file: SourceFile) -> None:
        super().__init__(refusal.table, refusal.service, refusal.month, refusal.suite_result)
        reasons = "; ".join(self.suite_result.summary())
        self.args = (
            f"{source_file.file_name} waits to be accepted; the published rows of {self.service} {self.month} stay: "
            f"{reasons}. Put the complete file into the landing folder, or accept it as it is: "
            f"taxi files accept {(source_file.sha256 or '')[:16]}",
        )


@dataclass(frozen=True)
class Publication:
    """One service's month of one table, as published."""

    service: str
    month: Month
    rows: int
    suite_result: SuiteResult
    counts: Mapping[str, int] = field(default_factory=dict)  # rows rejected, by reason; unknown columns, by name
    schema_changes: tuple[ColumnChange, ...] = ()  # raw trips only: since the previous available month
    source_file: SourceFile | None = None  # raw trips only
    difference: Mapping[str, Any] | None = None  # of a republished month, from its previous rows
    refused: tuple[str, ...] = ()  # one sentence for each newer file of the month that was refused


def publish_zones(warehouse: Warehouse, lookup: Path, shapes: Path, run_id: str | None = None) -> int:
    """Replace `taxi_zones`; return the number of zones."""
    zones = read_zones(lookup, shapes)
    with warehouse.publishing("taxi_zones", run_id) as connection:
        connection.execute("DELETE FROM taxi_zones")
        query = "INSERT INTO taxi_zones BY NAME SELECT unnest(zone) FROM (SELECT unnest($zones) AS zone)"
        connection.execute(query, {"zones": zones})
    return len(zones)


def publish_raw(warehouse: Warehouse, source_file: SourceFile, run_id: str | None = None) -> Publication:
    """Replace one month of `raw_trips` with every row of the file.

    Returns:
        The publication. Its counts name the columns that the contract does not know. Its difference compares the
        month with its previous file, if there was one.

    Raises:
        DamagedFile: the file's bytes do not match its recorded SHA-256.
        TaxiError: the file is missing, or its columns do not meet the contract.
        IncompleteMonth: a large part of the month is missing and nothing else is wrong.
        MonthRefused: the rows fail the table's suite.
    """
    (service, month), path = source_file.require_month(), warehouse.settings.root / source_file.path
    _refuse_other_data_kind(warehouse, source_file)
    _require_recorded_checksum(source_file, path)

    def fill(connection: DuckDBPyConnection) -> Filled:
        with canonical_trips(connection, path, service, source_file.file_name) as trips_view:
            former = month_differences.hash_previous_month(connection, source_file, trips_view.columns.names)
            replace_month(connection, "raw_trips", month_key(service, month))
        record_schema(connection, service, month, trips_view)
        difference = month_differences.compare_month(connection, former, source_file) if former else None
        rows = count_rows(path) if trips_view.columns.rows is None else trips_view.columns.rows
        mark_ingested(connection, source_file, rows, run_id, difference)
        return {
            "counts": {**dict.fromkeys(trips_view.mapping.unknown, rows), **+trips_view.counts},
            "schema_changes": read_schema_changes(connection, service, month),
            "source_file": source_file,
            "difference": difference,
        }

    try:
        return _publish(warehouse, "raw_trips", service, month, fill, run_id)
    except MonthRefused as refusal:
        if {outcome.name for outcome in refusal.suite_result.failed_errors()} == {COMPLETENESS}:
            raise IncompleteMonth(refusal, source_file) from refusal
        raise


def check_stored_month(warehouse: Warehouse, source_file: SourceFile) -> Publication:
    """Check the published `raw_trips` of a month whose file is gone. Changes nothing."""
    service, month = source_file.require_month()
    with warehouse.reading() as connection:
        suite_result = audit_month(connection, "raw_trips", service, month)
        changes = read_schema_changes(connection, service, month)
    return Publication(service, month, suite_result.rows, suite_result, {}, changes, source_file)


def clean_month(connection: DuckDBPyConnection, key: Mapping[str, object]) -> None:
    """Split the raw trips of the `month_key` into `rejected_trips` and `clean_trips`."""
    replace_month(connection, "rejected_trips", {**key, **THRESHOLDS})
    replace_month(connection, "clean_trips", key)


def derive_features(connection: DuckDBPyConnection, key: Mapping[str, object]) -> None:
    """Derive `trip_features` from the clean trips of the `month_key`."""
    create_month_view(connection, "trips", "clean_trips", key)
    replace_month(connection, "trip_features", {**key, "holidays": list(holiday_dates())})


def publish_clean(warehouse: Warehouse, service: str, month: Month, run_id: str | None = None) -> Publication:
    """Split one month's raw trips into `clean_trips` and `rejected_trips`, counted by reason.

    Raises:
        TaxiError: there are no raw trips of the month.
        MonthRefused: the rows fail the table's suite.
    """

    def fill(connection: DuckDBPyConnection) -> Filled:
        key = month_key(service, month)
        _require_rows(connection, "raw_trips", service, month)
        clean_month(connection, key)
        query = "SELECT reason, count(*) FROM rejected_trips WHERE service = $service AND month = $month GROUP BY 1"
        return {"counts": dict(sorted(connection.execute(query, key).fetchall()))}

    return _publish(warehouse, "clean_trips", service, month, fill, run_id)


def publish_features(warehouse: Warehouse, service: str, month: Month, run_id: str | None = None) -> Publication:
    """Derive one month of `trip_features` from its clean trips and the zones.

    Raises:
        TaxiError: there are no clean trips of the month, or no zones.
        MonthRefused: the rows fail the table's suite.
    """

    def fill(connection: DuckDBPyConnection) -> Filled:
        _require_rows(connection, "clean_trips", service, month)
        if not connection.execute("SELECT 1 FROM taxi_zones LIMIT 1").fetchall():
            raise TaxiError("the warehouse has no taxi_zones: materialise taxi_zones first")
        derive_features(connection, month_key(service, month))
        return {}

    return _publish(warehouse, "trip_features", service, month, fill, run_id)


def _require_recorded_checksum(source_file: SourceFile, path: Path) -> None:
    """Check the file against its recorded SHA-256 before it is read."""
    try:
        sha256 = sha256_of(path)
    except OSError as error:
        raise TaxiError(
            f"{source_file.file_name} of {source_file.service} {source_file.month} is missing ({error.strerror}): "
            "put it into the landing folder"
        ) from error
    if sha256 != source_file.sha256:
        raise DamagedFile(
            f"{source_file.file_name} of {source_file.service} {source_file.month} is damaged and is not read: "
            f"its SHA-256 is {sha256[:16]}…, not {(source_file.sha256 or '')[:16]}… as recorded. "
            "Put a good copy into the landing folder"
        )
    fault_points.fault_point("checked")


def _require_rows(connection: DuckDBPyConnection, table: str, service: str, month: Month) -> None:
    """Refuse a month without rows in the table that comes before."""
    query = f"SELECT 1 FROM {table} WHERE service = $service AND month = $month LIMIT 1"
    if not connection.execute(query, month_key(service, month)).fetchall():
        remedy = "ingest raw_trips first" if table == "raw_trips" else f"materialise {table} of that month first"
        raise TaxiError(f"the warehouse has no {table} of {service} {month}: {remedy}")


def _refuse_other_data_kind(warehouse: Warehouse, source_file: SourceFile) -> None:
    kind = warehouse.settings.active_data_kind
    if source_file.is_synthetic is not None and source_file.is_synthetic != (kind == "synthetic"):
        other = "synthetic" if source_file.is_synthetic else "real"
        raise TaxiError(
            f"{source_file.file_name} is a {other} month and this is the warehouse of {kind} months: "
            f"remove it from the landing folder, or set TAXI_DATA_KIND={other}"
        )


def _publish(
    warehouse: Warehouse, table: str, service: str, month: Month, fill: Fill, run_id: str | None
) -> Publication:
    suite_result, filled = write_audit_publish(warehouse, (table, service, month), fill, audit_month, run_id)
    return Publication(service, month, suite_result.rows, suite_result, **filled)

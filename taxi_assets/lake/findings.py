"""What publishing finds out by comparing tables, in the transaction that publishes: outcomes beside the suite's own."""

from collections.abc import Callable, Mapping
from typing import Any

from duckdb import DuckDBPyConnection

from taxi_assets.expectations import SUITES
from taxi_assets.lake.column_changes import read_changes
from taxi_assets.lake.warehouse import month_key, sql
from taxi_assets.months import Month
from taxi_assets.quality.verdict import Outcome

__all__ = ["find_out"]


def find_out(connection: DuckDBPyConnection, table: str, service: str, month: Month) -> tuple[Outcome, ...]:
    """The outcome of each finding of the table's suite, on the rows as the open transaction sees them."""
    outcomes = []
    for finding in SUITES[table].findings:
        passed, observed, rows = _FINDINGS[finding.name](connection, service, month)
        outcomes.append(Outcome(finding.name, finding.severity, passed, observed, rows, None, finding.description))
    return tuple(outcomes)


def _every_row_of_the_file_is_there(
    connection: DuckDBPyConnection, service: str, month: Month
) -> tuple[bool, Any, int | None]:
    rows, in_file, lines = connection.execute(sql("file_rows"), month_key(service, month)).fetchall()[0]
    observed = f"{rows:,} rows of {in_file:,} in the file, {lines:,} of them lines that cannot be read"
    return rows == in_file, observed, None


def _columns_are_those_of_the_month_before(
    connection: DuckDBPyConnection, service: str, month: Month
) -> tuple[bool, Any, int | None]:
    changes = read_changes(connection, service, month)
    if not changes:
        return True, "no change", None
    return False, f"since {changes[0].compared_with:%Y-%m}: " + "; ".join(map(str, changes)), None


def _kept_and_rejected_are_raw(
    connection: DuckDBPyConnection, service: str, month: Month
) -> tuple[bool, Any, int | None]:
    raw, kept, rejected, is_astray = connection.execute(sql("trips_astray"), month_key(service, month)).fetchall()[0]
    return not is_astray, f"{kept:,} kept + {rejected:,} rejected of {raw:,}", None


_FINDINGS: Mapping[str, Callable[[DuckDBPyConnection, str, Month], tuple[bool, Any, int | None]]] = {
    "every_row_of_the_file_is_there": _every_row_of_the_file_is_there,
    "columns_are_those_of_the_month_before": _columns_are_those_of_the_month_before,
    "kept_and_rejected_are_raw": _kept_and_rejected_are_raw,
}

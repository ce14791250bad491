"""Audits a month in the transaction that publishes it: its suite, and checks that compare tables."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from duckdb import DuckDBPyConnection

from taxi_assets.ingestion.completeness import NEARBY_MONTHS, Extent, few_rows, losses, missing_parts
from taxi_assets.ingestion.schema_changes import read_schema_changes
from taxi_assets.ingestion.source_files import SourceFile, read_source_files
from taxi_assets.months import Month
from taxi_assets.quality import ExpectationResult, SuiteResult, validate
from taxi_assets.quality.suites import SUITES, Severity
from taxi_assets.warehouse.connection import create_month_view, month_key
from taxi_assets.warehouse.queries import newest_snapshot, sql

COMPLETENESS = "no_large_part_of_the_month_is_missing"
"""The only check that a person can overrule, with `taxi files accept`."""

_IN_MONTH = "pickups_are_in_their_month"

CheckOutcome = tuple[bool, str]
"""If a check has passed, and what it observed."""

CheckFunction = Callable[[DuckDBPyConnection, str, Month], CheckOutcome]


def audit_month(connection: DuckDBPyConnection, table: str, service: str, month: Month) -> SuiteResult:
    """The results of the table's suite and of its table checks, on the rows that the connection sees."""
    create_month_view(connection, "audited", table, month_key(service, month))
    suite_result = _name_other_month(connection, "audited", validate(connection, "audited", SUITES[table]))
    table_checks = run_table_checks(connection, table, service, month)
    return replace(suite_result, outcomes=(*suite_result.outcomes, *table_checks))


def run_table_checks(
    connection: DuckDBPyConnection, table: str, service: str, month: Month
) -> tuple[ExpectationResult, ...]:
    """The result of each table check of the suite, on the rows of the open transaction."""
    outcomes = []
    for check in SUITES[table].table_checks:
        passed, observed = _TABLE_CHECKS[check.name](connection, service, month)
        severity = check.severity
        if check.name == COMPLETENESS and not passed:
            severity, observed = _severity_if_accepted(connection, service, month, observed)
        outcomes.append(ExpectationResult(check.name, severity, passed, observed, None, None, check.description))
    return tuple(outcomes)


def _name_other_month(connection: DuckDBPyConnection, relation: str, suite_result: SuiteResult) -> SuiteResult:
    """Add the month of most pickups to the failed check that pickups are in their month."""
    outcomes = {outcome.name: outcome for outcome in suite_result.failed_errors()}
    if _IN_MONTH not in outcomes:
        return suite_result
    query = (
        "SELECT strftime(pickup_at, '%Y-%m') AS picked_up_in, count(*) / sum(count(*)) OVER () AS share "  # noqa: S608
        f"FROM {relation} WHERE pickup_at IS NOT NULL GROUP BY picked_up_in ORDER BY share DESC, picked_up_in LIMIT 1"
    )
    other, share = connection.execute(query).fetchall()[0]
    text = f"{outcomes[_IN_MONTH].description}; {100 * share:.0f} % of them are of {other}"
    named = [replace(each, description=text) if each.name == _IN_MONTH else each for each in suite_result.outcomes]
    return replace(suite_result, outcomes=tuple(named))


def _every_row_of_the_file_is_there(connection: DuckDBPyConnection, service: str, month: Month) -> CheckOutcome:
    rows, in_file, lines = connection.execute(sql("file_rows"), month_key(service, month)).fetchall()[0]
    observed = f"{rows:,} rows of {in_file:,} in the file, {lines:,} of them lines that cannot be read"
    return rows == in_file, observed


def _severity_if_accepted(
    connection: DuckDBPyConnection, service: str, month: Month, observed: str
) -> tuple[Severity, str]:
    """A warning if the file was accepted or was ingested before, otherwise an error."""
    record = _ingested(connection, service, month)
    if record.accepted_by:
        return "warning", f"{observed}; accepted by {record.accepted_by} on {record.accepted_at:%Y-%m-%d}"
    is_ingested_now = (record.snapshot or 0) > newest_snapshot(connection)  # by the open transaction
    return ("error" if is_ingested_now else "warning"), observed


def _ingested(connection: DuckDBPyConnection, service: str, month: Month) -> SourceFile:
    records = read_source_files(connection)
    return next(r for r in records if (r.service, r.month, r.state) == (service, month, "ingested"))


def _no_large_part_of_the_month_is_missing(connection: DuckDBPyConnection, service: str, month: Month) -> CheckOutcome:
    record = _ingested(connection, service, month)
    statistics = record.difference["statistics"] if record.difference else {}
    before, after = ({name: of[when] for name, of in statistics.items()} for when in ("before", "after"))
    clauses = losses(before, after) or missing_parts(*_extents(connection, service, month))
    return not clauses, ", ".join(clauses) or "no large part is missing"


def _rows_are_like_those_of_months_nearby(connection: DuckDBPyConnection, service: str, month: Month) -> CheckOutcome:
    query = (
        "SELECT month, count(*) FROM raw_trips WHERE service = $service AND month BETWEEN $first AND $last GROUP BY 1"
    )
    rows = dict(connection.execute(query, _nearby(service, month)).fetchall())
    clause = few_rows(rows.pop(month.first_day, 0), list(rows.values()))
    return clause is None, clause or "as many as in months nearby"


def _extents(connection: DuckDBPyConnection, service: str, month: Month) -> tuple[Extent, list[Extent]]:
    """The extent of the month, and those of the available months nearby."""
    rows = connection.execute(sql("month_extents"), _nearby(service, month)).fetchall()
    found = [Extent(Month(day.year, day.month), days, hours) for day, days, hours in rows]
    own = next((extent for extent in found if extent.month == month), Extent(month, 0, 0))
    return own, [extent for extent in found if extent.month != month]


def _nearby(service: str, month: Month) -> Mapping[str, object]:
    first, last = (month.plus(by).first_day for by in (-NEARBY_MONTHS, NEARBY_MONTHS))
    return {"service": service, "first": first, "last": last}


def _times_are_new_yorks_clock(connection: DuckDBPyConnection, service: str, month: Month) -> CheckOutcome:
    query = (
        "SELECT column_name, read_as FROM file_columns "
        "WHERE service = $service AND month = $month AND read_as IS NOT NULL ORDER BY position"
    )
    notes = connection.execute(query, month_key(service, month)).fetchall()
    is_converted = any(note.startswith("converted") for _, note in notes)
    return not is_converted, "; ".join(f"{name}: {note}" for name, note in notes) or "not converted"


def _columns_are_those_of_the_month_before(connection: DuckDBPyConnection, service: str, month: Month) -> CheckOutcome:
    changes = read_schema_changes(connection, service, month)
    if not changes:
        return True, "no change"
    # Another type passes: its values are cast to the table's type, and too many that cannot be read fail the month.
    is_same = all(change.change == "retyped" for change in changes)
    return is_same, f"since {changes[0].compared_with:%Y-%m}: " + "; ".join(map(str, changes))


def _kept_and_rejected_are_raw(connection: DuckDBPyConnection, service: str, month: Month) -> CheckOutcome:
    raw, kept, rejected, is_unreconciled = connection.execute(
        sql("trip_reconciliation"), month_key(service, month)
    ).fetchall()[0]
    return not is_unreconciled, f"{kept:,} kept + {rejected:,} rejected of {raw:,}"


_TABLE_CHECKS: Mapping[str, CheckFunction] = {
    "every_row_of_the_file_is_there": _every_row_of_the_file_is_there,
    "times_are_new_yorks_clock": _times_are_new_yorks_clock,
    "columns_are_those_of_the_month_before": _columns_are_those_of_the_month_before,
    "kept_and_rejected_are_raw": _kept_and_rejected_are_raw,
    COMPLETENESS: _no_large_part_of_the_month_is_missing,
    "rows_are_like_those_of_months_nearby": _rows_are_like_those_of_months_nearby,
}

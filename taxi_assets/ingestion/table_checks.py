"""Audits a month in the transaction that publishes it: its suite, and checks that compare tables."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from duckdb import DuckDBPyConnection

from taxi_assets.ingestion.completeness import NEARBY_MONTHS, Extent, few_rows, losses, missing_parts
from taxi_assets.ingestion.schema_changes import ColumnChange, read_schema_changes
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.months import Month
from taxi_assets.quality import ExpectationResult, SuiteResult, count_rows, evaluate, validate
from taxi_assets.quality.suites import SUITES, Severity, Suite
from taxi_assets.warehouse.connection import month_key
from taxi_assets.warehouse.queries import sql
from taxi_assets.warehouse.second_connection import second_connection

COMPLETENESS = "no_large_part_of_the_month_is_missing"
"""The only check that a person can overrule, with `taxi files accept`."""

_IN_MONTH = "pickups_are_in_their_month"

CheckOutcome = tuple[bool, str]
"""If a check has passed, and what it observed."""


@dataclass(frozen=True)
class AuditedMonth:
    """A month in the open transaction, its file, and the months nearby, which the table checks compare."""

    record: SourceFile
    is_new: bool  # its file is not the published one
    rows: int
    extent: Extent
    nearby: tuple[tuple[int, Extent], ...]  # rows and extents
    schema_changes: tuple[ColumnChange, ...]


CheckFunction = Callable[[DuckDBPyConnection, AuditedMonth], CheckOutcome]


def audit(connection: DuckDBPyConnection, relation: str, suite: Suite) -> SuiteResult:
    """The results of a table's suite on the rows of a relation, one service's month."""
    return _name_other_month(connection, relation, validate(connection, relation, suite))


@contextmanager
def audit_beside(
    connection: DuckDBPyConnection, views: Sequence[str], suite: Suite
) -> Iterator[Callable[[], SuiteResult]]:
    """Audit a temporary view while the block runs other queries.

    Its rows are counted in a thread, on a second connection. DuckDB reads a parquet file with a thread for each row
    group, and TLC's files have few: one query leaves cores idle.

    Args:
        connection: The first connection.
        views: The view, after the temporary views that it reads.
        suite: The suite of its table.

    Yields:
        A function that waits for the counts and returns the suite's results, as `audit` does.
    """
    with closing(second_connection(connection, views)) as second, ThreadPoolExecutor(1) as thread:
        counting = thread.submit(count_rows, second, views[-1], suite)
        yield lambda: _name_other_month(connection, views[-1], evaluate(suite, counting.result()))


def read_audited_month(connection: DuckDBPyConnection, record: SourceFile, is_new: bool) -> AuditedMonth:
    """Read what the table checks compare; the open transaction has recorded the file and its columns."""
    service, month = record.require_month()
    rows, days, hours = connection.execute("SELECT rows, days, hours FROM month_extent").fetchall()[0]
    first, last = (month.plus(by).first_day for by in (-NEARBY_MONTHS, NEARBY_MONTHS))
    found = connection.execute(
        "SELECT month, rows, days, hours FROM published_months "
        "WHERE service = $service AND month BETWEEN $first AND $last AND month <> $month ORDER BY month",
        {**month_key(service, month), "first": first, "last": last},
    ).fetchall()
    nearby = tuple((count, Extent(Month(day.year, day.month), *extent)) for day, count, *extent in found)
    changes = read_schema_changes(connection, service, month)
    return AuditedMonth(record, is_new, rows, Extent(month, days, hours), nearby, changes)


def run_table_checks(
    connection: DuckDBPyConnection, table: str, audited: AuditedMonth
) -> tuple[ExpectationResult, ...]:
    """The result of each table check of the suite."""
    outcomes = []
    for check in SUITES[table].table_checks:
        passed, observed = _TABLE_CHECKS[check.name](connection, audited)
        severity = check.severity
        if check.name == COMPLETENESS and not passed:
            severity, observed = _severity_if_accepted(audited, observed)
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


def _every_row_of_the_file_is_there(connection: DuckDBPyConnection, audited: AuditedMonth) -> CheckOutcome:
    in_file = audited.record.rows or 0
    query = "SELECT count(*), count(*) FILTER (json_exists(unreadable, '$.line')) FROM month_trips"
    rows, lines = connection.execute(query).fetchall()[0]
    observed = f"{rows:,} rows of {in_file:,} in the file, {lines:,} of them lines that cannot be read"
    return rows == in_file, observed


def _severity_if_accepted(audited: AuditedMonth, observed: str) -> tuple[Severity, str]:
    """A warning if the file was accepted or was ingested before, otherwise an error."""
    record = audited.record
    if record.accepted_by:
        return "warning", f"{observed}; accepted by {record.accepted_by} on {record.accepted_at:%Y-%m-%d}"
    return ("error" if audited.is_new else "warning"), observed


def _no_large_part_of_the_month_is_missing(_: DuckDBPyConnection, audited: AuditedMonth) -> CheckOutcome:
    difference = audited.record.difference
    statistics = difference["statistics"] if difference else {}
    before, after = ({name: of[when] for name, of in statistics.items()} for when in ("before", "after"))
    clauses = losses(before, after) or missing_parts(audited.extent, [extent for _, extent in audited.nearby])
    return not clauses, ", ".join(clauses) or "no large part is missing"


def _rows_are_like_those_of_months_nearby(_: DuckDBPyConnection, audited: AuditedMonth) -> CheckOutcome:
    clause = few_rows(audited.rows, [count for count, _ in audited.nearby])
    return clause is None, clause or "as many as in months nearby"


def _times_are_new_yorks_clock(connection: DuckDBPyConnection, audited: AuditedMonth) -> CheckOutcome:
    query = (
        "SELECT column_name, read_as FROM file_columns "
        "WHERE service = $service AND month = $month AND read_as IS NOT NULL ORDER BY position"
    )
    notes = connection.execute(query, month_key(*audited.record.require_month())).fetchall()
    is_converted = any(note.startswith("converted") for _, note in notes)
    return not is_converted, "; ".join(f"{name}: {note}" for name, note in notes) or "not converted"


def _columns_are_those_of_the_month_before(_: DuckDBPyConnection, audited: AuditedMonth) -> CheckOutcome:
    changes = audited.schema_changes
    if not changes:
        return True, "no change"
    # Another type passes: its values are cast to the table's type, and too many that cannot be read fail the month.
    is_same = all(change.change == "retyped" for change in changes)
    return is_same, f"since {changes[0].compared_with:%Y-%m}: " + "; ".join(map(str, changes))


def _kept_and_rejected_are_raw(connection: DuckDBPyConnection, _: AuditedMonth) -> CheckOutcome:
    raw, kept, rejected, is_unreconciled = connection.execute(sql("trip_reconciliation")).fetchall()[0]
    return not is_unreconciled, f"{kept:,} kept + {rejected:,} rejected of {raw:,}"


_TABLE_CHECKS: Mapping[str, CheckFunction] = {
    "every_row_of_the_file_is_there": _every_row_of_the_file_is_there,
    "times_are_new_yorks_clock": _times_are_new_yorks_clock,
    "columns_are_those_of_the_month_before": _columns_are_those_of_the_month_before,
    "kept_and_rejected_are_raw": _kept_and_rejected_are_raw,
    COMPLETENESS: _no_large_part_of_the_month_is_missing,
    "rows_are_like_those_of_months_nearby": _rows_are_like_those_of_months_nearby,
}

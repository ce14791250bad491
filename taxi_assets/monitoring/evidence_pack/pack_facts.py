"""Reads the facts of a decision from the warehouse and the registry, as they are recorded."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.evaluate import services_of, window_of
from taxi_assets.evaluation.metrics import DAY
from taxi_assets.months import Month
from taxi_assets.promotion.decision import read_decision
from taxi_assets.quality.data_docs import month_page
from taxi_assets.quality.results import SuiteResult
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Row = dict[str, Any]

_FILES = """
SELECT strftime(month, '%Y-%m') AS month, service, sha256, rows, results
FROM lake.published_months {at}
WHERE service IN (SELECT unnest($services)) AND strftime(month, '%Y-%m') IN (SELECT unnest($months))
ORDER BY month, list_position($services, service)
"""


@dataclass(frozen=True)
class PackFacts:
    """The records of a decision; each row is a row of its table, by column.

    Attributes:
        version: The version decided on.
        month: The month that decided.
        parameters: The parameters of its training.
        decision: The row of `promotions`.
        approvals: The rows of `approvals`, oldest first.
        evaluations: The rows of `evaluations`, without those of single days.
        coverage: The rows of `interval_coverage`.
        importance: The rows of `feature_importance`, the largest growth first.
        files: A row for each file and table: use, month, service, file, rows, checks, Data Docs page.
        expired: Uses (`training`, `scored`) whose snapshot is no longer kept: their files are those of today.
    """

    version: Version
    month: Month
    parameters: Mapping[str, str]
    decision: Row
    approvals: tuple[Row, ...]
    evaluations: tuple[Row, ...]
    coverage: tuple[Row, ...]
    importance: tuple[Row, ...]
    files: tuple[Row, ...]
    expired: tuple[str, ...]

    @property
    def state(self) -> str:
        """The state of the decision: promoted, refused, or one of the approval."""
        return str(self.decision.get("state") or ("promoted" if self.decision["is_promoted"] else "refused"))


def read_facts(settings: Settings, warehouse: Warehouse, number: int, month: Month) -> PackFacts:
    """Reads the facts of the decision on a version for a month.

    Raises:
        TaxiError: there is no such version or decision, or the version's MLflow run was deleted.
    """
    version = model_versions.require(settings, number)
    key = {"version": number, "month": month.first_day}
    own = "WHERE model_version = $version AND month = $month"
    with warehouse.reading() as connection:
        decision = read_decision(connection, number, month)
        if decision is None:
            raise TaxiError(f"no decision was taken on version {number} for {month}: materialise champion_model first")
        days = f"{own} AND slice <> '{DAY}'"  # thousands of rows, which decide through the interval only
        files, expired = _files(connection, version, month, int(decision["snapshot"]))
        return PackFacts(
            version=version,
            month=month,
            parameters=tracking.get_logged_run(settings, version.run_id).params,
            decision=decision,
            approvals=_rows(connection, f"FROM approvals {own} ORDER BY decided_at", key),
            evaluations=_rows(connection, f"FROM evaluations {days} ORDER BY ALL", key),
            coverage=_rows(connection, f"FROM interval_coverage {own} ORDER BY ALL", key),
            importance=_rows(connection, f"FROM feature_importance {own} ORDER BY rmse_growth_minutes DESC", key),
            files=files,
            expired=expired,
        )


def _rows(connection: "DuckDBPyConnection", query: str, values: Mapping[str, Any]) -> tuple[Row, ...]:
    found = connection.execute(query, values)
    names = [column[0] for column in found.description]
    return tuple(dict(zip(names, row, strict=True)) for row in found.fetchall())


def _files(
    connection: "DuckDBPyConnection", version: Version, month: Month, snapshot: int
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The files trained and scored on, as of the snapshots read, and the uses with an expired snapshot."""
    uses = (
        ("training", [str(each) for each in window_of(version)], int(version.tags["data_snapshot"])),
        ("scored", [str(month)], snapshot),
    )
    kept = {int(row[0]) for row in connection.execute("SELECT snapshot_id FROM lake.snapshots()").fetchall()}
    accepted = "SELECT sha256, file_name, accepted_by FROM source_files WHERE state IN ('ingested', 'superseded')"
    names = {row["sha256"]: row for row in _rows(connection, accepted, {})}
    rows: list[Row] = []
    for use, months, read_from in uses:
        at = f"AT (VERSION => {read_from})" if read_from in kept else ""
        values = {"services": list(services_of(version)), "months": months}
        for found in _rows(connection, _FILES.format(at=at), values):
            rows += _file_rows(use, found, names.get(found["sha256"], {}))
    return tuple(rows), tuple(use for use, _, read_from in uses if read_from not in kept)


def _file_rows(use: str, found: Row, file: Mapping[str, Any]) -> Sequence[Row]:
    """A row for each table that the file's trips are in."""
    service, month = found["service"], Month.parse(found["month"])
    rows = []
    for table, results in json.loads(found["results"]).items():
        outcomes = SuiteResult.from_json(results).outcomes
        failed = [each.name for each in outcomes if not each.passed]
        rows.append(
            {
                "use": use,
                "month": found["month"],
                "service": service,
                "file_name": file.get("file_name"),
                "sha256": found["sha256"],
                "accepted_by": file.get("accepted_by"),
                "file_rows": found["rows"],
                "table": table,
                "rows": results["rows"],
                "checks_passed": len(outcomes) - len(failed),
                "checks_failed": len(failed),
                "failed_checks": " ".join(failed),
                "data_docs": _data_docs(table, service, month),
            }
        )
    return rows


def _data_docs(table: str, service: str, month: Month) -> str:
    """The Data Docs page, relative to the folder of the reports."""
    return month_page(Path("data_docs"), table, service, month).as_posix()

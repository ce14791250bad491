"""Decides whether a month trains a model, from tables and registry, and records it. No Dagster."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.metrics import MODEL
from taxi_assets.monitoring.retraining import RetrainingDecision, decide_retraining
from taxi_assets.months import Month
from taxi_assets.registry import model_versions
from taxi_assets.registry.model_files import Version
from taxi_assets.registry.version_reader import read_versions
from taxi_assets.settings import Settings
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.queries import newest_snapshot, sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Row = dict[str, Any]

BY_POLICY = "asset retraining"


@dataclass(frozen=True)
class TrainingRequest:
    """A person's wish to train, whatever the policy says."""

    by: str
    why: str = ""

    @property
    def reason(self) -> str:
        """The wish as a sentence."""
        return f"{self.by} asks for it: {self.why}" if self.why else f"{self.by} asks for it"


def record_retraining(
    settings: Settings,
    warehouse: Warehouse,
    month: Month,
    request: TrainingRequest | None = None,
    run_id: str | None = None,
) -> Row:
    """Decides whether a model is trained for the month, and adds a row to `retraining_decisions`.

    A month with a model stays trained: its drift would now be measured against that model. A decision equal to the
    last one adds no row.

    Args:
        settings: Its `retrain` is the mode; location of the registry.
        warehouse: The warehouse.
        month: The ingested month.
        request: A person's wish; without one the policy decides.
        run_id: The Dagster run, if there is one.

    Returns:
        The row that holds.

    Raises:
        TaxiError: The mode needs the month's drift, which was not measured on the current files.
    """
    trainings, version = trained_months(settings, before=month), model_versions.get_month_version(settings, month)
    with warehouse.reading() as connection:
        last = current_retraining(connection, settings, month)
        if last and last["is_retraining"] and version and not request:
            return last
        facts = _facts(connection, settings, month, trainings)
        snapshot = newest_snapshot(connection)
    decision = _decide(settings, month, trainings, version, facts, request)
    by = request.by if request else BY_POLICY
    row = facts | {
        "month": month.first_day,
        "is_retraining": decision.retrain,
        "reason": decision.reason,
        "decided_by": by,
    }
    if last and all(last[name] == value for name, value in row.items()):
        return last
    return _add(warehouse, row | {"snapshot": snapshot, "run_id": run_id})


def current_retraining(connection: "DuckDBPyConnection", settings: Settings, month: Month) -> Row | None:
    """The last row of `retraining_decisions` on the month's current files; None without one."""
    values = [month.first_day, published_snapshot(connection, settings, month)]
    return _first(connection, "WHERE month = ? AND snapshot >= ? ORDER BY decided_at DESC", values)


def newest_retraining(connection: "DuckDBPyConnection") -> Row | None:
    """The last row of `retraining_decisions` on the newest month; None without one."""
    return _first(connection, "ORDER BY month DESC, decided_at DESC")


def _first(connection: "DuckDBPyConnection", clauses: str, values: Sequence[object] = ()) -> Row | None:
    found = connection.execute(f"FROM retraining_decisions {clauses} LIMIT 1", list(values))
    row, names = found.fetchone(), [column[0] for column in found.description]
    return dict(zip(names, row, strict=True)) if row else None


def trained_months(settings: Settings, before: Month) -> tuple[Month, ...]:
    """The earlier months that a model was trained for, oldest first."""
    texts = {
        version.tags["scored_month"] for version in read_versions(settings).values() if "scored_month" in version.tags
    }
    return tuple(sorted(month for text in texts if (month := Month.parse(text)) < before))


def published_snapshot(connection: "DuckDBPyConnection", settings: Settings, month: Month) -> int:
    """The newest snapshot that published rows of the month's current files; 0 without files."""
    query = (
        "SELECT coalesce(max(snapshot), 0) FROM source_files "
        "WHERE state = 'ingested' AND month = ? AND service IN (SELECT unnest(?))"
    )
    return int(connection.execute(query, [month.first_day, list(settings.services)]).fetchall()[0][0])


def _facts(connection: "DuckDBPyConnection", settings: Settings, month: Month, trainings: Sequence[Month]) -> Row:
    """The facts of a decision, by column."""
    # A report of replaced files is no fact of the current ones.
    query = "SELECT max(verdict) FROM drift_verdicts WHERE month = ? AND snapshot_id >= ?"
    published = published_snapshot(connection, settings, month)
    ((verdict,),) = connection.execute(query, [month.first_day, published]).fetchall()
    query = "SELECT verdict FROM drift_verdicts WHERE month < ? ORDER BY month DESC LIMIT 1"
    earlier = connection.execute(query, [month.first_day]).fetchone()
    values = {"month": month.first_day, "scope": PRIMARY_SCOPE.name, "model": MODEL}
    champion = connection.execute(sql("champion_error_growth"), values).fetchone()
    version, growth = champion or (None, None)
    return {
        "mode": settings.retrain,
        "verdict": verdict,
        "earlier_verdict": earlier[0] if earlier else None,
        "model_version": version,
        "error_growth": growth,
        "last_training": trainings[-1].first_day if trainings else None,
        "trainings": sum(each > month.plus(-12) for each in trainings),
    }


def _decide(
    settings: Settings,
    month: Month,
    trainings: Sequence[Month],
    version: Version | None,
    facts: Row,
    request: TrainingRequest | None,
) -> RetrainingDecision:
    if request:
        return RetrainingDecision(retrain=True, reason=request.reason)
    if version:
        return RetrainingDecision(retrain=True, reason=f"version {version.version} was trained for it")
    if settings.retrain == "drift" and trainings and facts["verdict"] is None:
        raise TaxiError(f"the drift of {month} was not measured: materialise drift_report of that month first")
    verdicts = facts["earlier_verdict"], facts["verdict"]
    return decide_retraining(settings.retrain, month, trainings, verdicts, facts["error_growth"])


def _add(warehouse: Warehouse, row: Row) -> Row:
    with warehouse.publishing(f"retraining_decisions {row['month']:%Y-%m}", row["run_id"]) as connection:
        query = "SELECT max(decided_at) FROM retraining_decisions"
        ((last,),) = connection.execute(query).fetchall()
        now = datetime.now(UTC).replace(tzinfo=None)
        # Also after the clock was set back the last row is the newest.
        row |= {"decided_at": max(now, last + timedelta(microseconds=1)) if last else now}
        connection.execute(
            "INSERT INTO retraining_decisions (month, is_retraining, reason, mode, verdict, earlier_verdict, "
            "model_version, error_growth, last_training, trainings, decided_by, decided_at, snapshot, run_id) "
            "VALUES ($month, $is_retraining, $reason, $mode, $verdict, $earlier_verdict, $model_version, "
            "$error_growth, $last_training, $trainings, $decided_by, $decided_at, $snapshot, $run_id)",
            row,
        )
    return row

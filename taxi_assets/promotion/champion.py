"""Lets a month's version become champion, or says why not, and keeps the decision. Knows no Dagster."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from getpass import getuser
from typing import TYPE_CHECKING, Any

import pandas as pd

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.evaluate import version_for
from taxi_assets.evaluation.metrics import DAY, Score
from taxi_assets.months import Month
from taxi_assets.promotion.decision import Decision, decide, decision_row
from taxi_assets.promotion.evidence import Contest, gather, kept_scores
from taxi_assets.promotion.guards import rides_of
from taxi_assets.promotion.paired_comparison import Comparison
from taxi_assets.registry import model_versions, run_metrics
from taxi_assets.registry.model_versions import Version
from taxi_assets.settings import Settings
from taxi_assets.training.evaluation_scope import HEADLINE
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Outcome", "choose_champion"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """A decision, the measure that decided, and what it rests on.

    Attributes:
        decision: Whether the version is promoted, and why.
        measure: The measure that decided, in words.
        scores: The version's and each baseline's, by name; empty where the version may have seen the rides.
        comparison: That with the champion, where there was one.
    """

    decision: Decision
    measure: str
    scores: Mapping[str, Score]
    comparison: Comparison | None = None


def choose_champion(
    settings: Settings, warehouse: Warehouse, month: Month, decided_by: str | None = None, run_id: str | None = None
) -> Outcome:
    """Decide on the month's version, on rides neither it nor the champion saw; keep, tag and alias.

    Args:
        settings: Where MLflow is.
        warehouse: The lake.
        month: The month the version is scored on.
        decided_by: What decides; unset, the person this process belongs to.
        run_id: The Dagster run, if one decides.

    Raises:
        TaxiError: no version was trained for the month, or it was not evaluated.
    """
    challenger, current = version_for(settings, month), _usable_champion(settings)
    with warehouse.reading() as connection:
        kept = _kept_row(connection, month, challenger)
        _require_evaluation(connection, month, challenger, settings.served_condition)
        scores = kept_scores(connection, month, challenger, settings.served_condition)[HEADLINE.name]
    if kept and kept["is_promoted"] and current and current.version == challenger.version:
        model_versions.note_decision(settings, challenger.version, _tags(kept))
        return Outcome(Decision(True, tuple(kept["reasons"])), _measure(kept), scores)
    contest = gather(settings, warehouse, month, challenger, current)
    decision = decide(contest.evidence)
    row = _row(contest, decision) | {
        "month": month.first_day,
        "model_version": challenger.version,
        "decided_by": decided_by or getuser(),
        "run_id": run_id,
        "decided_at": datetime.now(UTC).replace(tzinfo=None),
    }
    # Kept first: killed in between, the next run finds the old champion and decides again, with the same row.
    _keep(warehouse, row, run_id)
    _tell_mlflow(settings, challenger, decision, row, contest.evidence.compared)
    return Outcome(decision, _measure(row), scores if contest.evidence.own else {}, contest.evidence.compared)


def _tell_mlflow(
    settings: Settings, version: Version, decision: Decision, row: Mapping[str, Any], compared: Comparison | None
) -> None:
    """Write the decision to the version in MLflow: its alias or refusal, its description, its tags."""
    if compared:
        run_metrics.log_metrics(settings, version.run_id, {"difference_minutes": compared.interval.difference})
    reasons = " ".join(decision.reasons)
    if decision.promote:
        model_versions.promote(settings, version.version, reasons)
    else:
        model_versions.note_decision(settings, version.version, {"refusal": reasons})
    # Last of all: a version with these tags was decided on, and the alias is where the decision put it.
    model_versions.describe(settings, version.version, _description(version, row))
    model_versions.note_decision(settings, version.version, _tags(row))


def _description(version: Version, row: Mapping[str, Any]) -> str:
    """What MLflow shows of the version: from what it learned, what was decided, by which measure, and why."""
    decided = "Promoted" if row["is_promoted"] else "Not promoted"
    measured = "" if row["rmse"] is None else f": {_measure(row)}, is {row['rmse']:.3f} minutes"
    reasons = " ".join(row["reasons"])
    return f"Trained on {version.tags['window']}. {decided} on {row['month']:%Y-%m}{measured}. {reasons}"


def _measure(row: Mapping[str, object]) -> str:
    """The measure that decided, in words."""
    return f"RMSE on {rides_of(str(row['convention']))}, predicted {str(row['condition']).replace('_', ' ')}"


def _usable_champion(settings: Settings) -> Version | None:
    """The champion; None also where its model is missing or damaged: the challenger is then judged as a first one."""
    champion = model_versions.champion(settings)
    if champion and not model_versions.is_usable(settings, champion):
        _LOG.warning("the model of the champion, version %d, cannot be used: it is not compared with", champion.version)
        return None
    return champion


def _kept_row(connection: "DuckDBPyConnection", month: Month, version: Version) -> dict[str, Any] | None:
    found = connection.execute(
        "SELECT * FROM promotions WHERE month = ? AND model_version = ?", [month.first_day, version.version]
    )
    row, names = found.fetchone(), [column[0] for column in found.description]
    return dict(zip(names, row, strict=True)) if row else None


def _require_evaluation(connection: "DuckDBPyConnection", month: Month, version: Version, condition: str) -> None:
    query = (
        "SELECT count(*) FROM evaluations "
        "WHERE month = ? AND model_version = ? AND condition = ? AND convention = ? AND slice = ?"
    )
    values = [month.first_day, version.version, condition, HEADLINE.name, DAY]
    if not connection.execute(query, values).fetchall()[0][0]:
        raise TaxiError(
            f"version {version.version} was not evaluated on {month} {condition.replace('_', ' ')}: "
            "materialise model_evaluation of that month first"
        )


def _row(contest: Contest, decision: Decision) -> dict[str, object]:
    return decision_row(contest.evidence, decision) | {"snapshot": contest.snapshot}


def _keep(warehouse: Warehouse, row: dict[str, object], run_id: str | None) -> None:
    message = f"promotions {row['month']:%Y-%m} version {row['model_version']}"
    key = [row["month"], row["model_version"]]
    rows = pd.DataFrame({name: [value] for name, value in row.items() if value is not None})
    with warehouse.publishing(message, run_id) as connection:
        connection.execute("DELETE FROM promotions WHERE month = ? AND model_version = ?", key)
        connection.register("decided", rows)
        connection.execute("INSERT INTO promotions BY NAME SELECT * FROM decided")


def _tags(row: Mapping[str, object]) -> dict[str, str]:
    """The row as tags of the version in MLflow: `decision_rides`, `decision_difference_minutes`."""
    shown = {name: value for name, value in row.items() if value is not None and name != "reasons"}
    tags = {f"decision_{name.removeprefix('decision_')}": str(value) for name, value in shown.items()}
    return tags | {"decision": "promoted" if row["is_promoted"] else "refused"}

"""Decides on a month's version, records the decision and sets the MLflow alias. Imports no Dagster."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from getpass import getuser
from typing import TYPE_CHECKING, Any

import pandas as pd

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.evaluate import require_month_version
from taxi_assets.evaluation.metrics import DAY, Score
from taxi_assets.months import Month
from taxi_assets.promotion.build_evidence import build_evidence, read_scores
from taxi_assets.promotion.comparison_record import comparison_column
from taxi_assets.promotion.decision import Decision, decide, decision_row, read_decision
from taxi_assets.promotion.guards import scope_label
from taxi_assets.promotion.paired_comparison import PairedComparison
from taxi_assets.promotion.policy import PROMOTION_POLICY, PromotionPolicy
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LOG = logging.getLogger(__name__)
_UNTAGGED = ("reasons", "comparison")  # MLflow has the reasons elsewhere, and cuts long values


@dataclass(frozen=True)
class PromotionOutcome:
    """A decision with its metric and figures.

    Attributes:
        decision: The decision and its reasons.
        metric: The deciding metric, in words.
        scores: Scores of the version and of each baseline, by name; empty if the version may have seen the trips.
        comparison: The comparison with the champion, if there was one.
    """

    decision: Decision
    metric: str
    scores: Mapping[str, Score]
    comparison: PairedComparison | None = None


def decide_champion(
    settings: Settings,
    warehouse: Warehouse,
    month: Month,
    decided_by: str | None = None,
    run_id: str | None = None,
    policy: PromotionPolicy = PROMOTION_POLICY,
) -> PromotionOutcome:
    """Decides whether the month's version becomes champion; records the decision and updates MLflow.

    Both models are compared on trips that neither has seen.

    Args:
        settings: Location of MLflow.
        warehouse: The warehouse.
        month: The month the version is scored on.
        decided_by: Who or what decides; by default the user of this process.
        run_id: The Dagster run, if there is one.
        policy: The thresholds.

    Raises:
        TaxiError: No version was trained for the month, or it was not evaluated.
    """
    challenger, current = require_month_version(settings, month), _usable_champion(settings)
    with warehouse.reading() as connection:
        recorded = read_decision(connection, challenger.version, month)
        _require_evaluation(connection, month, challenger, settings.served_condition)
        scores = read_scores(connection, month, challenger, settings.served_condition)[PRIMARY_SCOPE.name]
    if recorded and recorded["is_promoted"] and current and current.version == challenger.version:
        model_versions.tag_decision(settings, challenger.version, _tags(recorded))
        return PromotionOutcome(Decision(True, tuple(recorded["reasons"])), _deciding_metric(recorded), scores)
    evidence = build_evidence(settings, warehouse, month, challenger, current, policy)
    decision = decide(evidence, policy)
    row = decision_row(evidence, decision) | {
        "month": month.first_day,
        "model_version": challenger.version,
        "decided_by": decided_by or getuser(),
        "run_id": run_id,
        "decided_at": datetime.now(UTC).replace(tzinfo=None),
    }
    # The warehouse first: after a crash here, the next run sees the old champion and decides again with the same row.
    _record_decision(warehouse, row | comparison_column(evidence, policy), run_id)
    _update_mlflow(settings, challenger, decision, row, evidence.valid_comparison)
    valid_scores = scores if evidence.valid_score else {}
    return PromotionOutcome(decision, _deciding_metric(row), valid_scores, evidence.valid_comparison)


def _update_mlflow(
    settings: Settings,
    version: Version,
    decision: Decision,
    row: Mapping[str, Any],
    valid_comparison: PairedComparison | None,
) -> None:
    """Writes the decision to the version in MLflow: alias or refusal, description, tags."""
    if valid_comparison:
        tracking.log_metrics(settings, version.run_id, {"difference_minutes": valid_comparison.interval.difference})
    reasons = " ".join(decision.reasons)
    if decision.promote:
        model_versions.promote(settings, version.version, reasons)
    else:
        model_versions.tag_decision(settings, version.version, {"refusal": reasons})
    # The tags last: a version that has them is decided on, and its alias is already set.
    model_versions.describe(settings, version.version, _description(version, row))
    model_versions.tag_decision(settings, version.version, _tags(row))


def _description(version: Version, row: Mapping[str, Any]) -> str:
    """The version's description in MLflow: window, decision, deciding metric and reasons."""
    decided = "Promoted" if row["is_promoted"] else "Not promoted"
    measured = "" if row["rmse"] is None else f": {_deciding_metric(row)}, is {row['rmse']:.3f} minutes"
    reasons = " ".join(row["reasons"])
    return f"Trained on {version.tags['window']}. {decided} on {row['month']:%Y-%m}{measured}. {reasons}"


def _deciding_metric(row: Mapping[str, object]) -> str:
    """The deciding metric, in words."""
    return f"RMSE on {scope_label(str(row['scope']))}, predicted {str(row['condition']).replace('_', ' ')}"


def _usable_champion(settings: Settings) -> Version | None:
    """The champion; None if there is none or if its model is missing or damaged."""
    champion = model_versions.champion(settings)
    if champion and not model_versions.is_usable(settings, champion):
        _LOG.warning("the champion's model, version %d, cannot be loaded: comparing without it", champion.version)
        return None
    return champion


def _require_evaluation(connection: "DuckDBPyConnection", month: Month, version: Version, condition: str) -> None:
    query = (
        "SELECT count(*) FROM evaluations "
        "WHERE month = ? AND model_version = ? AND condition = ? AND scope = ? AND slice = ?"
    )
    values = [month.first_day, version.version, condition, PRIMARY_SCOPE.name, DAY]
    if not connection.execute(query, values).fetchall()[0][0]:
        raise TaxiError(
            f"version {version.version} was not evaluated on {month} {condition.replace('_', ' ')}: "
            "materialise model_evaluation of that month first"
        )


def _record_decision(warehouse: Warehouse, row: dict[str, object], run_id: str | None) -> None:
    message = f"promotions {row['month']:%Y-%m} version {row['model_version']}"
    key = [row["month"], row["model_version"]]
    rows = pd.DataFrame({name: [value] for name, value in row.items() if value is not None})
    with warehouse.publishing(message, run_id) as connection:
        connection.execute("DELETE FROM promotions WHERE month = ? AND model_version = ?", key)
        connection.register("decided", rows)
        connection.execute("INSERT INTO promotions BY NAME SELECT * FROM decided")


def _tags(row: Mapping[str, object]) -> dict[str, str]:
    """The row as tags of the version in MLflow, such as `decision_trips`, `decision_difference_minutes`."""
    shown = {name: value for name, value in row.items() if value is not None and name not in _UNTAGGED}
    tags = {f"decision_{name.removeprefix('decision_')}": str(value) for name, value in shown.items()}
    return tags | {"decision": "promoted" if row["is_promoted"] else "refused"}

"""Decides on a month's version, records the decision and sets the MLflow alias. Imports no Dagster."""

from collections.abc import Mapping
from dataclasses import dataclass
from getpass import getuser
from typing import TYPE_CHECKING, Any

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.evaluate import require_month_version
from taxi_assets.evaluation.metrics import DAY, Score
from taxi_assets.months import Month
from taxi_assets.promotion.apply_decision import (
    apply_decision,
    deciding_metric,
    finish_interrupted_change,
    is_change_interrupted,
    read_approval,
)
from taxi_assets.promotion.build_evidence import build_evidence, read_scores
from taxi_assets.promotion.decision import Decision, decision_state, read_decision
from taxi_assets.promotion.paired_comparison import PairedComparison
from taxi_assets.promotion.policy import PROMOTION_POLICY, PromotionPolicy
from taxi_assets.promotion.record_decision import Proposal, record_decision, usable_champion
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ATTEMPTS = 3  # of a comparison, each time that another champion was made meanwhile


@dataclass(frozen=True)
class PromotionOutcome:
    """A decision with its metric and figures.

    Attributes:
        decision: The decision of the policy and its reasons.
        state: The version's state after it: promoted, refused, waiting, approved or rejected.
        metric: The deciding metric, in words.
        scores: Scores of the version and of each baseline, by name; empty if the version may have seen the trips.
        version: The decided version's number.
        comparison: The comparison with the champion, if there was one.
    """

    decision: Decision
    state: str
    metric: str
    scores: Mapping[str, Score]
    version: int
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
        settings: Location of MLflow; in its mode `approve` a better version waits for a person.
        warehouse: The warehouse.
        month: The month the version is scored on.
        decided_by: Who or what decides; by default the user of this process.
        run_id: The Dagster run, if there is one.
        policy: The thresholds.

    Raises:
        TaxiError: No version was trained for the month, it was not evaluated, or the champion changes all the time.
    """
    _finish(settings, warehouse)
    for _ in range(_ATTEMPTS):
        challenger, current = require_month_version(settings, month), usable_champion(settings)
        with warehouse.reading() as connection:
            recorded = read_decision(connection, challenger.version, month)
            approval = read_approval(connection, recorded) if recorded else None
            _require_evaluation(connection, month, challenger, settings.served_condition)
            scores = read_scores(connection, month, challenger, settings.served_condition)[PRIMARY_SCOPE.name]
        if recorded and recorded["is_promoted"] and current and current.version == challenger.version:
            apply_decision(settings, challenger, recorded, approval)
            return _outcome(recorded, scores)
        evidence = build_evidence(settings, warehouse, month, challenger, current, policy)
        proposal = Proposal(challenger, evidence, policy, decided_by or getuser(), run_id)
        row = record_decision(settings, warehouse, proposal)
        if row:
            return _outcome(row, scores if evidence.valid_score else {}, proposal.decision, evidence.valid_comparison)
    raise TaxiError(f"the champion changed during each comparison: materialise champion_model of {month} again")


def _finish(settings: Settings, warehouse: Warehouse) -> None:
    """Finishes a change of the champion that a killed process began."""
    with warehouse.reading() as connection:
        is_interrupted = is_change_interrupted(settings, connection)
    if is_interrupted:
        with warehouse.exclusive_connection() as connection:
            finish_interrupted_change(settings, connection)


def _outcome(
    row: Mapping[str, Any],
    scores: Mapping[str, Score],
    decision: Decision | None = None,
    comparison: PairedComparison | None = None,
) -> PromotionOutcome:
    decision = decision or Decision(row["is_promoted"], tuple(row["reasons"]))
    number = int(row["model_version"])
    return PromotionOutcome(decision, decision_state(row), deciding_metric(row), scores, number, comparison)


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

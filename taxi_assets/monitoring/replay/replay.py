"""Replays the months as the platform would have lived them, under several retraining policies at once.

Each month is predicted by the model that was champion before it. Then the month becomes known: drift is measured
against the champion's training months, the policy decides on a training, and the promotion's guards decide on the
champion of the next month. Policies share what they have in common: a model of the same month is trained once.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.metrics import score
from taxi_assets.evaluation.month_scores import ScoredMonth, score_month
from taxi_assets.monitoring.drift.measure_drift import DriftReport, measure_drift
from taxi_assets.monitoring.replay.replayed_gate import FittedModel, replayed_evidence
from taxi_assets.monitoring.retraining import RetrainingDecision, decide_retraining
from taxi_assets.months import Month
from taxi_assets.promotion.decision import decide
from taxi_assets.promotion.policy import PROMOTION_POLICY
from taxi_assets.settings import RetrainingMode, Settings
from taxi_assets.training.conditions import CONDITIONS, predict
from taxi_assets.training.dataset import TRAINING_SCOPE, read_evaluation_trips, read_training_data, read_zones
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE, TRIPS_1_TO_180_MINUTES
from taxi_assets.training.predictions import Prediction
from taxi_assets.training.train import fit
from taxi_assets.training.training_window import available_window
from taxi_assets.warehouse.available_months import available_months, require_earlier_month
from taxi_assets.warehouse.connection import Warehouse

Facts = dict[str, Any]
_Key = tuple[str, Month]
_T = TypeVar("_T")


def replay(
    warehouse: Warehouse,
    months: Sequence[Month],
    modes: Sequence[RetrainingMode],
    on_progress: Callable[[str], None],
    parameters: Mapping[str, Any] | None = None,
) -> list[Facts]:
    """Replays the available months under each policy.

    Args:
        warehouse: The warehouse with the months, and earlier ones to train on.
        months: The months to replay, oldest first.
        modes: The policies.
        on_progress: Receives a line for each step.
        parameters: Parameters of the model.

    Returns:
        For each policy `policy`, `mean_rmse` (minutes), `retrains`, `promotions`, `alarms`, `seconds` and `months`, a
        row for each month. What several policies share is computed once, and counts in the `seconds` of each.

    Raises:
        TaxiError: No month is available, or none before the first of them.
    """
    with warehouse.reading() as connection:
        available = available_months(connection, warehouse.settings.services)
    replayed = [month for month in months if month in available]
    if not replayed:
        raise TaxiError(
            f"no month of {months[0]}..{months[-1]} is in the warehouse: add --source, or ingest these months first"
        )
    require_earlier_month(available, replayed[0])
    shared = _Shared(warehouse, available, dict(parameters or {}), on_progress)
    policies = [_Policy(mode) for mode in modes]
    for month in replayed:
        shared.begin(month)
        for policy in policies:
            policy.live(shared, month)
        shared.keep({policy.champion.trained_for for policy in policies if policy.champion})
    missing = [str(month) for month in months if month not in available]
    return [policy_facts(policy.mode, policy.rows) | {"missing": missing} for policy in policies]


def policy_facts(mode: RetrainingMode, rows: Sequence[Facts]) -> Facts:
    """A policy's figures over its months; the first training is none that the policy chose."""
    errors = [row["rmse"] for row in rows if row.get("rmse") is not None]
    return {
        "policy": mode,
        "mean_rmse": float(np.mean(errors)) if errors else None,
        "retrains": sum(row["retrained"] for row in rows[1:]),
        "promotions": sum(row["promoted"] for row in rows[1:]),
        "alarms": sum(row["is_alarm"] for row in rows),
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        "months": list(rows),
    }


@dataclass
class _Shared:
    """Models by the month they were trained for, and this month's trips and predictions."""

    warehouse: Warehouse
    available: Sequence[Month]
    parameters: Mapping[str, Any]
    on_progress: Callable[[str], None]
    _models: dict[_Key, tuple[Any, float]] = field(default_factory=dict)
    _month: dict[_Key, tuple[Any, float]] = field(default_factory=dict)
    _asked: dict[_Key, float] = field(default_factory=dict)  # seconds of what the policy at work asked for
    trips: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def settings(self) -> Settings:
        return self.warehouse.settings

    def begin(self, month: Month) -> None:
        """Read the month's trips and forget those of the month before."""
        self.on_progress(f"{month}: predict")
        self._month.clear()
        self.trips = read_evaluation_trips(self.warehouse, self.settings.services, month, TRIPS_1_TO_180_MINUTES)

    def keep(self, months: AbstractSet[Month]) -> None:
        """Forget the models of other months: no policy can use them again."""
        self._models = {key: found for key, found in self._models.items() if key[1] in months}

    def forget_costs(self) -> None:
        """Begin a policy's month, which has cost nothing yet."""
        self._asked.clear()

    @property
    def seconds(self) -> float:
        """Seconds of what the policy asked for, as if each had been computed for it alone."""
        return sum(self._asked.values())

    def model(self, month: Month) -> FittedModel:
        """The model trained for the month."""

        def train() -> FittedModel:
            window = available_window(self.available, month)
            self.on_progress(f"{month}: train on {window[0]}..{window[-1]}")
            data = read_training_data(self.warehouse, self.settings.services, window, TRAINING_SCOPE)
            return FittedModel(month, window, fit(data, self.parameters))

        return self._once(self._models, ("model", month), train)

    def prediction(self, fitted: FittedModel) -> Prediction:
        """The model's predictions of this month's trips."""
        condition = CONDITIONS[self.settings.served_condition]
        return self._once(
            self._month, ("predict", fitted.trained_for), lambda: predict(fitted.model, self.trips, condition)
        )

    def drift(self, fitted: FittedModel, month: Month) -> DriftReport:
        """The month's drift from the model's training months."""
        window = [each.first_day for each in fitted.window]

        def measure() -> DriftReport:
            with self.warehouse.reading() as connection:
                alarms = self.settings.false_alarm_months
                return measure_drift(connection, self.settings.services, window, month.first_day, alarms)

        return self._once(self._month, ("drift", fitted.trained_for), measure)

    def scored(self, fitted: FittedModel) -> ScoredMonth:
        """The month, predicted by its own model and by the baselines."""

        def scored() -> ScoredMonth:
            settings = self.settings
            return score_month(
                self.warehouse,
                fitted.model,
                settings.services,
                fitted.window,
                fitted.trained_for,
                settings.served_condition,
            )

        return self._once(self._month, ("score", fitted.trained_for), scored)

    def _once(self, made: dict[_Key, tuple[Any, float]], key: _Key, make: Callable[[], _T]) -> _T:
        if key not in made:
            begun = time.monotonic()
            made[key] = make(), time.monotonic() - begun
        found: _T
        found, self._asked[key] = made[key]
        return found


@dataclass
class _Policy:
    """One policy's life."""

    mode: RetrainingMode
    champion: FittedModel | None = None
    error_by_width: float | None = None  # the champion's, on the month it was promoted on
    trainings: list[Month] = field(default_factory=list)
    rows: list[Facts] = field(default_factory=list)

    def live(self, shared: _Shared, month: Month) -> None:
        """Live through a month: predict it, learn that it is over, and choose the next month's champion."""
        shared.forget_costs()
        champion = self.champion
        report = shared.drift(champion, month) if champion else None
        growth = self._error_growth(shared, champion)
        verdict = report.verdict if report else "stable"
        verdicts = self.rows[-1]["verdict"] if self.rows else None, verdict
        training = decide_retraining(self.mode, month, self.trainings, verdicts, growth)
        promoted, reasons = self._train(shared, month) if training.retrain else (False, ())
        # The first champion predicts its own month, which it has not seen: there was no champion before.
        predictor = champion or self.champion
        self.rows.append(
            {
                "month": str(month),
                "champion": str(predictor.trained_for) if predictor else None,
                **(_errors(shared, predictor) if predictor else {}),
                "verdict": report.verdict if report else None,
                "facts": list(report.facts) if report else [],
                "is_alarm": bool(report and report.is_alarm),
                "error_growth": growth,
                **_training_facts(training, promoted, reasons),
                "seconds": round(shared.seconds, 2),
            }
        )

    def _train(self, shared: _Shared, month: Month) -> tuple[bool, tuple[str, ...]]:
        self.trainings.append(month)
        challenger = shared.model(month)
        champions = shared.prediction(self.champion) if self.champion else None
        evidence = replayed_evidence(
            challenger,
            shared.scored(challenger),
            self.champion,
            champions,
            services=shared.settings.services,
            zones=read_zones(shared.warehouse),
            snapshot=shared.warehouse.snapshot(),
        )
        decision = decide(evidence, PROMOTION_POLICY)
        if decision.promote:
            self.champion = challenger
            self.error_by_width = _error_by_width(shared, challenger)
        return decision.promote, decision.reasons

    def _error_growth(self, shared: _Shared, champion: FittedModel | None) -> float | None:
        """Growth of the error beside the width of the intervals, which follows the mix of trips."""
        now = _error_by_width(shared, champion) if champion else None
        return now / self.error_by_width - 1 if now and self.error_by_width else None


def _training_facts(training: RetrainingDecision, promoted: bool, reasons: Sequence[str]) -> Facts:
    return {
        "retrained": training.retrain,
        "training_reason": training.reason,
        "promoted": promoted,
        "promotion_reasons": list(reasons),
    }


def _errors(shared: _Shared, fitted: FittedModel) -> Facts:
    """Errors on this month's trips of the primary scope, minutes, and the coverage of the intervals."""
    actual = shared.trips["duration_minutes"].to_numpy(np.float64)
    own = PRIMARY_SCOPE.contains(actual)
    found = shared.prediction(fitted).subset(own)
    errors = score(actual[own], found.minutes)
    inside = None
    if found.low is not None and found.high is not None:
        inside = float(np.mean((actual[own] >= found.low) & (actual[own] <= found.high)))
    return {"trips": errors.trips, "rmse": errors.rmse, "mae": errors.mae, "bias": errors.bias, "coverage_90": inside}


def _error_by_width(shared: _Shared, fitted: FittedModel) -> float | None:
    actual = shared.trips["duration_minutes"].to_numpy(np.float64)
    own = PRIMARY_SCOPE.contains(actual)
    found = shared.prediction(fitted).subset(own)
    if found.low is None or found.high is None:
        return None
    width = float(np.sqrt(np.mean((found.high - found.low) ** 2)))
    return score(actual[own], found.minutes).rmse / width if width else None

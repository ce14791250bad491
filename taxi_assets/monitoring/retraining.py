"""Decides whether a month calls for a new training, from plain facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from taxi_assets.monitoring.drift.drift_verdict import DriftVerdict
from taxi_assets.months import Month
from taxi_assets.settings import RetrainingMode

RETRAINING_MODES: tuple[RetrainingMode, ...] = get_args(RetrainingMode)


@dataclass(frozen=True)
class RetrainingPolicy:
    """The rules of a retraining.

    Attributes:
        cooldown_months: Months that pass after a training before the next one.
        max_trainings: Most trainings within twelve months.
        max_age_months: Age at which a champion is replaced without any drift. On green months of 2023 and 2024 a model
            loses 0.3 % of its RMSE a month. No drift statistic shows so little, nor does the error of one month.
        min_error_growth: Growth of the champion's error, as a share, that agrees with a verdict of *retrain*.
    """

    cooldown_months: int = 2
    max_trainings: int = 6
    max_age_months: int = 3
    min_error_growth: float = 0.02


RETRAINING_POLICY = RetrainingPolicy()
_YEAR = 12


@dataclass(frozen=True)
class RetrainingDecision:
    """A training or none, with the reason."""

    retrain: bool
    reason: str


def decide_retraining(
    mode: RetrainingMode,
    month: Month,
    trainings: Sequence[Month],
    verdicts: Sequence[DriftVerdict | None],
    error_growth: float | None,
    policy: RetrainingPolicy = RETRAINING_POLICY,
) -> RetrainingDecision:
    """Decides whether to train a challenger when a month has been ingested.

    Args:
        mode: `monthly` and `never` need no facts; `drift` follows the policy.
        month: The ingested month.
        trainings: Months of earlier trainings, the latest last.
        verdicts: Drift verdicts, at least those on the month before and on the month, which is the last; None if there
            was none. A model for the month is trained on the months before: it can learn a drift only once an earlier
            month has it.
        error_growth: Growth of the champion's error on the month, as a share; None if it is unknown.
        policy: The rules.
    """
    if not trainings:
        return RetrainingDecision(retrain=True, reason="no earlier month has a model")
    if mode != "drift":
        return RetrainingDecision(retrain=mode == "monthly", reason=f"the policy trains {mode}")
    verdict = verdicts[-1] or "stable"
    age = months_between(trainings[-1], month)
    recent = sum(months_between(each, month) < _YEAR for each in trainings)
    veto = _veto(verdict, age, recent, policy)
    if veto:
        return RetrainingDecision(retrain=False, reason=veto)
    is_worse = error_growth is None or error_growth >= policy.min_error_growth
    if is_worse and list(verdicts[-2:]) == ["retrain", "retrain"]:
        grown = "is unknown" if error_growth is None else f"has grown by {error_growth:.1%}"
        return RetrainingDecision(
            retrain=True, reason=f"the month and the one before drifted, and the champion's error {grown}"
        )
    if age >= policy.max_age_months:
        return RetrainingDecision(retrain=True, reason=f"the last training is {age} months old")
    return RetrainingDecision(retrain=False, reason=_calm(verdict, is_worse))


def _veto(verdict: DriftVerdict, age: int, recent: int, policy: RetrainingPolicy) -> str:
    """The reason not to train, whatever the month says; empty if there is none."""
    if verdict == "fix data":
        return "the month's data need a look before a model is measured on them"
    if age < policy.cooldown_months:
        return f"the last training is {age} months old: it cools down"
    return f"{recent} trainings in twelve months use up the budget" if recent >= policy.max_trainings else ""


def _calm(verdict: DriftVerdict, is_worse: bool) -> str:
    """The reason not to train a model that may be trained."""
    if verdict != "retrain":
        return f"it is {verdict}"
    if is_worse:
        return "the month drifted, but the one before did not: no month to train on has the drift yet"
    return "the month drifted, but the champion's error has not grown"


def months_between(earlier: Month, later: Month) -> int:
    """Number of months from one month to another."""
    return 12 * (later.year - earlier.year) + later.number - earlier.number

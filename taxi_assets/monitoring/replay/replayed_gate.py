"""The promotion's evidence for models that are not registered, from their predictions of a month."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_assets.evaluation.metrics import MODEL, Score, score, slice_trips
from taxi_assets.evaluation.month_scores import ScoredMonth
from taxi_assets.months import Month
from taxi_assets.promotion.bootstrap import Interval, sum_by_day
from taxi_assets.promotion.evidence import Candidate, Evidence
from taxi_assets.promotion.paired_comparison import PairedComparison, PairedPredictions, compare, compare_daily_errors
from taxi_assets.promotion.policy import PROMOTION_POLICY
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES, PRIMARY_SCOPE
from taxi_assets.training.predictions import Prediction

_GUARDRAIL_SCOPES = [name for name in EVALUATION_SCOPES if name != PRIMARY_SCOPE.name]


@dataclass(frozen=True)
class FittedModel:
    """A model, the month it was trained for and its training window."""

    trained_for: Month
    window: tuple[Month, ...]
    model: Any


def replayed_evidence(  # noqa: PLR0913 - all of them are evidence
    challenger: FittedModel,
    scored: ScoredMonth,
    champion: FittedModel | None,
    champions_prediction: Prediction | None,
    *,
    services: Sequence[str],
    zones: Any,
    snapshot: int,
) -> Evidence:
    """The evidence that `champion_model` would have had.

    Args:
        challenger: The new model.
        scored: The month's trips with the challenger's predictions and the baselines'.
        champion: The model in use; None before the first.
        champions_prediction: Its predictions of the same trips.
        services: The services of the trips.
        zones: The zones, for slices.
        snapshot: The warehouse's snapshot.
    """
    month, trips = challenger.trained_for, scored.predicted.trips
    own = PRIMARY_SCOPE.contains(scored.predicted.actual)
    days = trips["pickup_at"].to_numpy("datetime64[D]").astype(np.int64)
    scores = scored.scores(PRIMARY_SCOPE)
    intervals = _baseline_intervals(scored, days[own])
    evidence = Evidence(
        challenger=_candidate(challenger, scores.pop(MODEL), services),
        champion=_candidate(champion, None, services) if champion else None,
        baselines=scores,
        baseline_intervals=intervals,
        comparison=None,
        scored_month=month,
        days=len(np.unique(days[own])),
        snapshot=snapshot,
        guarded={name: scored.scores(EVALUATION_SCOPES[name]) for name in _GUARDRAIL_SCOPES},
        condition=scored.predicted.served,
    )
    if champion is None or champions_prediction is None:
        return evidence
    comparison = _compare(scored, champions_prediction, zones)
    found = Score(comparison.trips, comparison.champion_rmse, comparison.champion_mae, comparison.champion_bias)
    return replace(evidence, champion=_candidate(champion, found, services), comparison=comparison)


def _baseline_intervals(scored: ScoredMonth, days: NDArray[np.int64]) -> dict[str, Interval]:
    """The challenger against each baseline, by day, on trips of the primary scope."""
    minutes, actual = scored.minutes(PRIMARY_SCOPE), PRIMARY_SCOPE.in_scope(scored.predicted.trips)["duration_minutes"]
    dates, day = np.unique(days, return_inverse=True)
    errors = {name: found - actual.to_numpy(np.float64) for name, found in minutes.items()}
    ours = errors.pop(MODEL)
    return {
        name: compare_daily_errors(sum_by_day(day, len(dates), ours, theirs), PROMOTION_POLICY)
        for name, theirs in errors.items()
    }


def _compare(scored: ScoredMonth, champions: Prediction, zones: Any) -> PairedComparison:
    trips, actual = scored.predicted.trips, scored.predicted.actual
    challengers = scored.predicted.predictions[scored.predicted.served.name].minutes
    own = PRIMARY_SCOPE.contains(actual)
    days = trips["pickup_at"].to_numpy("datetime64[D]").astype(np.int64)
    paired = PairedPredictions(days[own], actual[own], challengers[own], champions.minutes[own])
    guarded: Mapping[str, Any] = {name: EVALUATION_SCOPES[name].contains(actual) for name in _GUARDRAIL_SCOPES}
    return replace(
        compare(paired, slice_trips(trips[own], zones), PROMOTION_POLICY),
        guardrail_scores={
            name: (score(actual[each], challengers[each]), score(actual[each], champions.minutes[each]))
            for name, each in guarded.items()
        },
    )


def _candidate(fitted: FittedModel, found: Score | None, services: Sequence[str]) -> Candidate:
    return Candidate(str(fitted.trained_for), found, fitted.window[-1], services=tuple(services))

"""Challenger and champion on the same trips: the difference of their errors, over all trips and by slice."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.evaluation.metrics import Score
from taxi_assets.promotion.bootstrap import DayErrors, Interval, difference_of_rmse, draw_days, sum_by_day
from taxi_assets.promotion.policy import PROMOTION_POLICY, PromotionPolicy

__all__ = ["PairedComparison", "PairedPredictions", "compare", "compare_daily_errors"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PairedPredictions:
    """The same trips as both models told them; shape (n,) each. `day` is any number of the pickup's day."""

    day: Ints
    actual: Floats
    challenger: Floats
    champion: Floats


@dataclass(frozen=True)
class PairedComparison:
    """Errors on the same trips, RMSE in minutes.

    `bootstrap_differences` has the difference in each resample, for the picture. `slices` has a row for each value met: `slice`,
    `value`, `trips`, `challenger_rmse`, `champion_rmse`, `difference`, `low`, `high`, `worsening` (the difference as
    a share of the champion's error) and `is_guarded`. `guardrail_scores` has both models' scores, the challenger's first, under
    each scope that is guarded and does not decide.
    """

    trips: int
    days: int
    challenger_rmse: float
    champion_rmse: float
    champion_mae: float
    champion_bias: float
    interval: Interval
    bootstrap_differences: Floats
    slices: pd.DataFrame
    guardrail_scores: Mapping[str, tuple[Score, Score]] = field(default_factory=dict)

    @property
    def guarded(self) -> pd.DataFrame:
        """The slices that must not worsen, the one that worsened most first."""
        return self.slices[self.slices["is_guarded"]].sort_values("worsening", ascending=False, kind="stable")


def compare(
    paired: PairedPredictions, slices: pd.DataFrame, policy: PromotionPolicy = PROMOTION_POLICY
) -> PairedComparison:
    """Compare both models on the trips, and on each value of each guarded slice.

    Args:
        paired: What both said of the trips, and what was.
        slices: A column of categories for each slice, a row for each trip.
        policy: The thresholds.

    Raises:
        ValueError: there are no trips, or an error is no number.
    """
    ours, theirs = paired.challenger - paired.actual, paired.champion - paired.actual
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError("a prediction or duration is not a finite number: nothing can be compared")
    names, day = np.unique(paired.day, return_inverse=True)
    draws = draw_days(max(len(names), 1), policy.resamples, policy.seed)
    errors = sum_by_day(day, len(names), ours, theirs)
    interval, bootstrap_differences = difference_of_rmse(errors, draws, policy.confidence)
    rows = []
    for name in policy.guarded_slices:
        for value in slices[name].cat.categories:
            own = (slices[name] == value).to_numpy()
            if own.any():
                of_slice = sum_by_day(day[own], len(names), ours[own], theirs[own])
                rows.append({"slice": name, "value": str(value), **_row(of_slice, draws, policy)})
    return PairedComparison(
        trips=len(day),
        days=len(names),
        challenger_rmse=_rmse(errors.ours, errors),
        champion_rmse=_rmse(errors.theirs, errors),
        champion_mae=float(np.abs(theirs).mean()),
        champion_bias=float(theirs.mean()),
        interval=interval,
        bootstrap_differences=bootstrap_differences,
        slices=pd.DataFrame(rows),
    )


def compare_daily_errors(errors: DayErrors, policy: PromotionPolicy = PROMOTION_POLICY) -> Interval:
    """The interval alone, where errors are known by day only."""
    return difference_of_rmse(errors, draw_days(len(errors.trips), policy.resamples, policy.seed), policy.confidence)[0]


def _row(errors: DayErrors, draws: Ints, policy: PromotionPolicy) -> dict[str, float | int | bool]:
    interval, _ = difference_of_rmse(errors, draws, policy.confidence)
    trips, theirs = int(errors.trips.sum()), _rmse(errors.theirs, errors)
    return {
        "trips": trips,
        "challenger_rmse": _rmse(errors.ours, errors),
        "champion_rmse": theirs,
        **vars(interval),
        "worsening": interval.difference / theirs if theirs else (np.inf if interval.difference else 0.0),
        "is_guarded": trips >= policy.min_slice_trips,
    }


def _rmse(squares: Floats, errors: DayErrors) -> float:
    return float(np.sqrt(squares.sum() / errors.trips.sum()))

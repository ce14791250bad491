"""Compares challenger and champion on the same trips: difference of RMSE over all trips and by slice."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.evaluation.metrics import Score
from taxi_assets.promotion.bootstrap import DayErrors, Interval, difference_of_rmse, draw_days, sum_by_day
from taxi_assets.promotion.policy import PROMOTION_POLICY, PromotionPolicy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PairedPredictions:
    """Actual and predicted minutes of the same trips, shape (n,) each; `day` is one integer a day."""

    day: Ints
    actual: Floats
    challenger: Floats
    champion: Floats


@dataclass(frozen=True)
class PairedComparison:
    """Both models' errors on the same trips; RMSE in minutes.

    Attributes:
        trips: Number of trips.
        days: Number of days they fall on.
        challenger_rmse: The challenger's RMSE.
        champion_rmse: The champion's RMSE.
        champion_mae: The champion's MAE.
        champion_bias: The champion's mean error.
        interval: The difference of RMSE with its bounds.
        bootstrap_differences: The difference in each resample, for the plot.
        slices: A row for each value of a slice: `slice`, `value`, `trips`, `challenger_rmse`, `champion_rmse`,
            `difference`, `low`, `high`, `worsening` (difference / the champion's RMSE) and `is_guarded`.
        guardrail_scores: Scores of challenger and champion, in this order, by guarded scope.
        policy: The thresholds.
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
    policy: PromotionPolicy = PROMOTION_POLICY

    @property
    def guarded(self) -> pd.DataFrame:
        """Rows of the guarded slices, the largest worsening first."""
        return self.slices[self.slices["is_guarded"]].sort_values("worsening", ascending=False, kind="stable")


def compare(paired: PairedPredictions, slices: pd.DataFrame, policy: PromotionPolicy) -> PairedComparison:
    """Compares both models on all trips and on each value of each guarded slice.

    Args:
        paired: Predicted and actual minutes.
        slices: A column of categories for each slice, a row for each trip.
        policy: The thresholds.

    Raises:
        ValueError: There are no trips, or an error is not a finite number.
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
        policy=policy,
    )


def compare_daily_errors(errors: DayErrors, policy: PromotionPolicy) -> Interval:
    """Computes the interval from daily errors alone."""
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

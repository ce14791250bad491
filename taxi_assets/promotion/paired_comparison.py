"""Challenger and champion on the same rides: the difference of their errors, over all rides and by slice."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.evaluation.metrics import Score
from taxi_assets.promotion.bootstrap import DayErrors, Interval, difference_of_rmse, draw_days, sum_by_day
from taxi_assets.promotion.policy import GATE, Gate

__all__ = ["Comparison", "Rivals", "compare", "compare_days"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Rivals:
    """The same rides as both models told them; shape (n,) each. `day` is any number of the pickup's day."""

    day: Ints
    actual: Floats
    challenger: Floats
    champion: Floats


@dataclass(frozen=True)
class Comparison:
    """Errors on the same rides, RMSE in minutes.

    `drawn` has the difference in each resample, for the picture. `slices` has a row for each value met: `slice`,
    `value`, `rides`, `challenger_rmse`, `champion_rmse`, `difference`, `low`, `high`, `worsening` (the difference as
    a share of the champion's error) and `is_guarded`. `beside` has both models' scores, the challenger's first, under
    each convention that is guarded and does not decide.
    """

    rides: int
    days: int
    challenger_rmse: float
    champion_rmse: float
    champion_mae: float
    champion_bias: float
    interval: Interval
    drawn: Floats
    slices: pd.DataFrame
    beside: Mapping[str, tuple[Score, Score]] = field(default_factory=dict)

    @property
    def guarded(self) -> pd.DataFrame:
        """The slices that must not worsen, the one that worsened most first."""
        return self.slices[self.slices["is_guarded"]].sort_values("worsening", ascending=False, kind="stable")


def compare(rivals: Rivals, slices: pd.DataFrame, gate: Gate = GATE) -> Comparison:
    """Compare both models on the rides, and on each value of each guarded slice.

    Args:
        rivals: What both said of the rides, and what was.
        slices: A column of categories for each slice, a row for each ride.
        gate: The thresholds.

    Raises:
        ValueError: there are no rides, or an error is no number.
    """
    ours, theirs = rivals.challenger - rivals.actual, rivals.champion - rivals.actual
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError("a prediction or duration is not a finite number: nothing can be compared")
    names, day = np.unique(rivals.day, return_inverse=True)
    draws = draw_days(max(len(names), 1), gate.resamples, gate.seed)
    errors = sum_by_day(day, len(names), ours, theirs)
    interval, drawn = difference_of_rmse(errors, draws, gate.confidence)
    rows = []
    for name in gate.guarded_slices:
        for value in slices[name].cat.categories:
            own = (slices[name] == value).to_numpy()
            if own.any():
                of_slice = sum_by_day(day[own], len(names), ours[own], theirs[own])
                rows.append({"slice": name, "value": str(value), **_row(of_slice, draws, gate)})
    return Comparison(
        rides=len(day),
        days=len(names),
        challenger_rmse=_rmse(errors.ours, errors),
        champion_rmse=_rmse(errors.theirs, errors),
        champion_mae=float(np.abs(theirs).mean()),
        champion_bias=float(theirs.mean()),
        interval=interval,
        drawn=drawn,
        slices=pd.DataFrame(rows),
    )


def compare_days(errors: DayErrors, gate: Gate = GATE) -> Interval:
    """The interval alone, where errors are known by day only."""
    return difference_of_rmse(errors, draw_days(len(errors.rides), gate.resamples, gate.seed), gate.confidence)[0]


def _row(errors: DayErrors, draws: Ints, gate: Gate) -> dict[str, float | int | bool]:
    interval, _ = difference_of_rmse(errors, draws, gate.confidence)
    rides, theirs = int(errors.rides.sum()), _rmse(errors.theirs, errors)
    return {
        "rides": rides,
        "challenger_rmse": _rmse(errors.ours, errors),
        "champion_rmse": theirs,
        **vars(interval),
        "worsening": interval.difference / theirs if theirs else (np.inf if interval.difference else 0.0),
        "is_guarded": rides >= gate.slice_rides,
    }


def _rmse(squares: Floats, errors: DayErrors) -> float:
    return float(np.sqrt(squares.sum() / errors.rides.sum()))

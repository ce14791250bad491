"""How sure a difference of errors is: a paired bootstrap that draws whole days.

Trips of one day share its weather, its traffic and its events, so their errors rise and fall together. Drawing trips
one by one would take them for independent, and make an interval that is too narrow. Whole days are drawn instead,
with both models' errors on them: what a hard day does to both cancels out. A month has few days, on which a plain
percentile interval is too narrow: its ends are moved out as Student's t lies outside the normal (T. Hesterberg, "What
Teachers Should Know About the Bootstrap", 2015, section 5.2).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

__all__ = ["DayErrors", "Interval", "difference_of_rmse", "draw_days", "sum_by_day"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class DayErrors:
    """Trips and sums of squared errors of each day, shape (days,) each; `ours` and `theirs` of the same trips."""

    trips: Ints
    ours: Floats
    theirs: Floats


@dataclass(frozen=True)
class Interval:
    """A difference of RMSE, minutes, below zero where ours is better, and the bounds it lies within."""

    difference: float
    low: float
    high: float


def draw_days(days: int, resamples: int, seed: int) -> Ints:
    """How often each day is drawn in each resample, shape (resamples, days): as many draws as there are days."""
    return np.random.default_rng(seed).multinomial(days, np.full(days, 1 / days), size=resamples)


def sum_by_day(day: Ints, days: int, ours: Floats, theirs: Floats) -> DayErrors:
    """Sum the squared errors of trips by their day.

    Args:
        day: Position of each trip's day, 0 to `days` - 1, shape (n,).
        days: How many days there are, those without trips included.
        ours: Errors of one model, minutes, shape (n,).
        theirs: Errors of the other on the same trips.
    """
    squares = (np.bincount(day, errors**2, days).astype(np.float64) for errors in (ours, theirs))
    return DayErrors(np.bincount(day, minlength=days), *squares)


def difference_of_rmse(errors: DayErrors, draws: Ints, confidence: float) -> tuple[Interval, Floats]:
    """The difference of RMSE, ours minus theirs, with its expanded percentile interval.

    Args:
        errors: Of both models, by day.
        draws: As `draw_days` makes them, for the same days.
        confidence: How often such an interval should hold the true difference, 0 to 1.

    Returns:
        The interval, and the difference in each resample that holds a trip, shape (at most resamples,).

    Raises:
        ValueError: there are no trips.
    """
    if not errors.trips.sum():
        raise ValueError("there are no trips to compare errors on")
    once = np.ones((1, len(errors.trips)), np.int64)
    bootstrap_differences = _differences(errors, draws)
    beyond = _expanded_tail(len(errors.trips), confidence)
    low, high = np.quantile(bootstrap_differences, [beyond, 1 - beyond])
    return Interval(float(_differences(errors, once)[0]), float(low), float(high)), bootstrap_differences


def _expanded_tail(days: int, confidence: float) -> float:
    """The share of resamples beyond either end: the normal's beyond the t quantile of so many days."""
    freedom = max(days - 1, 1)
    return float(ndtr(stdtrit(freedom, (1 - confidence) / 2) * np.sqrt(days / freedom)))


def _differences(errors: DayErrors, draws: Ints) -> Floats:
    trips = draws @ errors.trips
    has_trips = trips > 0  # a resample of a rare slice may draw only days without it
    ours, theirs = (
        np.sqrt((draws @ squares)[has_trips] / trips[has_trips]) for squares in (errors.ours, errors.theirs)
    )
    return np.asarray(ours - theirs)

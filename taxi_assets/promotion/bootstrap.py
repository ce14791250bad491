"""Paired block bootstrap of a difference of RMSE; the blocks are whole days.

Trips of one day share weather, traffic and events, so their errors are correlated. Drawing single trips would make
the interval too narrow. Each resample draws whole days with both models' errors, so a hard day affects both alike.

A month has few days, so a plain percentile interval is also too narrow. Its ends are moved outwards by the ratio of
Student's t to the normal (T. Hesterberg, "What Teachers Should Know About the Bootstrap", 2015, section 5.2).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class DayErrors:
    """Trips and both models' sums of squared errors by day, shape (days,) each."""

    trips: Ints
    ours: Floats
    theirs: Floats


@dataclass(frozen=True)
class Interval:
    """A difference of RMSE in minutes, ours minus theirs, with its confidence bounds."""

    difference: float
    low: float
    high: float


def draw_days(days: int, resamples: int, seed: int) -> Ints:
    """Draws `days` days with replacement for each resample; returns counts, shape (resamples, days)."""
    return np.random.default_rng(seed).multinomial(days, np.full(days, 1 / days), size=resamples)


def sum_by_day(day: Ints, days: int, ours: Floats, theirs: Floats) -> DayErrors:
    """Sums the squared errors of trips by day.

    Args:
        day: Index of each trip's day, 0 to `days` - 1, shape (n,).
        days: Number of days, including days without trips.
        ours: Errors of one model, minutes, shape (n,).
        theirs: Errors of the other model on the same trips.
    """
    squares = (np.bincount(day, errors**2, days).astype(np.float64) for errors in (ours, theirs))
    return DayErrors(np.bincount(day, minlength=days), *squares)


def difference_of_rmse(errors: DayErrors, draws: Ints, confidence: float) -> tuple[Interval, Floats]:
    """Computes the difference of RMSE, ours minus theirs, with its expanded percentile interval.

    Args:
        errors: Errors of both models by day.
        draws: Result of `draw_days` for the same days.
        confidence: Confidence level of the interval, 0 to 1.

    Returns:
        The interval, and the difference in each resample that contains a trip, shape (at most resamples,).

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
    """The share of resamples outside each end: the normal tail beyond the t quantile for `days` - 1."""
    freedom = max(days - 1, 1)
    return float(ndtr(stdtrit(freedom, (1 - confidence) / 2) * np.sqrt(days / freedom)))


def _differences(errors: DayErrors, draws: Ints) -> Floats:
    trips = draws @ errors.trips
    has_trips = trips > 0  # a resample of a rare slice may draw only days without its trips
    ours, theirs = (
        np.sqrt((draws @ squares)[has_trips] / trips[has_trips]) for squares in (errors.ours, errors.theirs)
    )
    return np.asarray(ours - theirs)

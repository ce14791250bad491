"""Control charts of a daily error, with limits from a reference period.

A single day is compared with limits in standard deviations. A lasting change is found by the exponentially weighted
moving average (EWMA) of the standardised errors: D. C. Montgomery, Introduction to Statistical Quality Control,
chapters 6.4 (individuals, moving range) and 9.2 (EWMA). The limits are wider than the three standard deviations there,
since the days of one month give the standard deviation to a tenth only. A month in control has a flag with a
probability of 4 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_REFERENCE_DAYS = 14
DAY_LIMIT = 4.0
"""Standard deviations of a single day from the centre."""
EWMA_LIMIT = 4.0
_WEIGHT = 0.2
# The mean moving range of two independent normal observations, in standard deviations.
_MEAN_RANGE = 1.128


@dataclass(frozen=True)
class Reference:
    """The daily errors of a period in control.

    Attributes:
        centre: Mean daily error.
        sigma: Standard deviation between days.
        rides: Mean number of rides a day.
    """

    centre: float
    sigma: float
    rides: float


@dataclass(frozen=True)
class ControlChart:
    """Limits and flags of each day, shape (n,) each; `ewma` and `ewma_limit` are in standard deviations."""

    low: Floats
    high: Floats
    ewma: Floats
    ewma_limit: Floats
    is_flagged: NDArray[np.bool_]


def fit_reference(errors: Sequence[float], rides: Sequence[int]) -> Reference | None:
    """Estimates centre and spread of daily errors, by the mean moving range.

    Args:
        errors: Error of each day, in the order of the days.
        rides: Rides of each day.

    Returns:
        The reference; None for fewer than 14 days or without any variation.
    """
    if len(errors) < MIN_REFERENCE_DAYS:
        return None
    sigma = float(np.abs(np.diff(errors)).mean()) / _MEAN_RANGE
    return Reference(float(np.mean(errors)), sigma, float(np.mean(rides))) if sigma > 0 else None


def control_chart(reference: Reference, errors: Floats, rides: Floats, ride_spread: float) -> ControlChart:
    """Computes limits and flags of days.

    A day of fewer rides than the reference has wider limits: its error varies more by chance.

    Args:
        reference: The period in control.
        errors: Error of each day, in the order of the days, shape (n,).
        rides: Rides of each day, shape (n,).
        ride_spread: Standard deviation of a day's error with a single ride, from its sampling.
    """
    by_chance = ride_spread**2 * np.maximum(1 / rides - 1 / reference.rides, 0)
    sigma = np.sqrt(reference.sigma**2 + by_chance)
    standardised = (errors - reference.centre) / sigma
    ewma = _ewma(standardised)
    steps = np.arange(1, len(errors) + 1)
    ewma_limit = EWMA_LIMIT * np.sqrt(_WEIGHT / (2 - _WEIGHT) * (1 - (1 - _WEIGHT) ** (2 * steps)))
    return ControlChart(
        low=np.maximum(reference.centre - DAY_LIMIT * sigma, 0),
        high=reference.centre + DAY_LIMIT * sigma,
        ewma=ewma,
        ewma_limit=ewma_limit,
        is_flagged=(np.abs(standardised) > DAY_LIMIT) | (np.abs(ewma) > ewma_limit),
    )


def _ewma(values: Floats) -> Floats:
    averages, current = np.empty(len(values)), 0.0
    for place, value in enumerate(values):
        current = _WEIGHT * float(value) + (1 - _WEIGHT) * current
        averages[place] = current
    return averages

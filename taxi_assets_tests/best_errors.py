"""The best possible errors of a model of the synthetic city's durations, which `synthetic.law` draws."""

import numpy as np
from scipy.special import ndtr, ndtri

from taxi_assets.synthetic.city import Floats
from taxi_assets.synthetic.law import SPREAD

Between = tuple[float, float] | None


def conditional_mean(expected: Floats, between: Between = None) -> Floats:
    """The best prediction for squared error: the mean of durations within `between`, minutes."""
    low, high = _standardised(expected, between)
    mass, first, _ = _integrals(expected, low, high)
    return np.asarray(first / mass)


def conditional_median(expected: Floats, between: Between = None) -> Floats:
    """The best prediction for absolute error: the median of durations within `between`, minutes."""
    low, high = _standardised(expected, between)
    middle = ndtri((ndtr(low) + ndtr(high)) / 2)
    return np.asarray(expected * np.exp(SPREAD * middle - SPREAD**2 / 2))


def best_rmse(expected: Floats, between: Between = (1.0, 60.0)) -> float:
    """The smallest expected root mean squared error of any model on such trips, minutes.

    Args:
        expected: `expected_minutes` of the scored trips, shape (n,), times the factor of the shift `slower_city`.
            NaN (no zone) is ignored: exclude those trips from the model's score, too.
        between: Shortest and longest duration of the scored trips, minutes; None for all.
    """
    known = expected[~np.isnan(expected)]
    mass, first, second = _integrals(known, *_standardised(known, between))
    return float(np.sqrt(np.mean(second / mass - (first / mass) ** 2)))


def best_mae(expected: Floats, between: Between = (1.0, 60.0)) -> float:
    """The smallest expected mean absolute error of any model, minutes; see `best_rmse`."""
    known = expected[~np.isnan(expected)]
    low, high = _standardised(known, between)
    middle = ndtri((ndtr(low) + ndtr(high)) / 2)
    mass, below, _ = _integrals(known, low, middle)
    _, above, _ = _integrals(known, middle, high)
    return float(np.mean((above - below) / (2 * mass)))  # the median has as much mass below as above


def _standardised(expected: Floats, between: Between) -> tuple[Floats, Floats]:
    """The bounds as values of each trip's z."""
    low, high = between or (0.0, np.inf)
    with np.errstate(divide="ignore"):  # the logarithm of 0 is minus infinity, as intended
        logarithms = np.log(low / expected), np.log(high / expected)
    return logarithms[0] / SPREAD + SPREAD / 2, logarithms[1] / SPREAD + SPREAD / 2


def _integrals(expected: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats, Floats]:
    """Integrals of the density of y, times 1, y and y squared, for z from `low` to `high`."""
    mass = ndtr(high) - ndtr(low)
    first = expected * (ndtr(high - SPREAD) - ndtr(low - SPREAD))
    second = expected**2 * np.exp(SPREAD**2) * (ndtr(high - 2 * SPREAD) - ndtr(low - 2 * SPREAD))
    return mass, first, second

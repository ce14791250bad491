"""90 % prediction intervals: split conformal prediction, calibrated on trips after the training trips.

Errors grow with the minutes and with the spread of the pair of zones, so their quantiles are kept by bins of both. Each
borough and part of the day has a factor that corrects its coverage (Mondrian conformal prediction).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COVERAGE = 0.9
BANDS = ("night 0-6", "morning rush 6-10", "midday 10-16", "evening rush 16-20", "late evening 20-24")
_BAND_HOURS = (6, 10, 16, 20)
_MINUTE_BINS, _SPREAD_BINS = 15, 5
_BOROUGHS = 16
_MIN_TRIPS = 40  # a bin with fewer trips takes the quantiles of all trips
_FACTOR_PRIOR_TRIPS = 50  # weight of the overall factor
_MIN_MARGIN, MIN_MINUTES = 0.3, 1.0


@dataclass(frozen=True)
class Intervals:
    """Error quantiles by bins of minutes and spread, shape (15, 5), and factors, shape (boroughs, bands)."""

    minute_edges: Floats
    spread_edges: Floats
    low: Floats
    high: Floats
    factors: Floats


def bands(minute_of_day: Ints) -> Ints:
    """Part of the day of each pickup, as a position in `BANDS`."""
    return np.digitize(minute_of_day, [hour * 60 for hour in _BAND_HOURS])


def fit_intervals(
    actual: Floats, predicted: Floats, spread: Floats, borough: Ints, band: Ints, coverage: float = COVERAGE
) -> Intervals:
    """Calibrates intervals on trips that the predicting model was not trained on.

    Args:
        actual: Minutes the trips took, shape (n,).
        predicted: Minutes predicted for them, shape (n,).
        spread: Standard deviation of the pair's trips, minutes, shape (n,).
        borough: Borough of the pickup zone, shape (n,).
        band: Part of the day, see `bands`, shape (n,).
        coverage: Share of trips that end inside their interval.
    """
    error, outside = actual - predicted, (1 - coverage) / 2
    minute_edges = np.quantile(predicted, np.arange(1, _MINUTE_BINS) / _MINUTE_BINS)
    spread_edges = np.quantile(spread / predicted, np.arange(1, _SPREAD_BINS) / _SPREAD_BINS)
    cell = _cells(predicted, spread, minute_edges, spread_edges)
    shape = (_MINUTE_BINS, _SPREAD_BINS)
    low, high = np.full(shape, np.quantile(error, outside)), np.full(shape, np.quantile(error, 1 - outside))
    for number in range(_MINUTE_BINS * _SPREAD_BINS):
        own = error[cell == number]
        if len(own) >= _MIN_TRIPS:
            low.flat[number], high.flat[number] = np.quantile(own, [outside, 1 - outside])
    low, high = np.minimum(low, -_MIN_MARGIN), np.maximum(high, _MIN_MARGIN)
    needed = np.maximum(error / high.ravel()[cell], error / low.ravel()[cell])
    return Intervals(minute_edges, spread_edges, low, high, _factors(needed, borough, band, coverage))


def interval(intervals: Intervals, minutes: Floats, spread: Floats, borough: Ints, band: Ints) -> tuple[Floats, Floats]:
    """Lower and upper ends for predicted minutes, shape (n,) each."""
    cell = _cells(minutes, spread, intervals.minute_edges, intervals.spread_edges)
    factor = intervals.factors[borough, band]
    low = minutes + intervals.low.ravel()[cell] * factor
    return np.maximum(low, np.minimum(MIN_MINUTES, minutes)), minutes + intervals.high.ravel()[cell] * factor


def _cells(minutes: Floats, spread: Floats, minute_edges: Floats, spread_edges: Floats) -> Ints:
    return np.digitize(minutes, minute_edges) * _SPREAD_BINS + np.digitize(spread / minutes, spread_edges)


def _factors(needed: Floats, borough: Ints, band: Ints, coverage: float) -> Floats:
    """Factors on the margins by borough and band, drawn toward the overall one if trips are few."""
    overall = float(np.quantile(needed, coverage))
    factors = np.full((_BOROUGHS, len(BANDS)), overall)
    for row, column in np.unique(np.column_stack([borough, band]), axis=0).tolist():
        own = needed[(borough == row) & (band == column)]
        exact = np.quantile(own, min(1.0, coverage * (len(own) + 1) / len(own)))
        factors[row, column] = (len(own) * exact + _FACTOR_PRIOR_TRIPS * overall) / (len(own) + _FACTOR_PRIOR_TRIPS)
    return factors

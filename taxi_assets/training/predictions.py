"""Turns the trees' output into minutes and an interval, for the fitted model and for the service."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.encoding import column, expected_minutes
from taxi_assets.training.intervals import Intervals, bands, fit_intervals, interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """Minutes of each trip and the ends of its 90 % interval, shape (n,) each; None without intervals."""

    minutes: Floats
    low: Floats | None = None
    high: Floats | None = None

    def subset(self, chosen: NDArray[np.bool_]) -> "Prediction":
        """The predictions of the chosen trips."""
        low, high = (each if each is None else each[chosen] for each in (self.low, self.high))
        return Prediction(self.minutes[chosen], low, high)


def predict_interval(
    corrections: NDArray[np.floating], matrix: NDArray[np.float32], fixed_minutes: Floats | None, intervals: Intervals
) -> Prediction:
    """Minutes and intervals of an encoded matrix.

    Args:
        corrections: Output of the trees for the matrix, shape (n,).
        matrix: The encoded trips.
        fixed_minutes: Minutes of vendors that write one duration for all trips, NaN for others; None if unknown.
        intervals: Calibrated intervals.
    """
    minutes = np.asarray(corrections, np.float64) * expected_minutes(matrix)
    if fixed_minutes is not None:
        minutes = np.where(np.isnan(fixed_minutes), minutes, fixed_minutes)
    return Prediction(minutes, *interval(intervals, minutes, *_interval_inputs(matrix)))


def calibrate_intervals(actual: Floats, minutes: Floats, matrix: NDArray[np.float32]) -> Intervals:
    """Calibrates intervals on trips that the predicting model was not trained on."""
    return fit_intervals(actual, minutes, *_interval_inputs(matrix))


def _interval_inputs(matrix: NDArray[np.float32]) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    borough = column(matrix, "pickup_borough").astype(np.int64)
    return column(matrix, "pair_spread_minutes"), borough, bands(column(matrix, "minute_of_day").astype(np.int64))

"""The prediction of one ride in a few microseconds, equal to `predict_interval` of one row."""

import math
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.training.intervals import MIN_MINUTES, Intervals, bands
from taxi_assets.training.predictions import Prediction

_EXPECTED, _SPREAD, _BOROUGH, _MINUTE = (
    MATRIX_COLUMNS.index(name)
    for name in ("expected_minutes", "pair_spread_minutes", "pickup_borough", "minute_of_day")
)
_MINUTES_OF_DAY = 24 * 60


class SinglePrediction:
    """Reads calibrated intervals from lists: NumPy takes a microsecond for each value."""

    def __init__(self, intervals: Intervals) -> None:
        self._minute_edges, self._spread_edges = intervals.minute_edges.tolist(), intervals.spread_edges.tolist()
        self._low, self._high, self._factors = (
            values.tolist() for values in (intervals.low, intervals.high, intervals.factors)
        )
        self._bands = bands(np.arange(_MINUTES_OF_DAY)).tolist()

    def predict(self, correction: float, row: NDArray[np.float32]) -> Prediction:
        """Minutes and the 90 % interval, shape (1,).

        Args:
            correction: Output of the trees for the row.
            row: The encoded trip, shape (1, len(MATRIX_COLUMNS)).
        """
        minutes, spread = correction * row.item(_EXPECTED), row.item(_SPREAD)
        bin_of_minutes = bisect_right(self._minute_edges, minutes)
        bin_of_spread = bisect_right(self._spread_edges, spread / minutes if minutes else math.inf)
        factor = self._factors[int(row.item(_BOROUGH))][self._bands[int(row.item(_MINUTE))]]
        low = max(minutes + self._low[bin_of_minutes][bin_of_spread] * factor, min(MIN_MINUTES, minutes))
        high = minutes + self._high[bin_of_minutes][bin_of_spread] * factor
        return Prediction(np.array([minutes]), np.array([low]), np.array([high]))

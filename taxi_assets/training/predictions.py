"""From what the trees say to minutes and an interval; the same for the fitted model and the service."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.encoding import column, expected_minutes
from taxi_assets.training.intervals import Intervals, bands, fit_intervals, interval

__all__ = ["Answers", "answer", "learn_intervals"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """Minutes of each ride and the ends of its 90 % interval, shape (n,) each."""

    minutes: Floats
    low: Floats
    high: Floats


def answer(
    corrections: NDArray[np.floating], matrix: NDArray[np.float32], steady: Floats | None, told: Intervals
) -> Answers:
    """What is answered for an encoded matrix.

    Args:
        corrections: What the trees make of the matrix, shape (n,).
        matrix: The rides as the trees see them.
        steady: Minutes of a vendor whose rides all last alike, NaN for others; None where no vendor is known.
        told: How wide intervals are.
    """
    minutes = np.asarray(corrections, np.float64) * expected_minutes(matrix)
    if steady is not None:
        minutes = np.where(np.isnan(steady), minutes, steady)
    return Answers(minutes, *interval(told, minutes, *_told_by(matrix)))


def learn_intervals(actual: Floats, minutes: Floats, matrix: NDArray[np.float32]) -> Intervals:
    """How wide intervals must be, from rides the minutes were not learned from."""
    return fit_intervals(actual, minutes, *_told_by(matrix))


def _told_by(matrix: NDArray[np.float32]) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    borough = column(matrix, "pickup_borough").astype(np.int64)
    return column(matrix, "pair_spread_minutes"), borough, bands(column(matrix, "minute_of_day").astype(np.int64))

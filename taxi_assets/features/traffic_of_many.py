"""Recent-traffic features of many rides at once, equal to those of single rides."""

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.recent_traffic import WINDOWS, Window, grouping_keys
from taxi_assets.features.traffic_index import TrafficIndex

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Seconds between the trips of two keys in one array: longer than the span of all times.
_STRIDE = 1 << 34


def features_of_many(index: TrafficIndex, at: Ints, starts: Ints, ends: Ints) -> Floats:
    """The features of rides, shape (n, len(RECENT_TRAFFIC_FEATURES)), as `TrafficIndex.features` of each.

    The index must not change meanwhile.

    Args:
        index: The completed trips.
        at: Pickups, seconds since 1970, shape (n,).
        starts: Pickup zones, shape (n,).
        ends: Drop-off zones, shape (n,).
    """
    found = np.empty((len(at), len(WINDOWS)))
    for grouped_by, keys in grouping_keys(starts, ends, index.borough).items():
        trips = _TripsOfKeys(index, grouped_by, keys, at)
        for column, window in enumerate(WINDOWS.values()):
            if window.grouped_by == grouped_by:
                found[:, column] = trips.ratios(window)
    return found


def ages_of_many(index: TrafficIndex, at: Ints) -> Floats:
    """Seconds from the end of the last trip before each time to that time, shape (n,); NaN without."""
    ends = np.array(index.sums_of("city", 0).ends)
    if not len(ends):
        return np.full(len(at), np.nan)
    count = np.searchsorted(ends, at, "left")
    return np.where(count > 0, at - ends.take(count - 1, mode="clip"), np.nan)


class _TripsOfKeys:
    """Completed trips with the rides' keys, in one array, so that one search serves all rides."""

    def __init__(self, index: TrafficIndex, grouped_by: str, keys: Ints, at: Ints) -> None:
        known, rank = np.unique(keys, return_inverse=True)
        of_keys = [index.sums_of(grouped_by, key) for key in known.tolist()]
        trips = np.array([len(each.ends) for each in of_keys], np.int64)
        ends = np.frombuffer(b"".join([each.ends for each in of_keys]), np.int64)
        self._positions = ends + np.repeat(np.arange(len(known)) * _STRIDE, trips)
        # Each key's sums begin with a zero, so they have one element more than its ends.
        self._sums = [np.frombuffer(b"".join([each.sums[number] for each in of_keys])) for number in (0, 1)]
        # NumPy searches for sorted values several times as fast.
        self._order = np.lexsort((at, rank))
        self._rank = rank[self._order]
        self._at = np.clip(at, 0, _STRIDE - 1)[self._order]
        self._upto = self._count_before(self._at)

    def ratios(self, window: Window) -> Floats:
        """The rides' ratio of actual to expected minutes in the window, shape (n,)."""
        since = self._count_before(np.maximum(self._at - int(window.hours * 3600), 0))
        actual, expected = (sums[self._upto] - sums[since] + window.prior_weight for sums in self._sums)
        found = np.empty(len(since))
        found[self._order] = actual / expected
        return found

    def _count_before(self, at: Ints) -> Ints:
        """The place in the sums after the trips of each ride's key that ended before a time."""
        return np.searchsorted(self._positions, self._rank * _STRIDE + at, "left") + self._rank

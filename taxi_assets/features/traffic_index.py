"""Completed trips in memory, for the recent-traffic features of one ride at a time.

`recent_traffic.py` defines the features, for many trips at once; a test compares both. Trips are kept in the order of
their ends, by each key that a window groups by, with running sums: a window is the difference of two of them.
"""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.recent_traffic import (
    FIXED_DURATION_RULE,
    MAX_RATIO,
    MIN_RATIO,
    WINDOWS,
    CompletedTrips,
    grouping_keys,
    lookback_seconds,
)
from taxi_assets.features.trip_features import ZONES

# Trips after the newest one's longest window are removed in one go, once so many came.
_TRIM_INTERVAL = 4_096


@dataclass(frozen=True)
class CompletedTrip:
    """A completed trip of the index's service.

    Attributes:
        ended_at: Its end, seconds since 1970.
        start: Pickup zone.
        end: Drop-off zone.
        minutes: Its duration.
        expected: The duration that the model's encoding expects.
        vendor: Its vendor, 0 if unknown.
    """

    ended_at: int
    start: int
    end: int
    minutes: float
    expected: float
    vendor: int = 0


class RunningSums:
    """Ends of trips in order, and for each a running sum of every value."""

    def __init__(self, values: int) -> None:
        self.ends = array("q")
        self.sums = [array("d", [0.0]) for _ in range(values)]

    @classmethod
    def of(cls, ends: NDArray[np.int64], values: NDArray[np.float64]) -> "RunningSums":
        """Trips in order; `values` has shape (n, values)."""
        made = cls(values.shape[1])
        made.ends.frombytes(ends.tobytes())
        for sums, column in zip(made.sums, np.cumsum(values, axis=0).T, strict=True):
            sums.frombytes(column.tobytes())
        return made

    def add(self, ended_at: int, values: Sequence[float]) -> None:
        """Insert a trip after those that end with it; a trip out of order moves the sums after it."""
        if not self.ends or ended_at >= self.ends[-1]:
            self.ends.append(ended_at)
            for sums, value in zip(self.sums, values, strict=True):
                sums.append(sums[-1] + value)
            return
        at = bisect_right(self.ends, ended_at)
        self.ends.insert(at, ended_at)
        for sums, value in zip(self.sums, values, strict=True):
            sums.insert(at + 1, sums[at] + value)
            np.frombuffer(sums, np.float64)[at + 2 :] += value

    def before(self, at: int) -> int:
        """Number of trips that ended before a time, seconds since 1970."""
        return bisect_left(self.ends, at)

    def remove_before(self, at: int) -> None:
        """Remove trips that ended before a time; sums keep their values, since only differences count."""
        if count := bisect_left(self.ends, at):
            del self.ends[:count]
            for sums in self.sums:
                del sums[:count]


class TrafficIndex:
    """The last completed trips of one service, with the durations one model expects of them.

    Args:
        borough: Borough of each zone, shape (266,).
        completed: The first trips, such as the last ones of the training data.
        max_trips: The oldest trips beyond this number are removed.

    Attributes:
        borough: Borough of each zone, shape (266,).
        removed: Number of trips removed.
    """

    def __init__(self, borough: NDArray[np.int64], completed: CompletedTrips | None = None, max_trips: int = 500_000):
        self.borough = borough
        self._borough: list[int] = borough.tolist()
        self._by_key: dict[tuple[str, int], RunningSums] = defaultdict(lambda: RunningSums(2))
        self._by_vendor: dict[int, RunningSums] = defaultdict(lambda: RunningSums(3))
        self._max_trips, self._since_trim = max_trips, 0
        self.removed = 0
        if completed is not None and len(completed.ended_at):
            self._add_all(completed)

    def __len__(self) -> int:
        return len(self._city.ends)

    @property
    def newest(self) -> int | None:
        """The end of the last trip, seconds since 1970; None without trips."""
        return self._city.ends[-1] if len(self) else None

    def add(self, trip: CompletedTrip) -> None:
        """Add a trip; trips may come in any order."""
        minutes = min(max(trip.minutes, MIN_RATIO * trip.expected), MAX_RATIO * trip.expected)
        for key in self._keys(trip.start, trip.end):
            self._by_key[key].add(trip.ended_at, (minutes, trip.expected))
        if trip.vendor:
            error = (trip.minutes - trip.expected) ** 2
            self._by_vendor[trip.vendor].add(trip.ended_at, (trip.minutes, trip.minutes**2, error))
        self._since_trim += 1
        if self._since_trim >= _TRIM_INTERVAL or len(self) > self._max_trips + _TRIM_INTERVAL:
            self._trim()

    def age_seconds(self, at: int) -> int | None:
        """Seconds between the end of the last trip before a time and that time; None without such a trip."""
        count = self._city.before(at)
        return at - self._city.ends[count - 1] if count else None

    def sums_of(self, grouped_by: str, key: int) -> RunningSums:
        """The trips with this key of a grouping of `WINDOWS`: sums of clipped and of expected minutes."""
        return self._by_key.get((grouped_by, key), _NO_TRIPS)

    def features(self, at: int, start: int, end: int) -> list[float]:
        """The features of a ride, in the order of `RECENT_TRAFFIC_FEATURES`.

        Args:
            at: Its pickup, seconds since 1970; trips that end then or later are ignored.
            start: Pickup zone.
            end: Drop-off zone.
        """
        keys = dict(self._keys(start, end))
        found: list[float] = []
        upto, grouped_by, sums = 0, "", _NO_TRIPS
        for window in WINDOWS.values():
            if window.grouped_by != grouped_by:
                grouped_by = window.grouped_by
                sums = self.sums_of(grouped_by, keys[grouped_by])
                upto = sums.before(at)
            since = sums.before(at - int(window.hours * 3600)) if upto else 0
            minutes, expected = sums.sums
            actual = minutes[upto] - minutes[since] + window.prior_weight
            found.append(actual / (expected[upto] - expected[since] + window.prior_weight))
        return found

    def fixed_duration_minutes(self, at: int, vendor: int) -> float:
        """Mean duration of the vendor's last trips if it writes nearly the same for every trip, else NaN."""
        rule, sums = FIXED_DURATION_RULE, self._by_vendor.get(vendor)
        if sums is None:
            return math.nan
        upto = sums.before(at)
        since = max(sums.before(at - rule.lookback_days * 86_400), upto - rule.last_trips)
        trips = upto - since
        if trips < rule.min_trips:
            return math.nan
        mean, square, error = ((each[upto] - each[since]) / trips for each in sums.sums)
        return mean if (square - mean**2) * rule.variance_ratio < error else math.nan

    @property
    def _city(self) -> RunningSums:
        return self._by_key["city", 0]

    def _keys(self, start: int, end: int) -> tuple[tuple[str, int], ...]:
        borough = self._borough[start]
        return ("city", 0), ("borough", borough), ("start", start), ("end", end), ("pair", start * ZONES + end)

    def _add_all(self, completed: CompletedTrips) -> None:
        """Fill the empty index."""
        clipped = np.clip(completed.minutes, MIN_RATIO * completed.expected, MAX_RATIO * completed.expected)
        minutes = np.column_stack([clipped, completed.expected])
        for name, keys in grouping_keys(completed.starts, completed.ends, np.asarray(self._borough)).items():
            for key, sums in _sums_by_key(keys, completed.ended_at, minutes).items():
                self._by_key[name, key] = sums
        known = completed.subset(completed.vendor > 0)
        errors = np.column_stack([known.minutes, known.minutes**2, (known.minutes - known.expected) ** 2])
        self._by_vendor.update(_sums_by_key(known.vendor, known.ended_at, errors))
        if len(self) > self._max_trips:
            self._trim()

    def _trim(self) -> None:
        self._since_trim = 0
        ends = self._city.ends
        # A day more than the longest window, for pickups before the newest end.
        oldest = max(ends[-1] - lookback_seconds() - 86_400, ends[max(len(ends) - self._max_trips, 0)])
        self.removed += bisect_left(ends, oldest)
        for sums in (*self._by_key.values(), *self._by_vendor.values()):
            sums.remove_before(oldest)


_NO_TRIPS = RunningSums(2)


def _sums_by_key(
    keys: NDArray[np.int64], ended_at: NDArray[np.int64], values: NDArray[np.float64]
) -> dict[int, RunningSums]:
    if not len(keys):
        return {}
    order = np.lexsort((ended_at, keys))
    found, first = np.unique(keys[order], return_index=True)
    parts = zip(np.split(ended_at[order], first[1:]), np.split(values[order], first[1:]), strict=True)
    return {key: RunningSums.of(*part) for key, part in zip(found.tolist(), parts, strict=True)}

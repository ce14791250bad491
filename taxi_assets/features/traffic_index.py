"""Completed trips in memory, for the recent-traffic features of one ride at a time.

`recent_traffic.py` defines the features, for many trips at once; a test compares both. Trips are kept in the order of
their ends, by each key that a window groups by, with running sums: a window is the difference of two of them.

Memory is bounded: trips before the newest ones are merged by hour, those of a pair of zones by six hours. A window that
begins among merged trips reaches up to so much further back. All others are exact.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
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
from taxi_assets.features.running_sums import RunningSums, sums_by_key
from taxi_assets.features.trip_features import ZONES

EXACT_TRIPS = 500_000
"""Newest trips of a service that are not merged: 150 bytes each."""

_HOUR_SECONDS, _DAY_SECONDS = 3_600, 86_400
# Keys without new trips are compacted after so many trips of others.
_SWEEP_TRIPS = 65_536


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


class TrafficIndex:
    """The last completed trips of one service, with the durations one model expects of them.

    Args:
        borough: Borough of each zone, shape (266,).
        completed: The first trips, such as the last ones of the training data.
        exact_trips: Number of newest trips that are not merged.

    Attributes:
        borough: Borough of each zone, shape (266,).
    """

    def __init__(
        self, borough: NDArray[np.int64], completed: CompletedTrips | None = None, exact_trips: int = EXACT_TRIPS
    ) -> None:
        self.borough = borough
        self._borough: list[int] = borough.tolist()
        self._by_key: dict[tuple[str, int], RunningSums] = defaultdict(lambda: RunningSums(2))
        self._by_vendor: dict[int, RunningSums] = defaultdict(lambda: RunningSums(3))
        self._exact_trips, self._since_sweep = exact_trips, 0
        if completed is not None and len(completed.ended_at):
            self._add_all(completed)

    def __len__(self) -> int:
        """Number of trips, of which merged ones count once."""
        return len(self._city.ends)

    @property
    def nbytes(self) -> int:
        """Size of all ends and sums, bytes."""
        return sum(
            sums.ends.itemsize * len(sums.ends) + sum(each.itemsize * len(each) for each in sums.sums)
            for _, sums in self._all_sums()
        )

    @property
    def newest(self) -> int | None:
        """The end of the last trip, seconds since 1970; None without trips."""
        return self._city.ends[-1] if len(self) else None

    def add(self, trip: CompletedTrip) -> None:
        """Add a trip; trips may come in any order."""
        minutes = min(max(trip.minutes, MIN_RATIO * trip.expected), MAX_RATIO * trip.expected)
        for key in self._keys(trip.start, trip.end):
            sums = self._by_key[key]
            sums.add(trip.ended_at, (minutes, trip.expected))
            if len(sums.ends) > sums.limit:
                self._compact(key[0], sums)
        if trip.vendor:
            error = (trip.minutes - trip.expected) ** 2
            sums = self._by_vendor[trip.vendor]
            sums.add(trip.ended_at, (trip.minutes, trip.minutes**2, error))
            if len(sums.ends) > sums.limit:
                self._compact(_VENDOR, sums)
        self._since_sweep += 1
        if self._since_sweep > _SWEEP_TRIPS:
            self._sweep()

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
        ends, newest = completed.ended_at, min(self._exact_trips, len(completed.ended_at))
        exact_since = int(np.partition(ends, -newest)[-newest])
        for name, keys in grouping_keys(completed.starts, completed.ends, self.borough).items():
            for key, sums in sums_by_key(keys, ends, minutes, exact_since, _span_seconds(name)).items():
                self._by_key[name, key] = sums
        known = completed.subset((completed.vendor > 0) & (ends >= exact_since))
        errors = np.column_stack([known.minutes, known.minutes**2, (known.minutes - known.expected) ** 2])
        self._by_vendor.update(sums_by_key(known.vendor, known.ended_at, errors, exact_since, _HOUR_SECONDS))

    def _all_sums(self) -> Iterator[tuple[str, RunningSums]]:
        """Every key's sums with the name of their grouping."""
        yield from ((grouped_by, sums) for (grouped_by, _), sums in self._by_key.items())
        yield from ((_VENDOR, sums) for sums in self._by_vendor.values())

    def _compact(self, grouped_by: str, sums: RunningSums) -> None:
        """Remove trips that no window of the last day reaches; merge those before the exact ones."""
        ends = self._city.ends
        sums.remove_before(ends[-1] - lookback_seconds() - _DAY_SECONDS)
        if len(ends) > self._exact_trips:
            exact_since = ends[-self._exact_trips]
            if grouped_by == _VENDOR:  # its last trips decide, one by one
                sums.remove_before(exact_since)
            else:
                sums.merge_before(exact_since, _span_seconds(grouped_by))
        sums.set_limit()

    def _sweep(self) -> None:
        """Compact the keys that have old trips, since a key without new ones is not compacted otherwise."""
        self._since_sweep = 0
        oldest = self._city.ends[-1] - lookback_seconds() - _DAY_SECONDS
        for grouped_by, sums in self._all_sums():
            if sums.ends and sums.ends[0] < oldest:
                self._compact(grouped_by, sums)


_VENDOR = "vendor"
_NO_TRIPS = RunningSums(2)


def _span_seconds(grouped_by: str) -> int:
    # A pair has few trips an hour, so hours would hardly merge any.
    return 6 * _HOUR_SECONDS if grouped_by == "pair" else _HOUR_SECONDS

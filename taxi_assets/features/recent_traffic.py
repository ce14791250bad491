"""Recent-traffic features: actual over expected minutes of trips that ended before the pickup.

Training, scoring and serving share this code. Without recent trips the features are NaN: trees are trained on NaN too.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.trip_features import ZONES

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """Trips of the last `hours` with the same `grouped_by` key.

    `prior_weight` expected minutes draw their ratio toward one.
    """

    grouped_by: str
    hours: float
    prior_weight: float


@dataclass(frozen=True)
class FixedDurationRule:
    """Limits of a vendor that writes one duration for all trips.

    Its last trips, of some days at most, vary far less than they differ from the expected durations.
    """

    last_trips: int = 20
    min_trips: int = 5
    lookback_days: int = 28
    variance_ratio: float = 6.0


_DAY_HOURS = 24.0
WINDOWS: Mapping[str, Window] = {
    "city_1h_ratio": Window("city", 1, 200),
    "city_3h_ratio": Window("city", 3, 300),
    "city_1d_ratio": Window("city", _DAY_HOURS, 500),
    "city_7d_ratio": Window("city", 7 * _DAY_HOURS, 2000),
    "city_28d_ratio": Window("city", 28 * _DAY_HOURS, 2000),
    "borough_3h_ratio": Window("borough", 3, 150),
    "pickup_zone_1d_ratio": Window("start", _DAY_HOURS, 150),
    "pickup_zone_14d_ratio": Window("start", 14 * _DAY_HOURS, 300),
    "dropoff_zone_14d_ratio": Window("end", 14 * _DAY_HOURS, 300),
    "pair_2h_ratio": Window("pair", 2, 40),
    "pair_28d_ratio": Window("pair", 28 * _DAY_HOURS, 100),
}
_GROUPINGS = tuple(dict.fromkeys(window.grouped_by for window in WINDOWS.values()))
RECENT_TRAFFIC_FEATURES: Mapping[str, str] = {
    name: (
        f"actual over expected minutes of trips that ended in the {window.hours:g} hours before, "
        f"same {window.grouped_by}"
    )
    for name, window in WINDOWS.items()
}
FIXED_DURATION = "fixed_duration_vendor_minutes"
RECENT_TRAFFIC_COLUMNS = (*RECENT_TRAFFIC_FEATURES, FIXED_DURATION)

# A meter left running, or stopped early, says nothing about traffic: ratios are clipped.
MIN_RATIO, MAX_RATIO = 1 / 3, 2.5
# Some vendors write nearly the same duration for every trip: their last trips show it.
FIXED_DURATION_RULE = FixedDurationRule()
_KEY_STRIDE = 1 << 34  # seconds; longer than the span of all times, so keys never overlap


@dataclass(frozen=True)
class CompletedTrips:
    """Completed trips of one service, shape (n,) each; times in seconds since 1970, `vendor` 0 if unknown."""

    ended_at: Ints
    starts: Ints
    ends: Ints
    vendor: Ints
    minutes: Floats
    expected: Floats

    def subset(self, chosen: NDArray[np.bool_]) -> "CompletedTrips":
        return CompletedTrips(**{name: values[chosen] for name, values in vars(self).items()})

    def concat(self, other: "CompletedTrips") -> "CompletedTrips":
        return concat_trips([self, other])


def concat_trips(parts: Sequence[CompletedTrips]) -> CompletedTrips:
    """All trips of one or more parts, in order."""
    return CompletedTrips(
        *(np.concatenate(columns) for columns in zip(*(vars(e).values() for e in parts), strict=True))
    )


def lookback_seconds() -> int:
    """Length of the longest window, seconds."""
    return int(max(window.hours for window in WINDOWS.values()) * 3600)


def recent_traffic_features(
    at: Ints, starts: Ints, ends: Ints, borough: Ints, completed: CompletedTrips
) -> dict[str, NDArray[np.float32]]:
    """Computes one array of shape (n,) for each name of `RECENT_TRAFFIC_FEATURES`.

    Args:
        at: Pickup times, seconds since 1970, shape (n,).
        starts: Pickup zones, shape (n,).
        ends: Drop-off zones, shape (n,).
        borough: Borough of each zone, shape (266,).
        completed: Trips of the same service. Those that end at the pickup or later are ignored.
    """
    queries, ended = grouping_keys(starts, ends, borough), grouping_keys(completed.starts, completed.ends, borough)
    clipped = np.clip(completed.minutes, MIN_RATIO * completed.expected, MAX_RATIO * completed.expected)
    minutes = np.column_stack([clipped, completed.expected])

    def of_windows(grouped_by: str) -> dict[str, NDArray[np.float32]]:
        return _window_ratios(
            grouped_by, queries[grouped_by], at, _SortedTrips.grouped_by(ended[grouped_by], completed.ended_at), minutes
        )

    # NumPy releases the GIL while it sorts and searches.
    with ThreadPoolExecutor() as pool:
        found = {name: ratio for ratios in pool.map(of_windows, _GROUPINGS) for name, ratio in ratios.items()}
    return {name: found[name] for name in RECENT_TRAFFIC_FEATURES}


def fixed_duration_minutes(at: Ints, vendor: Ints, completed: CompletedTrips) -> NDArray[np.float32]:
    """Mean duration of the vendor's last trips, if it writes nearly the same one for every trip.

    A vendor does if the variance of its last trips is far below their squared error against expected minutes. NaN for
    all other vendors, for unknown ones and for those with too few trips.

    Args:
        at: Pickup times, seconds since 1970, shape (n,).
        vendor: Vendors, 0 if unknown, shape (n,).
        completed: Trips of the same service. Those that end at the pickup or later are ignored.
    """
    rule, sorted_trips = FIXED_DURATION_RULE, _SortedTrips.grouped_by(completed.vendor, completed.ended_at)
    count, square = sorted_trips.sums(completed.minutes), sorted_trips.sums(completed.minutes**2)
    squared_error = sorted_trips.sums((completed.minutes - completed.expected) ** 2)
    order, queries = sorted_trips.queries(vendor, at)
    upto = sorted_trips.count_before(queries)
    since = np.maximum(sorted_trips.count_before(queries - rule.lookback_days * 86_400), upto - rule.last_trips)
    trips = np.maximum(upto - since, 1)
    mean = (count[upto] - count[since]) / trips
    spread = (square[upto] - square[since]) / trips - mean**2
    is_fixed = (upto - since >= rule.min_trips) & (vendor[order] > 0)
    is_fixed &= spread * rule.variance_ratio < (squared_error[upto] - squared_error[since]) / trips
    return _restore_order(np.where(is_fixed, mean, np.nan), order)


def _window_ratios(
    grouped_by: str, key: Ints, at: Ints, sorted_trips: "_SortedTrips", minutes: Floats
) -> dict[str, NDArray[np.float32]]:
    """Ratios of the windows of one grouping; `minutes` are actual and expected ones, shape (n, 2)."""
    sums = sorted_trips.sums(minutes)
    order, queries = sorted_trips.queries(key, at)
    upto = sorted_trips.count_before(queries)
    until = sums.take(upto, axis=0)
    found = {}
    for name, window in WINDOWS.items():
        if window.grouped_by == grouped_by:
            since = sorted_trips.count_before(queries - int(window.hours * 3600))
            actual, expected = (until - sums.take(since, axis=0) + window.prior_weight).T
            found[name] = _restore_order(actual / expected, order)
    return found


def grouping_keys(starts: Ints, ends: Ints, borough: Ints) -> dict[str, Ints]:
    """Each trip's key by the name of a grouping of `WINDOWS`, shape (n,) each."""
    return {
        "city": np.zeros(len(starts), np.int64),
        "borough": borough[starts],
        "start": starts,
        "end": ends,
        "pair": starts * ZONES + ends,
    }


@dataclass(frozen=True)
class _SortedTrips:
    """Completed trips sorted by key and end, so that a key's trips of a time span are adjacent."""

    order: Ints
    positions: Ints

    @classmethod
    def grouped_by(cls, key: Ints, ended_at: Ints) -> "_SortedTrips":
        positions = key * _KEY_STRIDE + ended_at
        order = np.argsort(positions, kind="stable")
        return cls(order, positions[order])

    def sums(self, values: Floats) -> Floats:
        """Cumulative sums with a leading zero, shape (n + 1, ...)."""
        sums = np.zeros((len(values) + 1, *values.shape[1:]))
        np.cumsum(values.take(self.order, axis=0), axis=0, out=sums[1:])
        return sums

    @staticmethod
    def queries(key: Ints, at: Ints) -> tuple[Ints, Ints]:
        """The queries' order by position, and their sorted positions: sorted searches are fast."""
        positions = key * _KEY_STRIDE + at
        order = np.argsort(positions, kind="stable")
        return order, positions[order]

    def count_before(self, positions: Ints) -> Ints:
        """Number of trips at lower positions: a lower key, or the same key and an earlier end."""
        return np.searchsorted(self.positions, positions, "left")


def _restore_order(values: Floats, order: Ints) -> NDArray[np.float32]:
    result = np.empty(len(values), np.float32)
    result[order] = values
    return result

"""What the streets are like now: how long rides that have just ended took, against what history led to expect.

Only rides whose drop-off lies before a ride's pickup tell it anything. The same code serves training, scoring and the
service; a ride nobody tells of now has NaN in each of these, which the trees have learned to live with.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.trip_features import ZONES

__all__ = [
    "NOW_FEATURES",
    "NOW_INPUTS",
    "STEADY",
    "FinishedRides",
    "Window",
    "now_features",
    "reach_seconds",
    "steady_minutes",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """Rides of the last `hours` that are alike in `of`; `pull` expected minutes draw their ratio to one."""

    of: str
    hours: float
    pull: float


_DAY = 24.0
_WINDOWS: Mapping[str, Window] = {
    "city_1h_ratio": Window("city", 1, 200),
    "city_3h_ratio": Window("city", 3, 300),
    "city_1d_ratio": Window("city", _DAY, 500),
    "city_7d_ratio": Window("city", 7 * _DAY, 2000),
    "city_28d_ratio": Window("city", 28 * _DAY, 2000),
    "borough_3h_ratio": Window("borough", 3, 150),
    "pickup_zone_1d_ratio": Window("start", _DAY, 150),
    "pickup_zone_14d_ratio": Window("start", 14 * _DAY, 300),
    "dropoff_zone_14d_ratio": Window("end", 14 * _DAY, 300),
    "pair_2h_ratio": Window("pair", 2, 40),
    "pair_28d_ratio": Window("pair", 28 * _DAY, 100),
}
_KINDS = tuple(dict.fromkeys(window.of for window in _WINDOWS.values()))
NOW_FEATURES: Mapping[str, str] = {
    name: f"actual over expected minutes of rides that ended in the {window.hours:g} hours before, same {window.of}"
    for name, window in _WINDOWS.items()
}
STEADY = "vendor_steady_minutes"
NOW_INPUTS = (*NOW_FEATURES, STEADY)

# A ride forgotten on the meter says nothing of the streets.
_LEAST_RATIO, _MOST_RATIO = 1 / 3, 2.5
# A vendor that writes the same length for every ride is known by its last rides.
_STEADY_RIDES, _LEAST_STEADY_RIDES, _STEADY_DAYS, _STEADINESS = 20, 5, 28, 6.0
_SPAN = 1 << 34  # seconds; more than any two times here lie apart


@dataclass(frozen=True)
class FinishedRides:
    """Rides that are over, of one service; shape (n,) each, times in seconds since 1970, `vendor` 0 where unknown."""

    over_at: Ints
    starts: Ints
    ends: Ints
    vendor: Ints
    minutes: Floats
    expected: Floats

    def subset(self, chosen: NDArray[np.bool_]) -> "FinishedRides":
        return FinishedRides(**{name: values[chosen] for name, values in vars(self).items()})

    def plus(self, others: "FinishedRides") -> "FinishedRides":
        both = {name: np.concatenate([values, getattr(others, name)]) for name, values in vars(self).items()}
        return FinishedRides(**both)


def reach_seconds() -> int:
    """How far back rides are looked at."""
    return int(max(window.hours for window in _WINDOWS.values()) * 3600)


def now_features(
    at: Ints, starts: Ints, ends: Ints, borough: Ints, finished: FinishedRides
) -> dict[str, NDArray[np.float32]]:
    """One array of shape (n,) for each name of `NOW_FEATURES`.

    Args:
        at: Pickups, seconds since 1970, shape (n,); so are the next two.
        starts: Pickup zones.
        ends: Drop-off zones.
        borough: Borough of each zone, shape (266,).
        finished: Rides of the same service. Those that end at the pickup or later are not looked at.
    """
    asked, over = _keys(starts, ends, borough), _keys(finished.starts, finished.ends, borough)
    tamed = np.clip(finished.minutes, _LEAST_RATIO * finished.expected, _MOST_RATIO * finished.expected)
    minutes = np.column_stack([tamed, finished.expected])

    def of_windows(of: str) -> dict[str, NDArray[np.float32]]:
        return _window_ratios(of, asked[of], at, _Line.of(over[of], finished.over_at), minutes)

    # NumPy lets go of the interpreter while it sorts and looks up.
    with ThreadPoolExecutor() as pool:
        found = {name: ratio for told in pool.map(of_windows, _KINDS) for name, ratio in told.items()}
    return {name: found[name] for name in NOW_FEATURES}


def steady_minutes(at: Ints, vendor: Ints, finished: FinishedRides) -> NDArray[np.float32]:
    """Mean of the vendor's last rides where they are far more like each other than like what was expected of them.

    NaN for every other ride: of a vendor that measures, whose is not known, or that has had too few rides.

    Args:
        at: Pickups, seconds since 1970, shape (n,).
        vendor: Vendors, 0 where unknown, shape (n,).
        finished: Rides of the same service. Those that end at the pickup or later are not looked at.
    """
    line = _Line.of(finished.vendor, finished.over_at)
    count, square = line.sums(finished.minutes), line.sums(finished.minutes**2)
    missed = line.sums((finished.minutes - finished.expected) ** 2)
    order, asked = line.asked(vendor, at)
    upto = line.before(asked)
    since = np.maximum(line.before(asked - _STEADY_DAYS * 86_400), upto - _STEADY_RIDES)
    rides = np.maximum(upto - since, 1)
    mean = (count[upto] - count[since]) / rides
    spread = (square[upto] - square[since]) / rides - mean**2
    steady = (upto - since >= _LEAST_STEADY_RIDES) & (vendor[order] > 0)
    steady &= spread * _STEADINESS < (missed[upto] - missed[since]) / rides
    return _unsorted(np.where(steady, mean, np.nan), order)


def _window_ratios(of: str, key: Ints, at: Ints, line: "_Line", minutes: Floats) -> dict[str, NDArray[np.float32]]:
    """The windows of one kind; `minutes` are actual and expected ones of the finished rides, shape (n, 2)."""
    sums = line.sums(minutes)
    order, asked = line.asked(key, at)
    upto = line.before(asked)
    until = sums.take(upto, axis=0)
    found = {}
    for name, window in _WINDOWS.items():
        if window.of == of:
            since = line.before(asked - int(window.hours * 3600))
            actual, expected = (until - sums.take(since, axis=0) + window.pull).T
            found[name] = _unsorted(actual / expected, order)
    return found


def _keys(starts: Ints, ends: Ints, borough: Ints) -> dict[str, Ints]:
    return {
        "city": np.zeros(len(starts), np.int64),
        "borough": borough[starts],
        "start": starts,
        "end": ends,
        "pair": starts * ZONES + ends,
    }


@dataclass(frozen=True)
class _Line:
    """Finished rides in the order of their key and end, so that those of a key and a span of time are neighbours."""

    order: Ints
    places: Ints

    @classmethod
    def of(cls, key: Ints, over_at: Ints) -> "_Line":
        places = key * _SPAN + over_at
        order = np.argsort(places, kind="stable")
        return cls(order, places[order])

    def sums(self, values: Floats) -> Floats:
        """Sums of the values before each place: one more than there are."""
        sums = np.zeros((len(values) + 1, *values.shape[1:]))
        np.cumsum(values.take(self.order, axis=0), axis=0, out=sums[1:])
        return sums

    @staticmethod
    def asked(key: Ints, at: Ints) -> tuple[Ints, Ints]:
        """An order in which asking is fast, and the places asked about in it."""
        places = key * _SPAN + at
        order = np.argsort(places, kind="stable")
        return order, places[order]

    def before(self, places: Ints) -> Ints:
        """How many rides are of lower key, or of the same and ended before."""
        return np.searchsorted(self.places, places, "left")


def _unsorted(values: Floats, order: Ints) -> NDArray[np.float32]:
    result = np.empty(len(values), np.float32)
    result[order] = values
    return result

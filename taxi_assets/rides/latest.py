"""What was last known of the streets: kept with a model, for rides that nobody tells of now.

It holds for rides that start after the last ride learned from and within the longest window; for any other nothing is
known of now. What short windows told is over by then: the longer window of the same rides stands in for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taxi_assets.rides.features import ZONES, Rides
from taxi_assets.rides.now import NOW_FEATURES, FinishedRides, now_features, reach_seconds

__all__ = ["Latest", "latest_of", "tell_latest"]

Ints = NDArray[np.int64]

_STANDS_IN = {
    "city_1h_ratio": "city_7d_ratio",
    "city_3h_ratio": "city_7d_ratio",
    "city_1d_ratio": "city_7d_ratio",
    "borough_3h_ratio": "city_7d_ratio",
    "pickup_zone_1d_ratio": "pickup_zone_14d_ratio",
    "pair_2h_ratio": "pair_28d_ratio",
}


@dataclass(frozen=True)
class Latest:
    """Ratios by feature, pickup zone and drop-off zone; `until` is when the last ride ended, seconds since 1970."""

    until: int
    ratios: NDArray[np.float32]


def latest_of(finished: FinishedRides, borough: Ints) -> Latest:
    """What these rides of one service tell at their end."""
    until = int(finished.over_at.max())
    starts, ends = (zones.ravel() for zones in np.meshgrid(np.arange(ZONES), np.arange(ZONES), indexing="ij"))
    found = now_features(np.full(ZONES**2, until + 1), starts, ends, np.zeros_like(starts), borough, finished)
    told = [found[_STANDS_IN.get(name, name)].reshape(ZONES, ZONES) for name in NOW_FEATURES]
    return Latest(until, np.stack(told))


def tell_latest(latest: Mapping[int, Latest], rides: Rides) -> dict[str, NDArray[np.float32]]:
    """One array of shape (n,) for each name of `NOW_FEATURES`; NaN where too little is known.

    Args:
        latest: What was last known, by service id.
        rides: `service_id`, `pickup_at`, `pickup_zone_id`, `dropoff_zone_id`; shape (n,) each.
    """
    told = np.full((len(NOW_FEATURES), len(rides["service_id"])), np.nan, np.float32)
    at = rides["pickup_at"].astype("datetime64[s]").astype(np.int64)
    for service, known in latest.items():
        own = (rides["service_id"] == service) & (at > known.until) & (at <= known.until + reach_seconds())
        if own.any():
            starts, ends = rides["pickup_zone_id"][own], rides["dropoff_zone_id"][own]
            told[:, own] = known.ratios[:, starts.astype(np.int64), ends.astype(np.int64)]
    return dict(zip(NOW_FEATURES, told, strict=True))

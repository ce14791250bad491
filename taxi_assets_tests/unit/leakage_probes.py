"""Finds leaks by experiment: changes data known only later and reports whose features change.

Each probe takes any function from a frame of trips to features. Trips have `pickup_at`, `duration_minutes` and, if the
function reads it, `dropoff_at`. A probe that changes durations moves the drop-offs with them.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.tlc.local_time import local_time, utc_seconds

FeatureFunction = Callable[[pd.DataFrame], NDArray[Any]]
"""One row of numbers for each trip of a frame, in its order: shape (n, columns)."""


def leaking_columns(
    features: FeatureFunction, trips: pd.DataFrame, post_trip_columns: Iterable[str], seed: int = 0
) -> list[str]:
    """Columns known only after a trip on which features depend.

    Args:
        features: The function to probe.
        trips: Trips with these columns.
        post_trip_columns: Columns known only when a trip is over, such as its fare.
        seed: Seed of the shuffle of each column.
    """
    before, rng = features(trips), np.random.default_rng(seed)
    found = []
    for name in post_trip_columns:
        shuffled = trips.assign(**{name: trips[name].to_numpy()[rng.permutation(len(trips))]})
        if _differing(before, features(shuffled)).any():
            found.append(name)
    return found


def self_leaking_trips(
    features: FeatureFunction, trips: pd.DataFrame, sample_size: int = 8, seed: int = 0
) -> list[int]:
    """Positions of sampled trips whose features change with their own duration.

    This finds target statistics that include the trip itself: made without folds, or over its own month.
    """
    before = features(trips)
    chosen = np.random.default_rng(seed).choice(len(trips), min(sample_size, len(trips)), replace=False)
    found = []
    for position in sorted(chosen.tolist()):
        changed = np.arange(len(trips)) == position
        if _differing(before, features(_lengthen(trips, changed)))[position]:
            found.append(position)
    return found


def future_leaking_trips(features: FeatureFunction, trips: pd.DataFrame, at: pd.Timestamp) -> list[int]:
    """Positions of trips picked up until `at` whose features change with trips that end after it.

    Features may depend only on trips that ended before the pickup. The first test lengthens all trips that end
    after `at`; the second leaves out all trips picked up after it.
    """
    now = _utc_times(np.array([at.to_datetime64()]))
    early = _utc_times(trips["pickup_at"].to_numpy()) <= now
    later = _ends(trips) > now
    before = features(trips)
    changed = _differing(before, features(_lengthen(trips, later))) & early
    changed_without = np.zeros(len(trips), bool)
    changed_without[early] = _differing(before[early], features(trips[early]))
    return np.flatnonzero(changed | changed_without).tolist()


def unscored_count(scored: int, in_scope: int) -> int:
    """Number of trips in scope that were not scored; negative if too many were."""
    return in_scope - scored


def _lengthen(trips: pd.DataFrame, chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """Makes the chosen trips twice as long plus 15 minutes."""
    minutes = trips["duration_minutes"].to_numpy(np.float64)
    longer = trips.assign(duration_minutes=np.where(chosen, 2 * minutes + 15, minutes))
    if "dropoff_at" not in trips:
        return longer
    ends = _ends(longer)
    whole = ends.astype("datetime64[s]")
    return longer.assign(dropoff_at=local_time(whole.astype(np.int64)) + (ends - whole))


def _ends(trips: pd.DataFrame) -> NDArray[np.datetime64]:
    """Drop-off times in UTC; the later one if the clocks repeat the hour."""
    lasting = pd.to_timedelta(trips["duration_minutes"], unit="min").to_numpy()
    return np.asarray(_utc_times(trips["pickup_at"].to_numpy(), repeated="second") + lasting)


def _utc_times(local: NDArray[np.datetime64], repeated: str = "first") -> NDArray[np.datetime64]:
    """Local times in UTC, to the nanosecond; see `utc_seconds`."""
    utc = utc_seconds(local, repeated).astype("datetime64[s]")
    return np.asarray(local + (utc - local.astype("datetime64[s]")).astype("timedelta64[ns]"))


def _differing(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    """True for rows that differ by more than rounding; two missing values are equal."""
    same = np.isclose(before, after, rtol=1e-5, atol=1e-6, equal_nan=True)
    return np.asarray(~same.reshape(len(same), -1).all(1))

"""Finds knowledge of a trip's end, or of later trips, by what happens: change it, and see whose features change.

Names are looked at by leakage.py. Here a way to features is any function over a frame of trips, so each guard holds for
the platform's own and for whatever is put in its place. Trips have `pickup_at` and `duration_minutes`, and `dropoff_at`
where the function reads it; a guard that changes durations moves the drop-off with them.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.tlc.local_time import local_time, utc_seconds

__all__ = [
    "FeatureFunction",
    "future_leaking_trips",
    "leaking_columns",
    "not_earlier",
    "self_leaking_trips",
    "unscored_count",
]

FeatureFunction = Callable[[pd.DataFrame], NDArray[Any]]
"""One row of numbers for each trip of a frame, in its order: shape (n, columns)."""

When = TypeVar("When")


def leaking_columns(
    features: FeatureFunction, trips: pd.DataFrame, post_trip_columns: Iterable[str], seed: int = 0
) -> list[str]:
    """Those of the columns only known after a trip that features follow, whatever the features are called.

    Args:
        features: The way to features.
        trips: Trips with these columns.
        post_trip_columns: Columns known only when a trip is over, such as its fare.
        seed: Of the order the column's values are shuffled into.
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
    """Positions of trips, of some that are tried, whose own features change with their own duration.

    So a statistic of durations that a trip is part of is found: one made without folds, or over its own month.
    """
    before = features(trips)
    chosen = np.random.default_rng(seed).choice(len(trips), min(sample_size, len(trips)), replace=False)
    found = []
    for position in sorted(chosen.tolist()):
        alone = np.arange(len(trips)) == position
        if _differing(before, features(_lengthen(trips, alone)))[position]:
            found.append(position)
    return found


def future_leaking_trips(features: FeatureFunction, trips: pd.DataFrame, at: pd.Timestamp) -> list[int]:
    """Positions of trips picked up by then whose features change with trips that end only afterwards.

    At its pickup a trip may be told of the trips that have ended, and of no others. All trips that end later are made
    longer, so they still end later, and those that begin later are left out in a second look.
    """
    now = _utc_times(np.array([at.to_datetime64()]))
    early = _utc_times(trips["pickup_at"].to_numpy()) <= now
    later = _ends(trips) > now
    before = features(trips)
    changed = _differing(before, features(_lengthen(trips, later))) & early
    alone = np.zeros(len(trips), bool)
    alone[early] = _differing(before[early], features(trips[early]))
    return np.flatnonzero(changed | alone).tolist()


def not_earlier(trained_on: Sequence[When], scored: When) -> list[When]:
    """What was learned from though it is no earlier than what is scored: months, days or pickups."""
    return [when for when in trained_on if not when < scored]  # type: ignore[operator]


def unscored_count(scored: int, in_scope: int) -> int:
    """How many trips that the stated scope admits were not scored, or were scored beyond it."""
    return in_scope - scored


def _lengthen(trips: pd.DataFrame, chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """The trips, those chosen taking twice as long and a quarter of an hour."""
    minutes = trips["duration_minutes"].to_numpy(np.float64)
    longer = trips.assign(duration_minutes=np.where(chosen, 2 * minutes + 15, minutes))
    if "dropoff_at" not in trips:
        return longer
    ends = _ends(longer)
    whole = ends.astype("datetime64[s]")
    return longer.assign(dropoff_at=local_time(whole.astype(np.int64)) + (ends - whole))


def _ends(trips: pd.DataFrame) -> NDArray[np.datetime64]:
    """The moments of the drop-offs; of two possible ones the later."""
    lasting = pd.to_timedelta(trips["duration_minutes"], unit="min").to_numpy()
    return np.asarray(_utc_times(trips["pickup_at"].to_numpy(), repeated="second") + lasting)


def _utc_times(local: NDArray[np.datetime64], repeated: str = "first") -> NDArray[np.datetime64]:
    """The moments of local times in UTC, to the nanosecond; see `utc_seconds`."""
    utc = utc_seconds(local, repeated).astype("datetime64[s]")
    return np.asarray(local + (utc - local.astype("datetime64[s]")).astype("timedelta64[ns]"))


def _differing(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows differ by more than rounding does; what is missing in both is equal."""
    same = np.isclose(before, after, rtol=1e-5, atol=1e-6, equal_nan=True)
    return np.asarray(~same.reshape(len(same), -1).all(1))

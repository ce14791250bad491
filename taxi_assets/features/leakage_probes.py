"""Finds knowledge of a ride's end, or of later rides, by what happens: change it, and see whose features change.

Names are looked at by leakage.py. Here a way to features is any function over a frame of rides, so each guard holds for
the platform's own and for whatever is put in its place. Rides have `pickup_at` and `duration_minutes`, and `dropoff_at`
where the function reads it; a guard that changes durations moves the drop-off with them.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.tlc.local_time import local_time, utc_seconds

__all__ = ["Features", "following", "left_out", "out_of_order", "telling_of_later_rides", "telling_of_themselves"]

Features = Callable[[pd.DataFrame], NDArray[Any]]
"""One row of numbers for each ride of a frame, in its order: shape (n, columns)."""

When = TypeVar("When")


def following(features: Features, rides: pd.DataFrame, known_after: Iterable[str], seed: int = 0) -> list[str]:
    """Those of the columns only known after a ride that features follow, whatever the features are called.

    Args:
        features: The way to features.
        rides: Rides with these columns.
        known_after: Columns known only when a ride is over, such as its fare.
        seed: Of the order the column's values are shuffled into.
    """
    before, rng = features(rides), np.random.default_rng(seed)
    found = []
    for name in known_after:
        shuffled = rides.assign(**{name: rides[name].to_numpy()[rng.permutation(len(rides))]})
        if _differing(before, features(shuffled)).any():
            found.append(name)
    return found


def telling_of_themselves(features: Features, rides: pd.DataFrame, tried: int = 8, seed: int = 0) -> list[int]:
    """Positions of rides, of some that are tried, whose own features change with their own duration.

    So a statistic of durations that a ride is part of is found: one made without folds, or over its own month.
    """
    before = features(rides)
    chosen = np.random.default_rng(seed).choice(len(rides), min(tried, len(rides)), replace=False)
    found = []
    for position in sorted(chosen.tolist()):
        alone = np.arange(len(rides)) == position
        if _differing(before, features(_lengthened(rides, alone)))[position]:
            found.append(position)
    return found


def telling_of_later_rides(features: Features, rides: pd.DataFrame, at: pd.Timestamp) -> list[int]:
    """Positions of rides picked up by then whose features change with rides that end only afterwards.

    At its pickup a ride may be told of the rides that have ended, and of no others. All rides that end later are made
    longer, so they still end later, and those that begin later are left out in a second look.
    """
    now = _moments(np.array([at.to_datetime64()]))
    early = _moments(rides["pickup_at"].to_numpy()) <= now
    later = _ends(rides) > now
    before = features(rides)
    changed = _differing(before, features(_lengthened(rides, later))) & early
    alone = np.zeros(len(rides), bool)
    alone[early] = _differing(before[early], features(rides[early]))
    return np.flatnonzero(changed | alone).tolist()


def out_of_order(learned: Sequence[When], scored: When) -> list[When]:
    """What was learned from though it is no earlier than what is scored: months, days or pickups."""
    return [when for when in learned if not when < scored]  # type: ignore[operator]


def left_out(scored: int, admitted: int) -> int:
    """How many rides that the stated convention admits were not scored, or were scored beyond it."""
    return admitted - scored


def _lengthened(rides: pd.DataFrame, chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """The rides, those chosen taking twice as long and a quarter of an hour."""
    minutes = rides["duration_minutes"].to_numpy(np.float64)
    longer = rides.assign(duration_minutes=np.where(chosen, 2 * minutes + 15, minutes))
    if "dropoff_at" not in rides:
        return longer
    ends = _ends(longer)
    whole = ends.astype("datetime64[s]")
    return longer.assign(dropoff_at=local_time(whole.astype(np.int64)) + (ends - whole))


def _ends(rides: pd.DataFrame) -> NDArray[np.datetime64]:
    """The moments of the drop-offs; of two possible ones the later."""
    lasting = pd.to_timedelta(rides["duration_minutes"], unit="min").to_numpy()
    return np.asarray(_moments(rides["pickup_at"].to_numpy(), repeated="second") + lasting)


def _moments(local: NDArray[np.datetime64], repeated: str = "first") -> NDArray[np.datetime64]:
    """The moments of local times in UTC, to the nanosecond; see `utc_seconds`."""
    utc = utc_seconds(local, repeated).astype("datetime64[s]")
    return np.asarray(local + (utc - local.astype("datetime64[s]")).astype("timedelta64[ns]"))


def _differing(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows differ by more than rounding does; what is missing in both is equal."""
    same = np.isclose(before, after, rtol=1e-5, atol=1e-6, equal_nan=True)
    return np.asarray(~same.reshape(len(same), -1).all(1))

"""Decides whether a new champion is rolled back, by a comparison with its shadow, the champion before.

The comparison is paired and its confidence sequence is valid at every number of rides, so it may be read at any time. A
champion that is as good is rolled back with a probability of at most 5 %.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

WatchVerdict = Literal["better", "worse", "undecided"]

WATCH_DAYS = 7


@dataclass(frozen=True)
class ChampionWatch:
    """A new champion and the champion before it, on the same rides.

    Attributes:
        champion: The new champion's version.
        previous: The version of the champion before, which shadows it.
        since: Time of the deployment, UTC.
        rides: Rides since then that both predicted and whose duration is known.
        verdict: Whether the new champion's squared errors are better or worse, by the confidence sequence.
        difference: Its mean squared error minus that of the champion before, minutes²; NaN without rides.
    """

    champion: int
    previous: int
    since: datetime
    rides: int
    verdict: WatchVerdict
    difference: float


def should_roll_back(watch: ChampionWatch) -> bool:
    """True if the new champion is significantly worse than the one before on the same rides."""
    return watch.rides > 0 and watch.verdict == "worse"


def is_over(watch: ChampionWatch, watch_rides: int, now: datetime) -> bool:
    """True if the watch ends without a rollback: after enough rides, a better verdict, or seven days."""
    if should_roll_back(watch):
        return False
    return watch.rides >= watch_rides or watch.verdict == "better" or now - watch.since >= timedelta(days=WATCH_DAYS)


def sentence(watch: ChampionWatch) -> str:
    """States the verdict and its figures."""
    compared = f"than version {watch.previous} on {watch.rides:,} rides that both predicted"
    if watch.verdict == "undecided":
        return f"version {watch.champion} is neither better nor worse {compared} so far"
    figures = (
        f"its mean squared error is {abs(watch.difference):.2f} minutes² {'above' if watch.difference > 0 else 'below'}"
    )
    return f"version {watch.champion} is {watch.verdict} {compared}: {figures}"

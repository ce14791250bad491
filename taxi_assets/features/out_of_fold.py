"""The history of rides that are learned from. No ride may be told by its own duration, nor by what it will not know.

A ride's past are the months before its own, as when it is served. Where too few months come before, blocks of time
are told by each other.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from taxi_assets.features.target_encoding import (
    HISTORY_FEATURES,
    PastRides,
    Smoothing,
    Sums,
    Tables,
    fit_tables,
    look_up,
    tables_of,
)
from taxi_assets.features.zone_geometry import Places

__all__ = ["first_in_order", "out_of_fold", "past_of_training"]

Past = dict[str, NDArray[np.float32]]

_FOLDS = 8  # blocks of whole weeks, about so many: each is told by nearly all the rest
_LEAST_MONTHS_BEFORE = 3  # within a year: with fewer a ride's past would be thinner than when it is served
_AT_ONCE = 2  # tables that are made at the same time; each takes some hundred megabytes


@dataclass(frozen=True)
class _Lot:
    """Rides, by their positions, and what makes the tables they are told by."""

    rows: NDArray[np.int64]
    tables: Callable[[], Tables]


def past_of_training(rides: PastRides, places: Places, smoothing: Smoothing, since: int = 0) -> tuple[Past, Tables]:
    """The history of each training ride, and the tables all rides together make for the month after.

    Args:
        rides: All rides of the window.
        places: Geometry of the zones.
        smoothing: How the history is smoothed.
        since: The first month whose rides are told, in months since 1970; older ones are NaN.
    """
    if not len(rides.minutes):
        raise ValueError("there are no rides")
    ordered_from = first_in_order(rides.month)
    early = np.flatnonzero(rides.month < ordered_from)
    blocks = _blocks(rides, early, places, smoothing, since)
    return _told(rides, chain(blocks, _months(rides, places, smoothing, max(ordered_from, since))))


def out_of_fold(rides: PastRides, places: Places, smoothing: Smoothing, since: int = 0) -> Past:
    """The history of each ride, told by the rides of other weeks, those of its own block of weeks left out."""
    return _told(rides, _blocks(rides, np.arange(len(rides.week)), places, smoothing, since))[0]


def first_in_order(months: NDArray[np.int64]) -> int:
    """The month from which on every month has enough others in the year before it; rides before are told out of fold.

    Args:
        months: Of all rides of the window, in months since 1970, shape (n,).
    """
    held = np.unique(months)
    before = np.array([((held < month) & (held >= month - 12)).sum() for month in held])
    return int(held[before < _LEAST_MONTHS_BEFORE].max()) + 1


def _blocks(
    rides: PastRides, among: NDArray[np.int64], places: Places, smoothing: Smoothing, since: int
) -> Iterator[_Lot]:
    """Blocks of weeks of some of the rides; each is told by the others of them."""
    some = rides.subset(among)
    weeks, week = np.unique(some.week, return_inverse=True)
    block = week // max(1, round(len(weeks) / _FOLDS))
    asked = some.month >= since

    def of_others(own: NDArray[np.bool_]) -> Tables:
        others = some if own.all() else some.subset(~own)
        return fit_tables(others, places, float(np.median(some.month[own])), smoothing)

    for each in np.unique(block[asked]).tolist():
        own = block == each
        yield _Lot(among[own & asked], partial(of_others, own))


def _months(rides: PastRides, places: Places, smoothing: Smoothing, since: int) -> Iterator[_Lot]:
    """The months from `since` on, each told by those before it; at last the month after all of them, of no rides."""
    months = np.unique(rides.month).tolist()
    sums = Sums()
    for month, following in pairwise([*months, months[-1] + 1]):
        own, age = rides.subset(rides.month == month), following - month
        # Others than the sums before, of which tables may just be made.
        sums = sums.after(age, smoothing).add(own, np.full(len(own.minutes), float(age)), smoothing)
        if following >= since:
            yield _Lot(np.flatnonzero(rides.month == following), partial(tables_of, sums, places, smoothing))


def _told(rides: PastRides, lots: Iterable[_Lot]) -> tuple[Past, Tables]:
    """The history of the lots' rides, NaN for all others; and the tables of the last lot.

    A few lots at a time, while the next are prepared: most of the work is one array after the other, on one core.
    """
    found = {name: np.full(len(rides.minutes), np.nan, np.float32) for name in HISTORY_FEATURES}
    tables: Tables = {}
    waiting: deque[Future[Tables]] = deque()

    def tell(lot: _Lot) -> Tables:
        tables, rows = lot.tables(), lot.rows
        told = look_up(tables, rides.starts[rows], rides.ends[rows], rides.period[rows])
        for name, values in told.items():
            found[name][rows] = values
        return tables

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(_AT_ONCE) as pool:
        for lot in lots:
            waiting.append(pool.submit(tell, lot))
            if len(waiting) > _AT_ONCE:
                waiting.popleft().result()
        for each in waiting:
            tables = each.result()
    return found, tables

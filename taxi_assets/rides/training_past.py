"""The history of rides that are learned from. No ride may be told by its own duration, nor by what it will not know.

A ride's past are the months before its own, as when it is served. Where too few months come before, blocks of time
are told by each other.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from taxi_assets.rides.history import (
    HISTORY_FEATURES,
    PastRides,
    Smoothing,
    Sums,
    Tables,
    add_up,
    fit_tables,
    look_up,
    tables_of,
)
from taxi_assets.rides.places import Places

__all__ = ["first_in_order", "out_of_fold", "past_of_training"]

Past = dict[str, NDArray[np.float32]]

_FOLDS = 8  # blocks of whole weeks, about so many: each is told by nearly all the rest
_LEAST_MONTHS_BEFORE = 4  # within a year: with fewer a ride's past would be thinner than when it is served
_AT_ONCE = 2  # tables that are made at the same time; each takes some hundred megabytes


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
    found = _unknown(rides)
    ordered_from = first_in_order(rides.month)
    early = rides.month < ordered_from
    if (rides.month[early] >= since).any():
        _put(found, early, out_of_fold(rides.where(early), places, smoothing, since))
    tables: Tables = {}
    wanted = (
        (month, partial(tables_of, sums, places, smoothing))
        for month, sums in _sums_before(rides, smoothing)
        if month >= max(ordered_from, since)
    )
    for month, tables in _made(wanted):
        _put_told(found, rides, rides.month == month, tables)
    return found, tables


def out_of_fold(rides: PastRides, places: Places, smoothing: Smoothing, since: int = 0) -> Past:
    """The history of each ride, told by the rides of other weeks, those of its own block of weeks left out."""
    weeks, week = np.unique(rides.week, return_inverse=True)
    blocks = week // max(1, round(len(weeks) / _FOLDS))
    found, asked = _unknown(rides), rides.month >= since

    def of_others(block: int) -> Tables:
        own = blocks == block
        others = rides if own.all() else rides.where(~own)
        return fit_tables(others, places, float(np.median(rides.month[own])), smoothing)

    for block, tables in _made((block, partial(of_others, block)) for block in np.unique(blocks[asked]).tolist()):
        _put_told(found, rides, asked & (blocks == block), tables)
    return found


def first_in_order(months: NDArray[np.int64]) -> int:
    """The month from which on every month has enough others in the year before it; rides before are told out of fold.

    Args:
        months: Of all rides of the window, in months since 1970, shape (n,).
    """
    held = np.unique(months)
    before = np.array([((held < month) & (held >= month - 12)).sum() for month in held])
    return int(held[before < _LEAST_MONTHS_BEFORE].max()) + 1


def _sums_before(rides: PastRides, smoothing: Smoothing) -> Iterator[tuple[int, Sums]]:
    """Each month but the first, with the sums of the months before it; at last the month after all of them."""
    months = np.unique(rides.month).tolist()
    sums = None
    for month, following in pairwise([*months, months[-1] + 1]):
        own = rides.where(rides.month == month)
        added = add_up(own, np.zeros(len(own.minutes)), smoothing)
        sums = (sums.plus(added) if sums else added).after(following - month, smoothing)
        yield following, sums


def _made(wanted: Iterable[tuple[int, Callable[[], Tables]]]) -> Iterator[tuple[int, Tables]]:
    """The tables, in their order, a few at a time: most of the work is one array after the other, on one core."""
    waiting = iter(wanted)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(_AT_ONCE) as pool:
        while some := list(islice(waiting, _AT_ONCE)):
            yield from zip([key for key, _ in some], pool.map(lambda each: each[1](), some), strict=True)


def _unknown(rides: PastRides) -> Past:
    return {name: np.full(len(rides.minutes), np.nan, np.float32) for name in HISTORY_FEATURES}


def _put_told(found: Past, rides: PastRides, rows: NDArray[np.bool_], tables: Tables) -> None:
    _put(found, rows, look_up(tables, rides.starts[rows], rides.ends[rows], rides.period[rows]))


def _put(found: Past, rows: NDArray[np.bool_], values: Past) -> None:
    for name, told in values.items():
        found[name][rows] = told

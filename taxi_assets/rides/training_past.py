"""The history of rides that are learned from. No ride may be told by its own duration, nor by what it will not know.

A ride's past are the months before its own, as when it is served. Where too few months come before, blocks of time
are told by each other.
"""

import numpy as np
from numpy.typing import NDArray

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
    found = {name: np.full(len(rides.minutes), np.nan, np.float32) for name in HISTORY_FEATURES}
    ordered_from = first_in_order(rides.month)
    early = rides.month < ordered_from
    if (rides.month[early] >= since).any():
        _put(found, early, out_of_fold(rides.where(early), places, smoothing, since))
    first, *months = np.unique(rides.month).tolist()
    sums = _sums_of(rides, first, smoothing)
    for last, month in zip([first, *months], months, strict=False):
        own, sums = rides.month == month, sums.after(month - last, smoothing)
        if month >= max(ordered_from, since):
            tables = tables_of(sums, places, smoothing)
            _put(found, own, look_up(tables, rides.starts[own], rides.ends[own], rides.period[own]))
        sums = sums.plus(_sums_of(rides, month, smoothing))
    return found, tables_of(sums.after(1, smoothing), places, smoothing)


def out_of_fold(rides: PastRides, places: Places, smoothing: Smoothing, since: int = 0) -> Past:
    """The history of each ride, told by the rides of other weeks, those of its own block of weeks left out."""
    weeks, week = np.unique(rides.week, return_inverse=True)
    blocks = week // max(1, round(len(weeks) / _FOLDS))
    found = {name: np.full(len(rides.minutes), np.nan, np.float32) for name in HISTORY_FEATURES}
    asked = rides.month >= since
    for block in np.unique(blocks[asked]):
        own = blocks == block
        others = rides if own.all() else rides.where(~own)
        tables = fit_tables(others, places, float(np.median(rides.month[own])), smoothing)
        own &= asked
        _put(found, own, look_up(tables, rides.starts[own], rides.ends[own], rides.period[own]))
    return found


def first_in_order(months: NDArray[np.int64]) -> int:
    """The month from which on every month has enough others in the year before it; rides before are told out of fold.

    Args:
        months: Of all rides of the window, in months since 1970, shape (n,).
    """
    held = np.unique(months)
    before = np.array([((held < month) & (held >= month - 12)).sum() for month in held])
    return int(held[before < _LEAST_MONTHS_BEFORE].max()) + 1


def _sums_of(rides: PastRides, month: int, smoothing: Smoothing) -> Sums:
    own = rides.where(rides.month == month)
    return add_up(own, np.zeros(len(own.minutes)), smoothing)


def _put(found: Past, rows: NDArray[np.bool_], values: Past) -> None:
    for name, told in values.items():
        found[name][rows] = told

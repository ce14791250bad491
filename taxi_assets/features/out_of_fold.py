"""Target encoding of training trips: a trip never contributes to its own encoding.

A trip is encoded from the months before its own, as in serving. The first months of a window have too few before them:
their weeks are split into folds, each encoded from the others.
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
    TARGET_ENCODING_FEATURES,
    EncodingTables,
    PairStatistics,
    PastTrips,
    Smoothing,
    build_tables,
    fit_tables,
    look_up,
)
from taxi_assets.features.zone_geometry import ZoneGeometry

EncodedTrips = dict[str, NDArray[np.float32]]

_FOLDS = 8  # blocks of whole weeks: each is encoded from about 7/8 of the trips
_MIN_PAST_MONTHS = 3  # within a year: with fewer, training trips would have less history than served ones
_MAX_WORKERS = 2  # encoding tables built at the same time; each takes some hundred megabytes


@dataclass(frozen=True)
class Fold:
    """Positions of trips, and the function that builds their encoding tables."""

    rows: NDArray[np.int64]
    tables: Callable[[], EncodingTables]


def encode_training_trips(
    trips: PastTrips, geometry: ZoneGeometry, smoothing: Smoothing, since: int = 0
) -> tuple[EncodedTrips, EncodingTables]:
    """Encodes the training trips, and builds the tables for the month after from all of them.

    Args:
        trips: All trips of the window.
        geometry: Geometry of the zones.
        smoothing: Strengths of the smoothing.
        since: The first month whose trips are encoded, in months since 1970; older trips are NaN.

    Raises:
        ValueError: there are no trips.
    """
    if not len(trips.minutes):
        raise ValueError("there are no trips")
    ordered_from = first_past_only_month(trips.month)
    early = np.flatnonzero(trips.month < ordered_from)
    blocks = _week_block_folds(trips, early, geometry, smoothing, since)
    return _encode_folds(trips, chain(blocks, _past_only_folds(trips, geometry, smoothing, max(ordered_from, since))))


def out_of_fold(trips: PastTrips, geometry: ZoneGeometry, smoothing: Smoothing, since: int = 0) -> EncodedTrips:
    """Encodes each trip from the trips of all other blocks of weeks."""
    return _encode_folds(trips, _week_block_folds(trips, np.arange(len(trips.week)), geometry, smoothing, since))[0]


def first_past_only_month(months: NDArray[np.int64]) -> int:
    """First month from which on every month has enough months in the year before it.

    Trips of this month and later are encoded from past months only, earlier ones out of fold.

    Args:
        months: Months of all trips of the window, in months since 1970, shape (n,).
    """
    present_months = np.unique(months)
    before = np.array([((present_months < month) & (present_months >= month - 12)).sum() for month in present_months])
    return int(present_months[before < _MIN_PAST_MONTHS].max()) + 1


def fold_blocks(weeks: int) -> NDArray[np.int64]:
    """The block of each of so many weeks in order, shape (weeks,)."""
    return np.arange(weeks) // max(1, round(weeks / _FOLDS))


def _week_block_folds(
    trips: PastTrips, candidate_rows: NDArray[np.int64], geometry: ZoneGeometry, smoothing: Smoothing, since: int
) -> Iterator[Fold]:
    """Splits the candidates into blocks of weeks, each encoded from the others."""
    candidates = trips.subset(candidate_rows)
    weeks, week = np.unique(candidates.week, return_inverse=True)
    block = fold_blocks(len(weeks))[week]
    wanted = candidates.month >= since

    def tables_without(own: NDArray[np.bool_]) -> EncodingTables:
        remaining = candidates if own.all() else candidates.subset(~own)
        return fit_tables(remaining, geometry, float(np.median(candidates.month[own])), smoothing)

    for each in np.unique(block[wanted]).tolist():
        own = block == each
        yield Fold(candidate_rows[own & wanted], partial(tables_without, own))


def _past_only_folds(trips: PastTrips, geometry: ZoneGeometry, smoothing: Smoothing, since: int) -> Iterator[Fold]:
    """Yields the months from `since` on, each encoded from those before it.

    The last fold is the month after the window: it has no trips, and its tables serve predictions.
    """
    months = np.unique(trips.month).tolist()
    statistics = PairStatistics()
    for month, following in pairwise([*months, months[-1] + 1]):
        own, age = trips.subset(trips.month == month), following - month
        # A new object: a worker may still build tables from the old one.
        statistics = statistics.decayed(age, smoothing).add(own, np.full(len(own.minutes), float(age)), smoothing)
        if following >= since:
            yield Fold(np.flatnonzero(trips.month == following), partial(build_tables, statistics, geometry, smoothing))


def _encode_folds(trips: PastTrips, folds: Iterable[Fold]) -> tuple[EncodedTrips, EncodingTables]:
    """Encodes the trips of the folds, NaN for all others, and returns the last fold's tables.

    Two folds run at a time, since most of a fold's work uses one core.
    """
    found = {name: np.full(len(trips.minutes), np.nan, np.float32) for name in TARGET_ENCODING_FEATURES}
    tables: EncodingTables = {}
    running: deque[Future[EncodingTables]] = deque()

    def encode_fold(fold: Fold) -> EncodingTables:
        tables, rows = fold.tables(), fold.rows
        encoded = look_up(tables, trips.starts[rows], trips.ends[rows], trips.period[rows])
        for name, values in encoded.items():
            found[name][rows] = values
        return tables

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(_MAX_WORKERS) as pool:
        for fold in folds:
            running.append(pool.submit(encode_fold, fold))
            if len(running) > _MAX_WORKERS:
                running.popleft().result()
        for each in running:
            tables = each.result()
    return found, tables

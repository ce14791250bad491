"""Encodes training trips month by month, as `training_set` does for all at once.

Encoding tables come from sums, which the warehouse computes by month and which are added. Recent traffic needs the
trips of the last four weeks only.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from taxi_assets.features.encoding import encode, periods
from taxi_assets.features.out_of_fold import EncodedTrips, first_past_only_month, fold_blocks
from taxi_assets.features.recent_traffic import (
    FIXED_DURATION,
    RECENT_TRAFFIC_COLUMNS,
    RECENT_TRAFFIC_FEATURES,
    CompletedTrips,
    concat_trips,
    lookback_seconds,
)
from taxi_assets.features.target_encoding import (
    TARGET_ENCODING_FEATURES,
    EncodingTables,
    PairStatistics,
    PairSums,
    Smoothing,
    build_tables,
    look_up,
)
from taxi_assets.features.trip_features import TripColumns
from taxi_assets.features.zone_geometry import ZoneGeometry
from taxi_assets.tlc.local_time import utc_seconds
from taxi_assets.training.monthly_trips import MonthReader, MonthSums
from taxi_assets.training.training_set import (
    MASKED_SHARE,
    completed_trips,
    mask_features,
    model_columns,
    recent_traffic_columns,
    sample_weights,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EncodedMonth:
    """The training rows of one service and month, as those of a `TrainingSet`."""

    service: int
    month: int
    matrix: NDArray[np.float32]
    minutes: Floats
    weights: Floats
    pickup_seconds: Ints


@dataclass
class MonthlyEncoder:
    """Encodes the months of a reader in order.

    After `encode`: `tables` and `completed` by service id, as in `TrainingSet`, and `minutes_range`.

    Args:
        geometry: Geometry of the zones.
        smoothing: Strengths of the target encoding's smoothing.
        row_months: The training rows are trips of the last so many months.
        excluded: Names of `OPTIONAL_INPUTS` the trees must not use.
        seed: Seed of the choice of masked rows.
    """

    geometry: ZoneGeometry
    smoothing: Smoothing
    row_months: int
    excluded: Set[str]
    seed: int
    tables: dict[int, EncodingTables] = field(default_factory=dict)
    completed: dict[int, CompletedTrips] = field(default_factory=dict)
    minutes_range: tuple[float, float] = (np.inf, -np.inf)

    def encode(
        self,
        reader: MonthReader,
        services: tuple[int, ...],
        share: Set[tuple[int, int]] | None = None,
        *,
        rows_only: bool = False,
    ) -> Iterator[EncodedMonth]:
        """Encodes the trips of the services, a month at a time.

        Args:
            reader: Reads the months.
            services: The services by number.
            share: Pairs of service and month to return; None means all. Of others only what these need is read.
            rows_only: Leave out `tables`, `completed` and `minutes_range`, which need all months.
        """
        months = {service: list(counts) for service in services if (counts := reader.counts(service))}
        last = max(max(each) for each in months.values())
        first = last - self.row_months + 1
        row_months = len({month for each in months.values() for month in each if month >= first})
        for service, present in months.items():
            wanted = {month for month in present if month >= first and (share is None or (service, month) in share)}
            rows = partial(self._rows, row_months=row_months, as_of=last + 1)
            # No name keeps a month while the next one is read.
            if wanted or not rows_only:
                yield from map(rows, self._encode_service(reader, service, present, wanted, rows_only))

    def _encode_service(
        self, reader: MonthReader, service: int, months: list[int], wanted: Set[int], rows_only: bool
    ) -> Iterator["_Trips"]:
        ordered_from = first_past_only_month(np.array(months))
        early = _EarlyMonths.read(reader, service, [month for month in months if month < ordered_from])
        statistics, completed = PairStatistics(), list[CompletedTrips]()
        for month, following in pairwise([*months, months[-1] + 1]):
            if rows_only and month > max(wanted):
                return
            is_early = month < ordered_from
            # The month before gives the recent traffic of the first days, the last month that of later predictions.
            if month in wanted or month + 1 in wanted or month == months[-1]:
                trips = _Trips.read(reader, service, month)
                if is_early:
                    trips.encoded = early.encode(trips, self.geometry, self.smoothing)
                else:
                    trips.encoded = _look_up(_build_tables(statistics, self.geometry, self.smoothing), trips.columns)
                own = completed_trips(trips.columns, trips.minutes, trips.encoded["expected_minutes"])
                trips.completed = concat_trips([*completed, own])
                completed = [_recent(trips.completed, _start_of(month + 1))]
                if month == months[-1]:
                    self.completed[service] = _recent(trips.completed, int(trips.completed.ended_at.max()))
                if month in wanted:
                    trips.traffic = self._recent_traffic(trips, is_early)
                    yield trips
                del trips, own
            sums = early.sums[month] if is_early else reader.sums(service, month)
            self._extend_range(sums.minutes_range)
            age = following - month
            statistics = statistics.decayed(age, self.smoothing).add_sums(sums.pairs, float(age), self.smoothing)
        self.tables[service] = _build_tables(statistics, self.geometry, self.smoothing)

    def _recent_traffic(self, trips: "_Trips", is_early: bool) -> dict[str, NDArray[np.float32]]:
        if not set(RECENT_TRAFFIC_COLUMNS) - self.excluded:
            return {name: np.full(len(trips.minutes), np.nan, np.float32) for name in RECENT_TRAFFIC_COLUMNS}
        found = recent_traffic_columns(trips.columns, self.geometry, {trips.service: trips.completed})
        if is_early:
            # Out-of-fold expectations include later trips, so traffic ratios would leak; leave them NaN.
            for name in RECENT_TRAFFIC_FEATURES:
                found[name][:] = np.nan
        return found

    def _rows(self, trips: "_Trips", row_months: int, as_of: int) -> EncodedMonth:
        features = {**trips.encoded, **trips.traffic}
        kept = np.isnan(features[FIXED_DURATION])
        rows = {name: values[kept] for name, values in {**trips.columns, **features}.items()}
        matrix = encode(rows, self.geometry, {name: rows[name] for name in features})
        draw = np.random.default_rng([self.seed, trips.service, trips.month])
        mask_features(matrix, draw.random(len(kept))[kept] < MASKED_SHARE, row_months, self.excluded)
        weights = sample_weights(matrix, as_of - trips.month)
        seconds = utc_seconds(rows["pickup_at"])
        return EncodedMonth(trips.service, trips.month, matrix, trips.minutes[kept], weights, seconds)

    def _extend_range(self, minutes: tuple[float, float]) -> None:
        self.minutes_range = min(self.minutes_range[0], minutes[0]), max(self.minutes_range[1], minutes[1])


class _Trips:
    """The trips of a service and month with their features so far."""

    encoded: EncodedTrips
    traffic: Mapping[str, NDArray[np.float32]]
    completed: CompletedTrips

    def __init__(self, service: int, month: int, columns: TripColumns, minutes: Floats) -> None:
        self.service, self.month, self.columns, self.minutes = service, month, columns, minutes

    @classmethod
    def read(cls, reader: MonthReader, service: int, month: int) -> "_Trips":
        frame = reader.trips(service, month)
        return cls(service, month, model_columns(frame), frame["duration_minutes"].to_numpy(np.float64))


@dataclass(frozen=True)
class _EarlyMonths:
    """The months with too few before them: each block of weeks is encoded from the others."""

    sums: Mapping[int, MonthSums]
    weeks: Ints
    blocks: Ints

    @classmethod
    def read(cls, reader: MonthReader, service: int, months: list[int]) -> "_EarlyMonths":
        sums = {month: reader.sums(service, month, by_week=True) for month in months}
        weeks = np.unique(np.concatenate([each.pairs.week for each in sums.values()]))
        return cls(sums, weeks, fold_blocks(len(weeks)))

    def encode(self, trips: _Trips, geometry: ZoneGeometry, smoothing: Smoothing) -> EncodedTrips:
        block = self._block(trips.columns["pickup_at"].astype("datetime64[W]").astype(np.int64))
        found = {name: np.full(len(block), np.nan, np.float32) for name in TARGET_ENCODING_FEATURES}
        for each in np.unique(block).tolist():
            rows = block == each
            tables = self._tables_without(each, geometry, smoothing)
            own = {name: values[rows] for name, values in trips.columns.items()}
            for name, values in _look_up(tables, own).items():
                found[name][rows] = values
        return found

    def _tables_without(self, block: int, geometry: ZoneGeometry, smoothing: Smoothing) -> EncodingTables:
        is_own = {month: self._block(sums.pairs.week) == block for month, sums in self.sums.items()}
        trips = [self.sums[month].pairs.count[own].sum() for month, own in is_own.items()]
        as_of = _weighted_median(np.array(list(is_own)), np.array(trips))
        is_all = all(own.all() for own in is_own.values())
        statistics = PairStatistics()
        for month, own in is_own.items():
            pairs: PairSums = self.sums[month].pairs
            statistics.add_sums(pairs if is_all else pairs.subset(~own), abs(as_of - month), smoothing)
        return _build_tables(statistics, geometry, smoothing)

    def _block(self, week: Ints) -> Ints:
        return self.blocks[np.searchsorted(self.weeks, week)]


def _build_tables(statistics: PairStatistics, geometry: ZoneGeometry, smoothing: Smoothing) -> EncodingTables:
    with threadpool_limits(1, user_api="blas"):  # on a busy machine the threads wait for each other
        return build_tables(statistics, geometry, smoothing)


def _look_up(tables: EncodingTables, trips: TripColumns) -> EncodedTrips:
    starts, ends = trips["pickup_zone_id"].astype(np.int64), trips["dropoff_zone_id"].astype(np.int64)
    return look_up(tables, starts, ends, periods(trips))


def _recent(trips: CompletedTrips, until: int) -> CompletedTrips:
    """The trips in a window that ends then, or later."""
    return trips.subset(trips.ended_at > until - lookback_seconds())


def _start_of(month: int) -> int:
    return int(utc_seconds(np.array([month], "datetime64[M]").astype("datetime64[s]"))[0])


def _weighted_median(values: Ints, counts: Floats) -> float:
    """The median of values that occur so often."""
    upto = np.cumsum(counts)
    middle = np.array([(upto[-1] - 1) // 2, upto[-1] // 2])
    return float(values[np.searchsorted(upto, middle, "right")].mean())

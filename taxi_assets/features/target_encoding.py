"""Target encoding: smoothed minutes of past trips by pair of zones and time of day.

Each mean of few trips is drawn toward a mean of more: pair of zones in a period → pair → nearby pairs → zones →
distance. `fit_tables` builds the tables from past trips, `look_up` reads them for a trip.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.trip_features import ZONES
from taxi_assets.features.zone_geometry import DISTANCE_BINS, ZoneGeometry

PERIODS = 48  # the hours of a working day, then those of a day off

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
EncodingTables = dict[str, NDArray[np.float32]]

TARGET_ENCODING_FEATURES: Mapping[str, str] = {
    "zone_minutes": "mean of trips of this distance, times a factor of each of the two zones",
    "neighbour_minutes": "zone_minutes corrected by trips between nearby zones",
    "pair_minutes": "mean of the pair of zones",
    "pair_typical_minutes": "geometric mean of the pair, on which long delays weigh less",
    "pair_spread_minutes": "standard deviation of the pair",
    "pair_log_trips": "log of one plus the weight of the pair's trips",
    "pair_recent_ratio": "mean of the pair's last months over its long-term mean",
    "reverse_pair_minutes": "mean of the pair in the opposite direction",
    "pickup_period_ratio": "minutes in this period over the pairs' means, for trips from the zone",
    "dropoff_period_ratio": "minutes in this period over the pairs' means, for trips to the zone",
    "pair_period_minutes": "mean of the pair in this period",
    "pair_period_log_trips": "log of one plus the weight of the pair's trips in this period",
    "neighbour_period_ratio": "actual over expected minutes of nearby pairs in this period",
    "expected_minutes": "pair_period_minutes times neighbour_period_ratio",
}


@dataclass(frozen=True)
class Smoothing:
    """Prior weights of the coarser means, in trips, and bandwidths, in miles, hours and months."""

    zone_trips: float = 20
    neighbour_trips: float = 3
    pair_trips: float = 12
    pair_period_trips: float = 8
    zone_period_trips: float = 100
    recent_trips: float = 30
    wide_miles: float = 1.5
    narrow_miles: float = 0.6
    hours: float = 0.7
    months: float = 18
    recent_months: float = 4


@dataclass(frozen=True)
class PastTrips:
    """Trips of known duration, shape (n,) each. `month` counts months since 1970, for age and folds."""

    starts: Ints
    ends: Ints
    period: Ints
    month: Ints
    week: Ints
    minutes: Floats

    def subset(self, chosen: NDArray[np.bool_] | Ints) -> "PastTrips":
        return PastTrips(**{name: values[chosen] for name, values in vars(self).items()})


@dataclass(frozen=True)
class PairSums:
    """Sums over the trips of one month, shape (n,) each: a row for each week, pair of zones and period."""

    week: Ints
    starts: Ints
    ends: Ints
    period: Ints
    count: Floats
    total: Floats
    logs: Floats
    squares: Floats

    def subset(self, chosen: NDArray[np.bool_]) -> "PairSums":
        return PairSums(**{name: values[chosen] for name, values in vars(self).items()})


def _no_pairs() -> Floats:
    return np.zeros((ZONES, ZONES))


def _no_periods() -> NDArray[np.float32]:
    return np.zeros((PERIODS, ZONES, ZONES), np.float32)


@dataclass(frozen=True)
class PairStatistics:
    """Weights and weighted minutes of trips: by pair, by pair in the last months, and by period and pair."""

    count: Floats = field(default_factory=_no_pairs)
    total: Floats = field(default_factory=_no_pairs)
    logs: Floats = field(default_factory=_no_pairs)
    squares: Floats = field(default_factory=_no_pairs)
    recent_count: Floats = field(default_factory=_no_pairs)
    recent_total: Floats = field(default_factory=_no_pairs)
    period_count: NDArray[np.float32] = field(default_factory=_no_periods)
    period_total: NDArray[np.float32] = field(default_factory=_no_periods)

    def add(self, trips: PastTrips, age: Floats, smoothing: Smoothing) -> Self:
        """Adds trips in place; `age` is each trip's age in months, shape (n,)."""
        pair = trips.starts * ZONES + trips.ends
        period = trips.period * ZONES**2 + pair
        weights, recent = np.exp(-age / smoothing.months), np.exp(-age / smoothing.recent_months)
        timed = weights * trips.minutes
        for sums, index, values in (
            (self.count, pair, weights),
            (self.total, pair, timed),
            (self.logs, pair, weights * np.log(trips.minutes)),
            (self.squares, pair, timed * trips.minutes),
            (self.recent_count, pair, recent),
            (self.recent_total, pair, recent * trips.minutes),
            (self.period_count, period, weights),
            (self.period_total, period, timed),
        ):
            np.add.at(sums.reshape(-1), index, values.astype(sums.dtype))
        return self

    def add_sums(self, sums: PairSums, age: float, smoothing: Smoothing) -> Self:
        """Adds a month's sums in place; `age` is the age of its trips in months."""
        weight, recent = np.exp(-age / smoothing.months), np.exp(-age / smoothing.recent_months)
        pair = sums.starts * ZONES + sums.ends
        period = sums.period * ZONES**2 + pair
        for into, index, values in (
            (self.count, pair, weight * sums.count),
            (self.total, pair, weight * sums.total),
            (self.logs, pair, weight * sums.logs),
            (self.squares, pair, weight * sums.squares),
            (self.recent_count, pair, recent * sums.count),
            (self.recent_total, pair, recent * sums.total),
            (self.period_count, period, weight * sums.count),
            (self.period_total, period, weight * sums.total),
        ):
            np.add.at(into.reshape(-1), index, values.astype(into.dtype))
        return self

    def decayed(self, months: float, smoothing: Smoothing) -> "PairStatistics":
        """A copy of the sums so many months later, when each trip weighs less."""
        usual, recent = np.exp(-months / smoothing.months), np.exp(-months / smoothing.recent_months)
        faded = {name: recent if name.startswith("recent") else usual for name in vars(self)}
        return PairStatistics(**{name: values * values.dtype.type(faded[name]) for name, values in vars(self).items()})


def fit_tables(trips: PastTrips, geometry: ZoneGeometry, as_of_month: float, smoothing: Smoothing) -> EncodingTables:
    """Fits the encoding tables to past trips.

    Their shapes: pairs (266, 266), periods x zones (48, 266), periods x pairs (48, 266, 266).

    Args:
        trips: Past trips.
        geometry: Geometry of the zones.
        as_of_month: Trips weigh less the further their month is from this one.
        smoothing: Strengths of the smoothing.
    """
    return build_tables(PairStatistics().add(trips, np.abs(as_of_month - trips.month), smoothing), geometry, smoothing)


def build_tables(sums: PairStatistics, geometry: ZoneGeometry, smoothing: Smoothing) -> EncodingTables:
    """Builds the encoding tables from sums of trips."""
    overall = float(sums.total.sum() / sums.count.sum())
    zone = _zone_minutes(sums.count, sums.total, geometry, overall, smoothing)
    neighbour = _neighbour_minutes(zone, sums.count, sums.total, geometry, overall, smoothing)
    tables = {"zone_minutes": zone, "neighbour_minutes": neighbour}
    tables |= _pair_tables(sums, neighbour, smoothing)
    tables |= _period_tables(sums, tables["pair_minutes"], geometry, smoothing)
    return {name: np.ascontiguousarray(table, dtype=np.float32) for name, table in tables.items()}


def look_up(tables: EncodingTables, starts: Ints, ends: Ints, period: Ints) -> dict[str, NDArray[np.float32]]:
    """Reads each trip's encoding: shape (n,) by name of `TARGET_ENCODING_FEATURES`, in that order."""
    found = {name: table[_index(table, name, starts, ends, period)] for name, table in tables.items()}
    found["reverse_pair_minutes"] = tables["pair_minutes"][ends, starts]
    found["expected_minutes"] = found["pair_period_minutes"] * found["neighbour_period_ratio"]
    return {name: found[name] for name in TARGET_ENCODING_FEATURES}


def _index(table: NDArray[np.float32], name: str, starts: Ints, ends: Ints, period: Ints) -> tuple[Ints, ...]:
    if table.ndim == 3:
        return (period, starts, ends)
    if table.shape[0] == PERIODS:
        return (period, starts if name.startswith("pickup") else ends)
    return (starts, ends)


def _zone_minutes(count: Floats, total: Floats, geometry: ZoneGeometry, overall: float, smoothing: Smoothing) -> Floats:
    base = _distance_curve(count, total, geometry, overall)[geometry.distance_bin]
    prior_weight = smoothing.zone_trips * overall
    from_zone = (total.sum(1) + prior_weight) / ((count * base).sum(1) + prior_weight)
    base = base * from_zone[:, None]
    to_zone = (total.sum(0) + prior_weight) / ((count * base).sum(0) + prior_weight)
    return base * to_zone


def _distance_curve(count: Floats, total: Floats, geometry: ZoneGeometry, overall: float) -> Floats:
    """Mean minutes by half-mile of distance, drawn toward a smooth curve."""
    bins = geometry.distance_bin.ravel()
    trips = np.bincount(bins, count.ravel(), DISTANCE_BINS)
    minutes = np.bincount(bins, total.ravel(), DISTANCE_BINS)
    root_miles = np.sqrt(np.maximum(np.arange(DISTANCE_BINS) - 0.5, 0) / 2)
    has_trips = (trips > 30) & (np.arange(DISTANCE_BINS) > 0)
    smooth = np.full(DISTANCE_BINS, overall)
    if has_trips.sum() >= 3:
        curve = np.polyfit(root_miles[has_trips], minutes[has_trips] / trips[has_trips], 2, w=np.sqrt(trips[has_trips]))
        smooth[1:] = np.clip(np.polyval(curve, root_miles[1:]), 2, 120)
    return (minutes + 50 * smooth) / (trips + 50)


def _neighbour_minutes(
    prior: Floats, count: Floats, total: Floats, geometry: ZoneGeometry, overall: float, smoothing: Smoothing
) -> Floats:
    prior_weight = smoothing.neighbour_trips * overall
    for miles in (smoothing.wide_miles, smoothing.narrow_miles):
        near = geometry.proximity_weights(miles)
        prior = prior * (near @ total @ near.T + prior_weight) / (near @ (count * prior) @ near.T + prior_weight)
    return prior


def _pair_tables(sums: PairStatistics, neighbour: Floats, smoothing: Smoothing) -> dict[str, Floats]:
    count, total, prior_weight = sums.count, sums.total, smoothing.pair_trips
    mean = (total + prior_weight * neighbour) / (count + prior_weight)
    log_offset = sums.logs.sum() / count.sum() - np.log(total.sum() / count.sum())
    variance = (sums.squares - 2 * mean * total + count * mean**2 + 10 * (0.4 * mean) ** 2) / (count + 10)
    recent = sums.recent_total / mean + smoothing.recent_trips
    return {
        "pair_minutes": mean,
        "pair_typical_minutes": np.exp(
            (sums.logs + prior_weight * (np.log(neighbour) + log_offset)) / (count + prior_weight)
        ),
        "pair_spread_minutes": np.sqrt(np.maximum(variance, 0.1)),
        "pair_log_trips": np.log1p(count),
        "pair_recent_ratio": recent / (sums.recent_count + smoothing.recent_trips),
    }


def _period_tables(
    sums: PairStatistics, pair_minutes: Floats, geometry: ZoneGeometry, smoothing: Smoothing
) -> dict[str, Any]:
    hours = _nearby_hours(smoothing.hours)
    overall = float(sums.total.sum() / sums.count.sum())
    # Actual and expected minutes of trips from and to each zone, by period.
    taken = [sums.period_total.sum(axis, dtype=np.float64) for axis in (2, 1)]
    expected = [np.einsum(f"pse,se->p{zone}", sums.period_count, pair_minutes) for zone in "se"]

    def ratio(taken: Floats, expected: Floats, prior: Floats | float, trips: float) -> Floats:
        prior_weight = trips * overall
        return (hours @ taken + prior_weight * prior) / (hours @ expected + prior_weight)

    city = ratio(taken[0].sum(1), expected[0].sum(1), 1, 100)[:, None]
    from_zone, to_zone = (ratio(*both, city, smoothing.zone_period_trips) for both in zip(taken, expected, strict=True))
    tables: dict[str, Any] = {"pickup_period_ratio": from_zone, "dropoff_period_ratio": to_zone}
    return tables | _pair_period_tables(sums, pair_minutes, from_zone / city, to_zone, geometry, smoothing)


def _pair_period_tables(
    sums: PairStatistics,
    pair_minutes: Floats,
    from_zone: Floats,
    to_zone: Floats,
    geometry: ZoneGeometry,
    smoothing: Smoothing,
) -> EncodingTables:
    hours = _nearby_hours(smoothing.hours).astype(np.float32)
    near = geometry.proximity_weights(smoothing.wide_miles).astype(np.float32)
    prior_minutes = np.float32(50 * sums.total.sum() / sums.count.sum())
    prior_weight = np.float32(smoothing.pair_period_trips)
    both = (sums.period_count, sums.period_total)
    counts, totals = ((hours @ each.reshape(PERIODS, -1)).reshape(each.shape) for each in both)
    by_pair, starts, ends = (values.astype(np.float32) for values in (pair_minutes, from_zone, to_zone))
    found = {
        name: np.empty_like(counts)
        for name in ("pair_period_minutes", "pair_period_log_trips", "neighbour_period_ratio")
    }
    # Period by period: the arrays stay in the processor's cache.
    for period, (count, total) in enumerate(zip(counts, totals, strict=True)):
        prior = starts[period][:, None] * ends[period] * by_pair
        found["pair_period_minutes"][period] = (total + prior_weight * prior) / (count + prior_weight)
        found["pair_period_log_trips"][period] = np.log1p(count)
        has_trips = near @ total @ near.T + prior_minutes
        found["neighbour_period_ratio"][period] = has_trips / (near @ (count * prior) @ near.T + prior_minutes)
    return found


def _nearby_hours(reach: float) -> Floats:
    """Weights between periods: Gaussian in the hour, around the clock, within the same kind of day."""
    hour = np.arange(24)
    apart = np.abs(hour[:, None] - hour)
    weights = np.exp(-0.5 * (np.minimum(apart, 24 - apart) / reach) ** 2)
    weights[weights < 1e-3] = 0
    return np.kron(np.eye(2), weights)

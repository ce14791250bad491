"""What past rides say of a ride: smoothed minutes of its zones, by time of day, backed off to their neighbours.

Every table is a mean of few rides drawn toward one of more: pair of zones in a period → pair → nearby pairs → zones →
distance. `fit_tables` makes them of some months, `look_up` reads them for a ride. No training row may see its own
duration: `out_of_fold` gives each block of time the tables of the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_assets.rides.features import ZONES
from taxi_assets.rides.places import DISTANCE_BINS, Places

__all__ = [
    "HISTORY_FEATURES",
    "PERIODS",
    "PastRides",
    "Smoothing",
    "Tables",
    "fit_tables",
    "look_up",
    "out_of_fold",
]

PERIODS = 48  # the hours of a working day, then those of a day off
_LEAST_FOLDS = 6  # with fewer months than this, weeks are the blocks of time

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Tables = dict[str, NDArray[np.float32]]

HISTORY_FEATURES: Mapping[str, str] = {
    "zone_minutes": "of the distance, times how much slower rides of these two zones are",
    "neighbour_minutes": "the same, corrected by rides between nearby zones",
    "pair_minutes": "mean of the pair",
    "pair_typical_minutes": "geometric mean of the pair, which a long delay moves less",
    "pair_spread_minutes": "standard deviation of the pair",
    "pair_log_rides": "log of one plus the weight of the pair's rides",
    "pair_recent_ratio": "the last months against the pair's mean",
    "reverse_pair_minutes": "mean of the way back",
    "pickup_period_ratio": "this period against the day, for rides from the zone",
    "dropoff_period_ratio": "this period against the day, for rides to the zone",
    "pair_period_minutes": "mean of the pair in this period",
    "pair_period_log_rides": "log of one plus the weight of the pair's rides in this period",
    "neighbour_period_ratio": "nearby pairs in this period against what was expected of them",
    "expected_minutes": "pair_period_minutes times neighbour_period_ratio",
}


@dataclass(frozen=True)
class Smoothing:
    """Strengths of the pulls toward the coarser mean, in rides, and reaches, in miles, hours and months."""

    zone_rides: float = 20
    neighbour_rides: float = 3
    pair_rides: float = 12
    pair_period_rides: float = 8
    zone_period_rides: float = 100
    recent_rides: float = 30
    wide_miles: float = 1.5
    narrow_miles: float = 0.6
    hours: float = 0.7
    months: float = 18
    recent_months: float = 4


@dataclass(frozen=True)
class PastRides:
    """Rides whose duration is known; shape (n,) each. `month` counts months since 1970, for age and folds."""

    starts: Ints
    ends: Ints
    period: Ints
    month: Ints
    week: Ints
    minutes: Floats

    def where(self, chosen: NDArray[np.bool_]) -> "PastRides":
        return PastRides(**{name: values[chosen] for name, values in vars(self).items()})


def fit_tables(rides: PastRides, places: Places, as_of_month: float, smoothing: Smoothing) -> Tables:
    """Tables over pairs (266, 266), zones x periods (48, 266) and pairs x periods (48, 266, 266).

    Args:
        rides: The past.
        places: Geometry of the zones.
        as_of_month: Rides count less the further their month is from this one.
        smoothing: How strongly small samples are drawn to larger ones.
    """
    age = np.abs(as_of_month - rides.month)
    weights = np.exp(-age / smoothing.months)
    overall = float(np.average(rides.minutes, weights=weights))
    pair = rides.starts * ZONES + rides.ends
    count, total = _by_pair(pair, weights), _by_pair(pair, weights * rides.minutes)
    zone = _zone_minutes(count, total, places, overall, smoothing)
    neighbour = _neighbour_minutes(zone, count, total, places, overall, smoothing)
    tables = {"zone_minutes": zone, "neighbour_minutes": neighbour}
    tables |= _pair_tables(rides, pair, weights, np.exp(-age / smoothing.recent_months), neighbour, smoothing)
    tables |= _period_tables(rides, pair, weights, tables["pair_minutes"], places, smoothing)
    return {name: np.ascontiguousarray(table, dtype=np.float32) for name, table in tables.items()}


def look_up(tables: Tables, starts: Ints, ends: Ints, period: Ints) -> dict[str, NDArray[np.float32]]:
    """The history of each ride: one array of shape (n,) for each name of `HISTORY_FEATURES`, in that order."""
    found = {name: table[_index(table, name, starts, ends, period)] for name, table in tables.items()}
    found["reverse_pair_minutes"] = tables["pair_minutes"][ends, starts]
    found["expected_minutes"] = found["pair_period_minutes"] * found["neighbour_period_ratio"]
    return {name: found[name] for name in HISTORY_FEATURES}


def out_of_fold(rides: PastRides, places: Places, smoothing: Smoothing) -> dict[str, NDArray[np.float32]]:
    """The history of each training ride, told by the rides of other months, or weeks where there are few months."""
    blocks = rides.month if len(np.unique(rides.month)) >= _LEAST_FOLDS else rides.week
    result = {name: np.empty(len(rides.minutes), np.float32) for name in HISTORY_FEATURES}
    for block in np.unique(blocks):
        own = blocks == block
        others = rides if own.all() else rides.where(~own)
        tables = fit_tables(others, places, float(np.median(rides.month[own])), smoothing)
        for name, values in look_up(tables, rides.starts[own], rides.ends[own], rides.period[own]).items():
            result[name][own] = values
    return result


def _index(table: NDArray[np.float32], name: str, starts: Ints, ends: Ints, period: Ints) -> tuple[Ints, ...]:
    if table.ndim == 3:
        return (period, starts, ends)
    if table.shape[0] == PERIODS:
        return (period, starts if name.startswith("pickup") else ends)
    return (starts, ends)


def _by_pair(pair: Ints, values: Floats) -> Floats:
    return np.bincount(pair, values, ZONES * ZONES).reshape(ZONES, ZONES).astype(np.float64)


def _zone_minutes(count: Floats, total: Floats, places: Places, overall: float, smoothing: Smoothing) -> Floats:
    base = _distance_curve(count, total, places, overall)[places.distance_bin]
    pull = smoothing.zone_rides * overall
    from_zone = (total.sum(1) + pull) / ((count * base).sum(1) + pull)
    base = base * from_zone[:, None]
    to_zone = (total.sum(0) + pull) / ((count * base).sum(0) + pull)
    return base * to_zone


def _distance_curve(count: Floats, total: Floats, places: Places, overall: float) -> Floats:
    """Mean minutes by half-mile of distance, drawn toward a smooth curve through all of them."""
    bins = places.distance_bin.ravel()
    rides = np.bincount(bins, count.ravel(), DISTANCE_BINS)
    minutes = np.bincount(bins, total.ravel(), DISTANCE_BINS)
    root_miles = np.sqrt(np.maximum(np.arange(DISTANCE_BINS) - 0.5, 0) / 2)
    told = (rides > 30) & (np.arange(DISTANCE_BINS) > 0)
    smooth = np.full(DISTANCE_BINS, overall)
    if told.sum() >= 3:
        curve = np.polyfit(root_miles[told], minutes[told] / rides[told], 2, w=np.sqrt(rides[told]))
        smooth[1:] = np.clip(np.polyval(curve, root_miles[1:]), 2, 120)
    return (minutes + 50 * smooth) / (rides + 50)


def _neighbour_minutes(
    prior: Floats, count: Floats, total: Floats, places: Places, overall: float, smoothing: Smoothing
) -> Floats:
    pull = smoothing.neighbour_rides * overall
    for miles in (smoothing.wide_miles, smoothing.narrow_miles):
        near = places.nearness(miles)
        prior = prior * (near @ total @ near.T + pull) / (near @ (count * prior) @ near.T + pull)
    return prior


def _pair_tables(
    rides: PastRides, pair: Ints, weights: Floats, recent: Floats, neighbour: Floats, smoothing: Smoothing
) -> dict[str, Floats]:
    count, total = _by_pair(pair, weights), _by_pair(pair, weights * rides.minutes)
    logs, squares = (
        _by_pair(pair, weights * np.log(rides.minutes)),
        _by_pair(pair, weights * rides.minutes**2),
    )
    pull = smoothing.pair_rides
    mean = (total + pull * neighbour) / (count + pull)
    log_offset = logs.sum() / count.sum() - np.log(total.sum() / count.sum())
    variance = (squares - 2 * mean * total + count * mean**2 + 10 * (0.4 * mean) ** 2) / (count + 10)
    lately, lately_total = _by_pair(pair, recent), _by_pair(pair, recent * rides.minutes)
    return {
        "pair_minutes": mean,
        "pair_typical_minutes": np.exp((logs + pull * (np.log(neighbour) + log_offset)) / (count + pull)),
        "pair_spread_minutes": np.sqrt(np.maximum(variance, 0.1)),
        "pair_log_rides": np.log1p(count),
        "pair_recent_ratio": (lately_total / mean + smoothing.recent_rides) / (lately + smoothing.recent_rides),
    }


def _period_tables(
    rides: PastRides, pair: Ints, weights: Floats, pair_minutes: Floats, places: Places, smoothing: Smoothing
) -> dict[str, Floats]:
    hours = _nearby_hours(smoothing.hours)
    actual, expected = weights * rides.minutes, weights * pair_minutes.ravel()[pair]
    overall = float(rides.minutes.mean())

    def ratio(zone: Ints, prior: Floats, pull: float) -> Floats:
        key, size = rides.period * ZONES + zone, PERIODS * ZONES
        found = hours @ np.bincount(key, actual, size).reshape(PERIODS, ZONES)
        due = hours @ np.bincount(key, expected, size).reshape(PERIODS, ZONES)
        return (found + pull * prior) / (due + pull)

    city = hours @ np.bincount(rides.period, actual, PERIODS) + 100 * overall
    city = (city / (hours @ np.bincount(rides.period, expected, PERIODS) + 100 * overall))[:, None]
    from_zone = ratio(rides.starts, city, smoothing.zone_period_rides * overall)
    to_zone = ratio(rides.ends, city, smoothing.zone_period_rides * overall)
    prior = (pair_minutes * from_zone[:, :, None] * to_zone[:, None, :] / city[:, :, None]).astype(np.float32)
    tables: dict[str, Any] = {"pickup_period_ratio": from_zone, "dropoff_period_ratio": to_zone}
    return tables | _pair_period_tables(rides, pair, weights, prior, places, smoothing)


def _pair_period_tables(
    rides: PastRides,
    pair: Ints,
    weights: Floats,
    prior: NDArray[np.float32],
    places: Places,
    smoothing: Smoothing,
) -> Tables:
    hours = _nearby_hours(smoothing.hours).astype(np.float32)
    overall = np.float32(rides.minutes.mean())

    def spread(values: Floats) -> NDArray[np.float32]:
        by_period = np.bincount(rides.period * ZONES**2 + pair, values, PERIODS * ZONES**2).astype(np.float32)
        return (hours @ by_period.reshape(PERIODS, -1)).reshape(PERIODS, ZONES, ZONES)

    count, total = spread(weights), spread(weights * rides.minutes)
    near = places.nearness(smoothing.wide_miles).astype(np.float32)
    return {
        "pair_period_minutes": (total + smoothing.pair_period_rides * prior) / (count + smoothing.pair_period_rides),
        "pair_period_log_rides": np.log1p(count),
        "neighbour_period_ratio": (_by_neighbours(near, total) + 50 * overall)
        / (_by_neighbours(near, count * prior) + 50 * overall),
    }


def _by_neighbours(near: NDArray[np.float32], tables: NDArray[np.float32]) -> NDArray[np.float32]:
    """`near @ table @ near.T` of each table, shape (periods, zones, zones).

    As two large products: as many small ones, the threads of the linear algebra would mostly wait for each other.
    """
    by_end = (tables.reshape(-1, ZONES) @ near.T).reshape(tables.shape)
    by_start = np.ascontiguousarray(by_end.transpose(0, 2, 1)).reshape(-1, ZONES) @ near.T
    return by_start.reshape(tables.shape).transpose(0, 2, 1)


def _nearby_hours(reach: float) -> Floats:
    """Weights between periods: Gaussian in the hour, around the clock, within the same kind of day."""
    hour = np.arange(24)
    apart = np.abs(hour[:, None] - hour)
    weights = np.exp(-0.5 * (np.minimum(apart, 24 - apart) / reach) ** 2)
    weights[weights < 1e-3] = 0
    return np.kron(np.eye(2), weights)

"""The law of the synthetic city: how long a trip takes, how far chance spreads it, the best possible error.

A trip takes

    minutes = expected * exp(spread * z - spread**2 / 2)

where `expected` follows from what is known at pickup (the service, both zones, the hour of the week) and z is
standard normal, so the duration is log-normal around its mean `expected`. z adds up three chances: the way
taken, which the metered distance betrays afterwards; the pace; and the day's weather, one draw for all trips
of a day. None is known at pickup, so to a model of the trip all three are noise. The best errors below are
those of this distribution; as each month has its share of good and bad weather, they hold for one month, too.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from taxi_assets.errors import TaxiError
from taxi_assets.synthetic.city import ZONES, Floats, build_city
from taxi_assets.synthetic.demand import profile_of

__all__ = [
    "DRIVER_SPREAD",
    "ROUTE_SPREAD",
    "SPREAD",
    "STREET_FACTOR",
    "WEATHER_SPREAD",
    "best_mae",
    "best_rmse",
    "conditional_mean",
    "conditional_median",
    "expected_minutes",
    "hour_of_week",
]

# Standard deviations of the duration's logarithm: together 0.266, about that of real trips of one route.
ROUTE_SPREAD, DRIVER_SPREAD, WEATHER_SPREAD = 0.15, 0.21, 0.065
SPREAD = float(np.sqrt(ROUTE_SPREAD**2 + DRIVER_SPREAD**2 + WEATHER_SPREAD**2))
STREET_FACTOR = 1.3  # streets against the straight line

# How much longer a mile takes in Manhattan, by the hour of the day.
_WEEKDAY = np.ravel(
    [
        [0.72, 0.68, 0.65, 0.63, 0.62, 0.66, 0.80, 1.00, 1.15, 1.18, 1.16, 1.17],
        [1.18, 1.19, 1.23, 1.27, 1.28, 1.30, 1.22, 1.08, 0.97, 0.92, 0.87, 0.80],
    ]
)
_WEEKEND = np.ravel(
    [
        [0.84, 0.82, 0.80, 0.77, 0.70, 0.63, 0.62, 0.64, 0.70, 0.79, 0.89, 0.96],
        [1.02, 1.05, 1.07, 1.07, 1.06, 1.06, 1.05, 1.01, 0.96, 0.94, 0.92, 0.88],
    ]
)
_ELSEWHERE = 0.6  # outside Manhattan rush hours slow the streets less: the factor is raised to this power
_MIDDLE_MPH, _MPH_PER_MILE, _MOST_MPH = 8.5, 1.5, 24.0

Between = tuple[float, float] | None
Ids = NDArray[np.integer[Any]]


def expected_minutes(seed: int, pickup_zone: Ids, dropoff_zone: Ids, pickup_at: NDArray[Any], service: str) -> Floats:
    """The mean duration the law gives each trip.

    Args:
        seed: The city's seed.
        pickup_zone: Zone ids 1 to 265, shape (n,).
        dropoff_zone: Likewise.
        pickup_at: datetime64, New York local time, shape (n,).
        service: yellow, green, fhvhv or fhv.

    Returns:
        Minutes, shape (n,); NaN for the zones 264 and 265, which lie nowhere.

    Raises:
        TaxiError: an id is not one of 1 to 265, or the service is unknown.
    """
    starts, ends = _checked(pickup_zone), _checked(dropoff_zone)
    free, elsewhere = _pairs(seed)
    slowdown = _slowdown()[elsewhere[starts, ends], hour_of_week(pickup_at)]
    return np.asarray(profile_of(service).base_minutes + free[starts, ends] * slowdown)


def hour_of_week(pickup_at: NDArray[Any]) -> NDArray[np.int64]:
    """Hours since Monday midnight, 0 to 167, of datetime64 values."""
    hours = np.asarray(pickup_at).astype("datetime64[h]").astype(np.int64)
    return np.asarray((hours + 3 * 24) % 168)  # 1970-01-01 was a Thursday


def conditional_mean(expected: Floats, between: Between = None) -> Floats:
    """The best prediction for the squared error: the mean of durations within `between`, minutes."""
    low, high = _standardised(expected, between)
    mass, first, _ = _integrals(expected, low, high)
    return np.asarray(first / mass)


def conditional_median(expected: Floats, between: Between = None) -> Floats:
    """The best prediction for the absolute error: the median of durations within `between`, minutes."""
    low, high = _standardised(expected, between)
    middle = ndtri((ndtr(low) + ndtr(high)) / 2)
    return np.asarray(expected * np.exp(SPREAD * middle - SPREAD**2 / 2))


def best_rmse(expected: Floats, between: Between = (1.0, 60.0)) -> float:
    """The least root mean squared error, minutes, that a predictor of such trips can expect to have.

    Args:
        expected: `expected_minutes` of the trips scored, shape (n,), times the factor where `slower_city` is
            planted. NaN (no zone) is left out: leave those trips out of the model's score, too.
        between: The trips scored are those whose duration lies within, minutes; None for all.
    """
    known = expected[~np.isnan(expected)]
    mass, first, second = _integrals(known, *_standardised(known, between))
    return float(np.sqrt(np.mean(second / mass - (first / mass) ** 2)))


def best_mae(expected: Floats, between: Between = (1.0, 60.0)) -> float:
    """The least mean absolute error, minutes, that a predictor can expect to have; see `best_rmse`."""
    known = expected[~np.isnan(expected)]
    low, high = _standardised(known, between)
    middle = ndtri((ndtr(low) + ndtr(high)) / 2)
    mass, below, _ = _integrals(known, low, middle)
    _, above, _ = _integrals(known, middle, high)
    return float(np.mean((above - below) / (2 * mass)))  # the median has as much mass below as above


def _checked(zones: Ids) -> NDArray[np.int64]:
    """Ids as indices of `_pairs`, where one row stands for both zones that lie nowhere."""
    ids = np.asarray(zones, dtype=np.int64)
    if ids.size and not 1 <= ids.min() <= ids.max() <= ZONES + 2:
        raise TaxiError(f"zone ids run from 1 to {ZONES + 2}: {ids.min()} to {ids.max()} were given")
    return np.minimum(ids, ZONES + 1)


@lru_cache(maxsize=4)
def _pairs(seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Of each pair of zones, shape (265, 265): minutes on free streets, and 0 within Manhattan or else 1."""
    city = build_city(seed)
    mph = np.minimum(_MIDDLE_MPH + _MPH_PER_MILE * city.distance_from_centre_miles(), _MOST_MPH)
    distance = city.distance_miles()
    highway = 1 + 0.04 * np.minimum(distance, 10)  # longer trips find faster roads
    free = np.full((ZONES + 2, ZONES + 2), np.nan)
    free[:-1, :-1] = 60 * STREET_FACTOR * distance / (highway * (mph[:, None] + mph) / 2)
    is_within = np.append(city.borough == "Manhattan", False)
    return free, 1 - np.outer(is_within, is_within).astype(np.int64)


@lru_cache(maxsize=1)
def _slowdown() -> Floats:
    """Factor on the free minutes, shape (2, 168): row 0 within Manhattan, row 1 elsewhere."""
    week = np.concatenate([np.tile(_WEEKDAY, 5), np.tile(_WEEKEND, 2)])
    return np.stack([week, week**_ELSEWHERE])


def _standardised(expected: Floats, between: Between) -> tuple[Floats, Floats]:
    """The bounds as values of each trip's z."""
    low, high = between or (0.0, np.inf)
    with np.errstate(divide="ignore"):  # the logarithm of 0 is minus infinity, as meant
        logarithms = np.log(low / expected), np.log(high / expected)
    return logarithms[0] / SPREAD + SPREAD / 2, logarithms[1] / SPREAD + SPREAD / 2


def _integrals(expected: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats, Floats]:
    """Of the probability density, of y times it and of y squared times it, for z from `low` to `high`."""
    mass = ndtr(high) - ndtr(low)
    first = expected * (ndtr(high - SPREAD) - ndtr(low - SPREAD))
    second = expected**2 * np.exp(SPREAD**2) * (ndtr(high - 2 * SPREAD) - ndtr(low - 2 * SPREAD))
    return mass, first, second

"""The duration distribution of the synthetic city.

A trip takes

    minutes = expected * exp(spread * z - spread**2 / 2)

`expected` follows from the features known at pickup: the service, both zones and the hour of the week. z is standard
normal, so the duration is log-normal with mean `expected`. z is the sum of three random effects: the route, which the
metered distance shows after the trip; the driver's pace; and the weather, one draw for all trips of a day. All three
are unknown at pickup, so they are noise to a model. Each month has the same distribution of weather.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError
from taxi_assets.synthetic.city import ZONES, Floats, build_city
from taxi_assets.synthetic.demand import profile_of

# Standard deviations of the log-duration: 0.266 combined, about that of real trips on one route.
ROUTE_SPREAD, DRIVER_SPREAD, WEATHER_SPREAD = 0.15, 0.21, 0.065
SPREAD = float(np.sqrt(ROUTE_SPREAD**2 + DRIVER_SPREAD**2 + WEATHER_SPREAD**2))
STREET_FACTOR = 1.3  # street distance divided by straight line

# Factor on the driving time in Manhattan, by hour of the day.
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
_ELSEWHERE = 0.6  # outside Manhattan rush hours matter less: the factor is raised to this power
_MIDDLE_MPH, _MPH_PER_MILE, _MOST_MPH = 8.5, 1.5, 24.0

Ids = NDArray[np.integer[Any]]


def expected_minutes(seed: int, pickup_zone: Ids, dropoff_zone: Ids, pickup_at: NDArray[Any], service: str) -> Floats:
    """The mean duration of each trip, given the features known at pickup.

    Args:
        seed: The city's seed.
        pickup_zone: Zone ids 1 to 265, shape (n,).
        dropoff_zone: Likewise.
        pickup_at: datetime64, New York local time, shape (n,).
        service: yellow, green, fhvhv or fhv.

    Returns:
        Minutes, shape (n,); NaN for the zones 264 and 265, which have no location.

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


def _checked(zones: Ids) -> NDArray[np.int64]:
    """Ids as indices of `_pairs`, where one row represents both zones without a location."""
    ids = np.asarray(zones, dtype=np.int64)
    if ids.size and not 1 <= ids.min() <= ids.max() <= ZONES + 2:
        raise TaxiError(f"zone ids run from 1 to {ZONES + 2}: {ids.min()} to {ids.max()} were given")
    return np.minimum(ids, ZONES + 1)


@lru_cache(maxsize=4)
def _pairs(seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Minutes on free streets, and 0 within Manhattan or else 1; shape (265, 265) by zone pair."""
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

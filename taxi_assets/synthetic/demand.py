"""Demand in the synthetic city: routes and pickup hours of each service."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError
from taxi_assets.synthetic.city import AIRPORTS, City, Floats, build_city


@dataclass(frozen=True)
class Profile:
    """Parameters of a service's demand.

    Attributes:
        borough_share: Pickups in each borough, in any unit.
        airport_share: Pickups at the two airports, in the same unit.
        unevenness: Standard deviation of the logarithm of a zone's popularity within its borough.
        reach_miles: Distance within which the chance of a destination falls by a factor of e.
        base_minutes: Minutes not spent driving: getting in, paying, getting out.
        night: Factor on the night's demand.
    """

    borough_share: Mapping[str, float]
    airport_share: float
    unevenness: float
    reach_miles: float
    base_minutes: float
    night: float = 1.0


PROFILES: dict[str, Profile] = {
    "yellow": Profile(
        {"Manhattan": 89, "Queens": 1.5, "Brooklyn": 1.3, "Bronx": 0.2},
        airport_share=8,
        unevenness=0.9,
        reach_miles=1.15,
        base_minutes=2.0,
    ),
    "green": Profile(
        {"Manhattan": 36, "Queens": 33, "Brooklyn": 21, "Bronx": 9},
        airport_share=1,
        unevenness=1.9,
        reach_miles=1.5,
        base_minutes=2.3,
        night=0.8,
    ),
    "fhvhv": Profile(
        {"Manhattan": 37, "Queens": 18, "Brooklyn": 26, "Bronx": 12, "Staten Island": 2},
        airport_share=5,
        unevenness=0.7,
        reach_miles=2.0,
        base_minutes=2.8,
        night=1.3,
    ),
    "fhv": Profile(
        {"Manhattan": 25, "Queens": 22, "Brooklyn": 24, "Bronx": 20, "Staten Island": 7},
        airport_share=2,
        unevenness=0.8,
        reach_miles=2.0,
        base_minutes=3.0,
        night=0.9,
    ),
}
# Pickups by the hour of the day, from midnight, in any unit.
_WEEKDAY = np.ravel(
    [
        [1.6, 0.9, 0.6, 0.4, 0.5, 0.9, 2.0, 3.8, 4.9, 4.7, 4.6, 4.8],
        [5.1, 5.2, 5.5, 5.7, 5.7, 6.4, 6.7, 6.0, 5.5, 5.2, 4.4, 3.0],
    ]
)
_WEEKEND = np.ravel(
    [
        [4.4, 3.8, 3.0, 2.0, 1.2, 0.7, 0.9, 1.3, 2.2, 3.3, 4.3, 5.0],
        [5.4, 5.4, 5.4, 5.4, 5.3, 5.5, 5.6, 5.3, 4.9, 4.8, 4.9, 4.6],
    ]
)
_NIGHT_HOURS = (22, 23, 0, 1, 2, 3, 4, 5)


def profile_of(service: str) -> Profile:
    """The profile of a service.

    Raises:
        TaxiError: there is no such service.
    """
    if service not in PROFILES:
        raise TaxiError(f"there is no service '{service}': choose one of {', '.join(PROFILES)}")
    return PROFILES[service]


@lru_cache(maxsize=8)
def route_table(seed: int, service: str, mixed: bool = False) -> Floats:
    """Cumulative probability of each route, index start * 264 + end, shape (69696,); the last is 1.

    `mixed` gives the table of the shift `zone_mix`: boroughs keep their shares, but other zones are popular.
    """
    city, profile = build_city(seed), profile_of(service)
    rng = np.random.default_rng([seed, 2, list(PROFILES).index(service), int(mixed)])
    popularity = _popularity(city, profile, rng)
    attraction = (popularity + 0.02 * popularity.mean()) ** 0.7  # drop-offs are spread more evenly than pickups
    attraction[0] = 0.0
    pull = attraction * np.exp(-np.nan_to_num(city.distance_miles()) / profile.reach_miles)
    airports = list(AIRPORTS)  # airports attract trips from all zones, not only from nearby
    pull[:, airports] = attraction[airports] * pull[:, 1:].mean() / attraction[1:].mean()
    np.fill_diagonal(pull, 0.4 * pull.diagonal())  # within a zone, many walk
    routes = popularity[:, None] * pull / pull.sum(axis=1, keepdims=True)
    cumulated = np.cumsum(routes.ravel())
    return np.asarray(cumulated / cumulated[-1])


def hourly_rows(service: str, hours: NDArray[np.int64], rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Random number of pickups in each hour, `rows` in total; `hours` are hours of the week, 0 to 167."""
    at_night = np.isin(np.arange(24), _NIGHT_HOURS)
    factor = np.where(at_night, profile_of(service).night, 1.0)
    week = np.concatenate([np.tile(_WEEKDAY * factor, 5), np.tile(_WEEKEND * factor, 2)])
    return rng.multinomial(rows, week[hours] / week[hours].sum())


def _popularity(city: City, profile: Profile, rng: np.random.Generator) -> Floats:
    """Pickups in each zone, shape (264,), in the unit of the profile's shares."""
    weight = np.exp(profile.unevenness * rng.standard_normal(len(city.borough)))
    weight[list(AIRPORTS)] = 0.0
    popularity = np.zeros(len(city.borough))
    for borough, share in profile.borough_share.items():
        within = city.borough == borough
        popularity[within] = share * weight[within] / weight[within].sum()
    popularity[list(AIRPORTS)] = profile.airport_share / len(AIRPORTS)
    return popularity

"""The synthetic city: 263 zones on a plane, each a quadrilateral with a borough and one of TLC's ids.

All months, services and files of one seed are in one city. It shares with New York only the zone ids, the number of
zones in each borough and the approximate size.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError
from taxi_assets.tlc import projection

Floats = NDArray[np.floating[Any]]

ZONES = 263
# Number of zones in each borough, as TLC's; the boroughs around Manhattan in clockwise order.
BOROUGHS = {"Manhattan": 69, "Bronx": 43, "Queens": 69, "Brooklyn": 61, "Staten Island": 20, "EWR": 1}
AIRPORTS = (132, 138)  # TLC's ids of JFK and LaGuardia
# Ids with TLC's borough: the airports, and zones with another zone's id (see zone_files.py).
_FIXED_ZONE_IDS = {"Queens": (*AIRPORTS, 56, 57), "Manhattan": (103, 104, 105), "EWR": (1,)}
_COLUMNS, _ROWS = 17, 16
_HALF_SPAN_MILES = 11.0
_CROWDING = 1.4  # above 1: zones get smaller towards the centre, as in a real city
_CENTRE_FEET = (998_091, 212_520)  # the centre in EPSG:2263: 73.95 W, 40.75 N


@dataclass(frozen=True, eq=False)
class City:
    """The zones' geometry. Arrays are indexed by zone id; index 0 is unused, its values are NaN.

    Attributes:
        seed: The seed of the city.
        corners: Outline of each zone, miles from the centre, counter-clockwise, shape (264, 4, 2).
        x_miles: Centroid, miles east of the centre, shape (264,).
        y_miles: Centroid, miles north of the centre, shape (264,).
        borough: Borough of each zone, shape (264,); empty at index 0.
    """

    seed: int
    corners: Floats
    x_miles: Floats
    y_miles: Floats
    borough: NDArray[np.str_]

    def distance_miles(self) -> Floats:
        """Straight line between centroids, shape (264, 264); half a zone's width within the zone."""
        distance = np.hypot(self.x_miles[:, None] - self.x_miles, self.y_miles[:, None] - self.y_miles)
        np.fill_diagonal(distance, 0.5 * np.sqrt(area(self.corners)))
        return distance

    def distance_from_centre_miles(self) -> Floats:
        """Distance of each zone's centroid from the centre, shape (264,)."""
        return np.hypot(self.x_miles, self.y_miles)


@lru_cache(maxsize=4)
def build_city(seed: int) -> City:
    """Builds the city of a seed.

    Raises:
        TaxiError: the seed is negative.
    """
    if seed < 0:
        raise TaxiError(f"the seed {seed} is negative: give 0 or more")
    rng = np.random.default_rng([seed, 1])
    cells = _lay_out(rng)
    ids = _draw_ids(rng)
    corners, borough = np.full((ZONES + 1, 4, 2), np.nan), np.full(ZONES + 1, "", dtype="<U13")
    for name, indices in _divide(*_centroid(cells).T).items():
        corners[ids[name]], borough[ids[name]] = cells[indices], name
    x, y = _centroid(corners).T
    return City(seed, corners, x, y, borough)


def area(corners: Floats) -> Floats:
    """Area of polygons with corners of shape (..., n, 2), in their unit squared."""
    following = np.roll(corners, -1, axis=-2)
    cross = corners[..., 0] * following[..., 1] - following[..., 0] * corners[..., 1]
    return np.asarray(np.abs(cross.sum(axis=-1)) / 2)


def to_degrees(miles: Floats) -> Floats:
    """Longitude and latitude of points in miles, shape (..., 2)."""
    return np.stack(projection.to_degrees(*np.moveaxis(to_feet(miles), -1, 0)), axis=-1)


def to_feet(miles: Floats) -> Floats:
    """Points in miles, shape (..., 2), as EPSG:2263 feet."""
    return np.asarray(miles * 5280.0 + _CENTRE_FEET)


def _lay_out(rng: np.random.Generator) -> Floats:
    """Quadrilaterals with shared corners, so without gaps, shape (263, 4, 2)."""
    lines = np.linspace(-1, 1, _COLUMNS + 1), np.linspace(-1, 1, _ROWS + 1)
    grid = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)
    grid += rng.uniform(-0.022, 0.022, grid.shape)
    grid = np.sign(grid) * np.abs(grid) ** _CROWDING * _HALF_SPAN_MILES
    cells = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2).reshape(-1, 4, 2)
    by_distance = np.argsort(np.hypot(*_centroid(cells).T))
    return cells[np.sort(by_distance[:ZONES])]  # drops the grid's corners


def _divide(x: Floats, y: Floats) -> dict[str, NDArray[np.intp]]:
    """Indices of each borough's cells: Manhattan in the middle, the others wedges around it."""
    rank = np.argsort((x / 0.7) ** 2 + y**2)  # Manhattan is longer than wide
    middle, around = np.split(rank, [BOROUGHS["Manhattan"]])
    clockwise = (np.degrees(np.arctan2(x[around], y[around])) + 50) % 360  # the Bronx begins north-west
    names = list(BOROUGHS)[1:]
    ends = np.cumsum([BOROUGHS[name] for name in names])
    wedges = np.split(around[np.argsort(clockwise)], ends[:-1])
    return {"Manhattan": middle} | dict(zip(names, wedges, strict=True))


def _draw_ids(rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    """The zone ids of each borough, in the order of its cells."""
    fixed = {zone for zones in _FIXED_ZONE_IDS.values() for zone in zones}
    free = iter(rng.permutation([zone for zone in range(1, ZONES + 1) if zone not in fixed]))
    ids = {}
    for name, count in BOROUGHS.items():
        own = _FIXED_ZONE_IDS.get(name, ())
        ids[name] = rng.permutation([*own, *(int(next(free)) for _ in range(count - len(own)))])
    return ids


def _centroid(corners: Floats) -> Floats:
    following = np.roll(corners, -1, axis=-2)
    cross = corners[..., 0] * following[..., 1] - following[..., 0] * corners[..., 1]
    weighted = ((corners + following) * cross[..., None]).sum(axis=-2)
    return np.asarray(weighted / (3 * cross.sum(axis=-1, keepdims=True)))

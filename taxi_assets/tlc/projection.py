"""Converts GPS degrees to EPSG:2263 (New York Long Island, US survey feet) and back.

A Lambert conformal conic with two standard parallels on the GRS 80 ellipsoid. Formulas: J. P. Snyder, Map
Projections: A Working Manual, USGS Professional Paper 1395, pages 107-109; parameters: the EPSG registry. WGS 84 is
treated as NAD 83: they differ by about a metre in New York, a taxi's receiver errs by ten.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

_FEET_PER_METRE = 3937 / 1200  # the US survey foot
_SEMI_MAJOR_FEET = 6_378_137.0 * _FEET_PER_METRE
_FLATTENING = 1 / 298.257222101
_ECCENTRICITY = math.sqrt(_FLATTENING * (2 - _FLATTENING))
_ORIGIN_LATITUDE, _ORIGIN_LONGITUDE = math.radians(40 + 10 / 60), math.radians(-74)
_PARALLELS = math.radians(40 + 40 / 60), math.radians(41 + 2 / 60)
_FALSE_EASTING_FEET = 300_000 * _FEET_PER_METRE


def _radius_of_parallel(latitude: float) -> float:
    return math.cos(latitude) / math.sqrt(1 - (_ECCENTRICITY * math.sin(latitude)) ** 2)


def _isometric(latitude: Floats) -> Floats:
    """Snyder's t: how far a latitude is from the pole on the conformal sphere."""
    swelling = _ECCENTRICITY * np.sin(latitude)
    return np.asarray(
        np.tan(math.pi / 4 - latitude / 2) / ((1 - swelling) / (1 + swelling)) ** (_ECCENTRICITY / 2), dtype=float
    )


_T = [float(_isometric(np.array(latitude))) for latitude in (*_PARALLELS, _ORIGIN_LATITUDE)]
_M = [_radius_of_parallel(latitude) for latitude in _PARALLELS]
_CONE = math.log(_M[0] / _M[1]) / math.log(_T[0] / _T[1])
_SCALE_FEET = _SEMI_MAJOR_FEET * _M[0] / (_CONE * _T[0] ** _CONE)
_ORIGIN_RADIUS_FEET = _SCALE_FEET * _T[2] ** _CONE


def to_feet(longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
    """East and north in EPSG:2263 of points in degrees; any shape."""
    radius = _SCALE_FEET * _isometric(np.radians(latitude)) ** _CONE
    angle = _CONE * (np.radians(longitude) - _ORIGIN_LONGITUDE)
    return _FALSE_EASTING_FEET + radius * np.sin(angle), _ORIGIN_RADIUS_FEET - radius * np.cos(angle)


def to_degrees(x_feet: Floats, y_feet: Floats) -> tuple[Floats, Floats]:
    """Longitude and latitude in degrees of points in EPSG:2263; any shape."""
    east, south = np.asarray(x_feet) - _FALSE_EASTING_FEET, _ORIGIN_RADIUS_FEET - np.asarray(y_feet)
    t = (np.hypot(east, south) / _SCALE_FEET) ** (1 / _CONE)
    latitude = math.pi / 2 - 2 * np.arctan(t)
    for _ in range(5):  # each step gains three digits here
        swelling = _ECCENTRICITY * np.sin(latitude)
        latitude = math.pi / 2 - 2 * np.arctan(t * ((1 - swelling) / (1 + swelling)) ** (_ECCENTRICITY / 2))
    return np.degrees(np.arctan2(east, south) / _CONE + _ORIGIN_LONGITUDE), np.degrees(latitude)

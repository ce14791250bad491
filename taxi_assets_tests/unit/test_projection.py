"""Projection of degrees to feet and back (EPSG:2263), against PROJ."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.tlc.projection import to_degrees, to_feet

# Longitude, latitude, and the same place by PROJ 9 (EPSG:4269 to EPSG:2263), feet.
PLACES = [
    (-73.95, 40.75, 998103.6427395784, 212525.84042308142),
    (-74.0, 40.7, 984250.0, 194305.3389411525),
    (-73.7781, 40.6413, 1045832.7247381022, 172997.26030957093),
    (-74.2, 40.5, 928627.5186777125, 121503.67650257243),
    (-73.7, 40.9, 1067184.5337224584, 267314.385052027),
]


@pytest.mark.parametrize(("longitude", "latitude", "east", "north"), PLACES)
def test_points_agree_with_proj(longitude: float, latitude: float, east: float, north: float) -> None:
    assert np.allclose(to_feet(np.array(longitude), np.array(latitude)), (east, north), rtol=0, atol=1e-5)


@given(st.floats(-76, -72), st.floats(39, 42.5))
def test_projection_and_its_inverse_cancel(longitude: float, latitude: float) -> None:
    back = to_degrees(*to_feet(np.array(longitude), np.array(latitude)))
    assert np.allclose(back, (longitude, latitude), rtol=0, atol=1e-10)

"""Geometry of four zones with known distances, and of the whole city."""

import numpy as np
import pytest

from taxi_assets.features.trip_features import ZONES, ZoneMap
from taxi_assets.features.zone_geometry import DISTANCE_BINS, ZoneGeometry

HERE, THERE, NEAR, NOWHERE = 1, 2, 3, 264


@pytest.fixture(scope="module")
def four() -> ZoneGeometry:
    """Zones at (0, 0), (3, 4) and (0, 0.3) miles; all others have no coordinates."""
    x, y, area = (np.full(ZONES, np.nan) for _ in range(3))
    x[[HERE, THERE, NEAR]], y[[HERE, THERE, NEAR]] = [0, 3, 0], [0, 4, 0.3]
    area[[HERE, THERE]] = [1, 4]
    return ZoneGeometry(ZoneMap(x, y, area, np.zeros(ZONES, np.int64), np.zeros(ZONES, bool)))


@pytest.fixture(scope="module")
def geometry(zones) -> ZoneGeometry:
    return ZoneGeometry(zones)


def test_distance_is_from_the_first_zone_to_the_second(four: ZoneGeometry) -> None:
    assert (four.east_miles[HERE, THERE], four.north_miles[HERE, THERE]) == (3, 4)
    assert (four.east_miles[THERE, HERE], four.north_miles[THERE, HERE]) == (-3, -4)
    assert four.straight_line_miles[HERE, THERE] == four.straight_line_miles[THERE, HERE] == 5


def test_a_trip_within_a_zone_is_half_as_long_as_the_zone_is_wide(four: ZoneGeometry) -> None:
    assert four.straight_line_miles[HERE, HERE] == 0.5
    assert four.straight_line_miles[THERE, THERE] == 1
    assert four.straight_line_miles[NEAR, NEAR] == pytest.approx(np.sqrt(0.5) / 2)  # its area is unknown


def test_a_zone_without_coordinates_has_no_distance(four: ZoneGeometry) -> None:
    for table in (four.straight_line_miles, four.east_miles, four.north_miles):
        assert np.isnan(table[NOWHERE, HERE])
        assert np.isnan(table[HERE, NOWHERE])
        assert np.isnan(table[NOWHERE, NOWHERE])
    assert list(np.flatnonzero(four.has_location)) == [HERE, THERE, NEAR]


def test_distances_are_in_bins_of_half_a_mile(four: ZoneGeometry) -> None:
    assert four.distance_bin[HERE, NOWHERE] == 0
    assert four.distance_bin[HERE, NEAR] == 1
    assert four.distance_bin[HERE, HERE] == 2  # half a mile starts the second
    assert four.distance_bin[HERE, THERE] == 11


def test_distances_over_thirty_miles_are_in_the_last_bin() -> None:
    x = np.full(ZONES, np.nan)
    x[[HERE, THERE]] = [0, 500]
    nan = np.full(ZONES, np.nan)
    far = ZoneGeometry(ZoneMap(x, x, nan, np.zeros(ZONES, np.int64), np.zeros(ZONES, bool)))
    assert far.distance_bin[HERE, THERE] == DISTANCE_BINS - 1


def test_near_zones_are_neighbours_and_far_ones_are_not(four: ZoneGeometry) -> None:
    weights = four.proximity_weights(0.6)
    assert weights[HERE, NEAR] == pytest.approx(np.exp(-0.5 * (0.3 / 0.6) ** 2))
    assert weights[HERE, THERE] == 0
    assert four.proximity_weights(5.0)[HERE, THERE] == pytest.approx(np.exp(-0.5))


def test_a_zone_without_coordinates_is_its_own_only_neighbour(four: ZoneGeometry) -> None:
    weights = four.proximity_weights(1.5)
    assert weights[NOWHERE, NOWHERE] == 1
    assert weights[NOWHERE].sum() == weights[:, NOWHERE].sum() == 1


def test_the_whole_city_is_connected(geometry: ZoneGeometry) -> None:
    placed = np.ix_(geometry.has_location, geometry.has_location)
    miles = geometry.straight_line_miles[placed]
    assert geometry.has_location.sum() == 263
    assert np.allclose(miles, miles.T)
    assert np.allclose(geometry.east_miles[placed], -geometry.east_miles[placed].T)
    assert (miles > 0).all()
    assert geometry.distance_bin.min() == 0
    assert geometry.distance_bin.max() < DISTANCE_BINS


def test_nearness_is_symmetric_and_at_most_one(geometry: ZoneGeometry) -> None:
    weights = geometry.proximity_weights(1.5)
    assert weights.shape == (ZONES, ZONES)
    assert np.array_equal(weights, weights.T)
    assert (weights.diagonal() == 1).all()
    assert ((weights == 0) | (weights >= 1e-3)).all()
    assert weights.max() == 1

"""Points of TLC's older files are assigned to zones: the raster agrees with the outlines."""

from typing import Any

import numpy as np
import pytest
import shapely

from taxi_assets.ingestion.point_zones import OUTSIDE, UNKNOWN, ZoneRaster, build_raster
from taxi_assets.tlc.projection import to_degrees, to_feet

ZoneRows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def outlines(zone_rows: ZoneRows) -> dict[int, bytes]:
    return {row["zone_id"]: row["shape_wkb"] for row in zone_rows if row["shape_wkb"]}


@pytest.fixture(scope="module")
def raster(outlines: dict[int, bytes]) -> ZoneRaster:
    return build_raster(outlines)


def by_outlines(outlines: dict[int, bytes], longitude: Any, latitude: Any) -> Any:
    """The plain method: each point against every outline, the lowest id first."""
    points = shapely.points(*to_feet(longitude, latitude))
    zones = np.full(len(points), OUTSIDE)
    for zone in sorted(outlines, reverse=True):
        zones[shapely.intersects(shapely.from_wkb(outlines[zone]), points)] = zone
    return zones


def test_the_raster_agrees_with_the_outlines(raster: ZoneRaster, outlines: dict[int, bytes]) -> None:
    rng = np.random.default_rng(1)
    longitude, latitude = rng.uniform(-74.25, -73.7, 5000), rng.uniform(40.55, 40.95, 5000)
    found = raster.zones_of(longitude, latitude)
    assert (found == by_outlines(outlines, longitude, latitude)).all()
    assert len(set(found)) > 200
    assert 0.05 < (raster.cells == -1).mean() < 0.5


def test_points_along_borders_have_the_zone_of_the_outline(raster: ZoneRaster, outlines: dict[int, bytes]) -> None:
    borders = shapely.get_coordinates(
        shapely.segmentize(shapely.boundary(shapely.from_wkb(list(outlines.values()))), 2000)
    )
    around = np.random.default_rng(2).uniform(-30, 30, borders.shape)
    longitude, latitude = to_degrees(*(borders + around).T)
    assert (raster.zones_of(longitude, latitude) == by_outlines(outlines, longitude, latitude)).all()


@pytest.mark.parametrize(
    ("longitude", "latitude", "zone"),
    [
        (0.0, 0.0, UNKNOWN),
        (-73.95, 0.0, UNKNOWN),
        (40.75, -73.95, UNKNOWN),  # latitude and longitude swapped
        (-7395.0, 4075.0, UNKNOWN),
        (np.inf, 40.75, UNKNOWN),
        (-75.16, 39.95, OUTSIDE),  # Philadelphia
        (-72.0, 42.5, OUTSIDE),
        (np.nan, 40.75, 0),
        (-73.95, np.nan, 0),
    ],
)
def test_places_outside_all_zones(raster: ZoneRaster, longitude: float, latitude: float, zone: int) -> None:
    assert raster.zones_of(np.array([longitude]), np.array([latitude])).tolist() == [zone]


def test_no_points_give_no_zones(raster: ZoneRaster) -> None:
    assert raster.zones_of(np.array([]), np.array([])).tolist() == []


def test_the_lower_id_wins_where_zones_overlap() -> None:
    square = shapely.box(990_000, 200_000, 1_000_000, 210_000)
    raster = build_raster({9: shapely.to_wkb(square), 4: shapely.to_wkb(square)})
    longitude, latitude = to_degrees(np.array([995_000.0]), np.array([205_000.0]))
    assert raster.zones_of(longitude, latitude).tolist() == [4]

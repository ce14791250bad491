"""Finds the taxi zone of a point, for TLC's coordinates of 2009 to 2016. Pure functions.

A raster gives the zone of most points: cells without a border lie in one zone. Points in border cells are tested
against the outlines. So the result is as exact as the outlines, at nearly the raster's speed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_assets.tlc.projection import Floats, to_degrees, to_feet

UNKNOWN, OUTSIDE = 264, 265  # TLC's ids for "unknown" and "outside of the city"

_CELL_DEGREES = 0.0005  # finer costs more to make than it saves on a month
_BORDER = -1
# A GPS receiver without a fix writes 0, 0 or worse: only points within a day's drive of the city count.
_PLAUSIBLE_LONGITUDES, _PLAUSIBLE_LATITUDES = (-76.0, -72.0), (39.0, 42.5)

Zones = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class ZoneRaster:
    """Zones by cell: an id, 0 for no zone, -1 for border cells. Row 0 is south, column 0 is west."""

    cells: Zones
    west: float
    south: float
    zone_ids: NDArray[np.int16]
    outlines: NDArray[Any]
    tree: Any

    def zones_of(self, longitude: Floats, latitude: Floats) -> Zones:
        """Zone ids of points.

        Args:
            longitude: degrees, shape (n,), NaN for missing.
            latitude: degrees, shape (n,), NaN for missing.

        Returns:
            Zone ids, shape (n,): `OUTSIDE` for points in no zone, `UNKNOWN` for implausible points such as 0, 0, and
            0 for missing points.
        """
        zones = np.full(len(longitude), UNKNOWN, np.int16)
        zones[np.isnan(longitude) | np.isnan(latitude)] = 0
        (plausible,) = np.nonzero(
            _is_within(longitude, _PLAUSIBLE_LONGITUDES) & _is_within(latitude, _PLAUSIBLE_LATITUDES)
        )
        found = self._look_up(longitude[plausible], latitude[plausible])
        zones[plausible] = np.where(found == 0, OUTSIDE, found)
        return zones

    def _look_up(self, longitude: Floats, latitude: Floats) -> Zones:
        rows, columns = self.cells.shape
        row = np.clip((latitude - self.south) / _CELL_DEGREES, 0, rows - 1).astype(np.intp)
        column = np.clip((longitude - self.west) / _CELL_DEGREES, 0, columns - 1).astype(np.intp)
        zones: Zones = self.cells[row, column]
        (near,) = np.nonzero(zones == _BORDER)
        zones[near] = _locate_in_outlines(
            self.tree, self.outlines, self.zone_ids, *to_feet(longitude[near], latitude[near])
        )
        return zones


def build_raster(outlines: Mapping[int, bytes]) -> ZoneRaster:
    """Build the raster from outlines by zone id: well-known binary, in feet of EPSG:2263."""
    import shapely

    zone_ids = np.array(sorted(outlines), np.int16)
    shapes = shapely.from_wkb([outlines[int(zone)] for zone in zone_ids])
    shapely.prepare(shapes)
    tree = shapely.STRtree(shapes)
    # Points along every border, closer together than half a cell's side.
    borders = shapely.segmentize(shapely.boundary(shapes), 60.0)
    east, north = to_degrees(*shapely.get_coordinates(borders).T)
    west, south = east.min() - 2 * _CELL_DEGREES, north.min() - 2 * _CELL_DEGREES
    columns, rows = (int((top - low) / _CELL_DEGREES) + 3 for top, low in ((east.max(), west), (north.max(), south)))
    is_border = np.zeros((rows, columns), bool)
    row, column = ((north - south) / _CELL_DEGREES).astype(int), ((east - west) / _CELL_DEGREES).astype(int)
    for up in (-1, 0, 1):  # a border may cut the corner of a cell between two of its points
        for right in (-1, 0, 1):
            is_border[row + up, column + right] = True
    cells = np.full((rows, columns), _BORDER, np.int16)
    inner_row, inner_column = np.nonzero(~is_border)
    middle = west + (inner_column + 0.5) * _CELL_DEGREES, south + (inner_row + 0.5) * _CELL_DEGREES
    cells[inner_row, inner_column] = _locate_in_outlines(tree, shapes, zone_ids, *to_feet(*middle))
    return ZoneRaster(cells, west, south, zone_ids, shapes, tree)


def _locate_in_outlines(tree: Any, outlines: NDArray[Any], zone_ids: Zones, x_feet: Floats, y_feet: Floats) -> Zones:
    """The zone of each point, borders included: the lowest id if zones overlap, 0 for no zone."""
    import shapely

    zones = np.zeros(len(x_feet), np.int16)
    point, outline = tree.query(shapely.points(x_feet, y_feet))  # by bounding boxes
    order = np.argsort(-outline, kind="stable")
    point, outline = point[order], outline[order]
    firsts = np.flatnonzero(np.diff(outline, prepend=-1))
    for first, points in zip(firsts, np.split(point, firsts[1:]), strict=False):  # without points, `firsts` is empty
        is_in = shapely.intersects_xy(outlines[outline[first]], x_feet[points], y_feet[points])
        zones[points[is_in]] = zone_ids[outline[first]]
    return zones


def _is_within(values: Floats, bounds: tuple[float, float]) -> NDArray[np.bool_]:
    return np.asarray((values >= bounds[0]) & (values <= bounds[1]))

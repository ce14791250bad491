"""Draws the taxi zones for the rider's page: SVG paths small enough to load with the page."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_COARSE_FEET = 100  # two thirds of a pixel of a map 1,000 pixels wide
_FEET_PER_UNIT = 50


def city_map(zones: "pd.DataFrame") -> str:
    """The zones with their names and outlines, as JSON.

    Neighbours keep a common edge, since they are simplified together.

    Args:
        zones: Columns `zone_id`, `zone`, `borough`, `shape_wkb` of `taxi_zones`; shapes in EPSG:2263 feet.

    Returns:
        An object with `width`, `height` (units of the outlines) and `zones`: `id`, `name`, `borough` and `path`, an
        SVG path, null for a zone without a shape.
    """
    import shapely

    shaped = zones.dropna(subset=["shape_wkb"])
    outlines = shapely.coverage_simplify(shapely.from_wkb([bytes(each) for each in shaped["shape_wkb"]]), _COARSE_FEET)
    west, south, east, north = shapely.total_bounds(outlines) if len(shaped) else (0, 0, 0, 0)
    corner = np.array([west, north])
    paths = {int(zone): _path(outline, corner) for zone, outline in zip(shaped["zone_id"], outlines, strict=True)}
    drawn = [
        {"id": int(zone_id), "name": str(name), "borough": str(borough), "path": paths.get(int(zone_id))}
        for zone_id, name, borough in zip(zones["zone_id"], zones["zone"], zones["borough"], strict=True)
    ]
    size = {"width": _units(east - west), "height": _units(north - south)}
    return json.dumps({**size, "zones": drawn}, separators=(",", ":"), ensure_ascii=False)


def _units(feet: float) -> int:
    return int(np.ceil(feet / _FEET_PER_UNIT))


def _path(outline: Any, corner: np.ndarray) -> str:
    """The rings as steps from corner to corner, in whole units; y grows to the south."""
    polygons = [part for part in getattr(outline, "geoms", [outline]) if part.geom_type == "Polygon"]
    rings = [ring for polygon in polygons for ring in (polygon.exterior, *polygon.interiors)]
    return "".join(map(_ring, ((np.asarray(ring.coords)[:-1, :2] - corner) * (1, -1) for ring in rings)))


def _ring(feet: np.ndarray) -> str:
    units = np.rint(feet / _FEET_PER_UNIT).astype(int)
    steps = np.diff(units, axis=0)
    steps = steps[steps.any(axis=1)]
    return f"M{units[0, 0]} {units[0, 1]}l{' '.join(f'{x} {y}' for x, y in steps.tolist())}z" if len(steps) > 1 else ""

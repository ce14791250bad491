"""Geometry of the zones as dense tables: distances, directions and weights of nearby zones."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.trip_features import ZONES, ZoneMap

Table = NDArray[np.float64]

DISTANCE_BINS = 61  # bin 0: unknown distance; then half-mile steps up to thirty miles
_UNKNOWN_AREA_SQUARE_MILES = 0.5


@dataclass(frozen=True)
class ZoneGeometry:
    """Tables over (pickup zone, drop-off zone), shape (266, 266); NaN if a zone has no location."""

    zones: ZoneMap

    @cached_property
    def has_location(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.zones.x_miles)

    @cached_property
    def east_miles(self) -> Table:
        return self.zones.x_miles - self.zones.x_miles[:, None]

    @cached_property
    def north_miles(self) -> Table:
        return self.zones.y_miles - self.zones.y_miles[:, None]

    @cached_property
    def straight_line_miles(self) -> Table:
        """Distance between centroids; within a zone, half the side of a square of its area."""
        miles = np.hypot(self.east_miles, self.north_miles)
        area = np.where(
            np.isnan(self.zones.area_square_miles), _UNKNOWN_AREA_SQUARE_MILES, self.zones.area_square_miles
        )
        np.fill_diagonal(miles, np.where(self.has_location, np.sqrt(area) / 2, np.nan))
        return miles

    @cached_property
    def distance_bin(self) -> NDArray[np.int64]:
        steps = np.nan_to_num(self.straight_line_miles * 2, nan=-1).astype(np.int64)
        return np.minimum(steps + 1, DISTANCE_BINS - 1)

    def proximity_weights(self, miles: float) -> Table:
        """Gaussian weights by distance between zones; a zone without a location has only itself."""
        squared = self.east_miles**2 + self.north_miles**2
        weights = np.nan_to_num(np.exp(-0.5 * squared / miles**2))
        weights[weights < 1e-3] = 0
        weights[np.arange(ZONES), np.arange(ZONES)] = 1
        return weights

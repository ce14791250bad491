"""Encodes one trip in microseconds, to the same row as `encode_trips`.

Rows of all pairs of zones are made once by `encode_trips`, the times of all minutes once a day. The encoding of the
pair in its period is read from the tables.
"""

from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.encoding import MATRIX_COLUMNS, PASSENGERS, encode_trips, periods
from taxi_assets.features.feature_names import ROW_FEATURES
from taxi_assets.features.target_encoding import TARGET_ENCODING_FEATURES, EncodingTables, look_up
from taxi_assets.features.trip_features import ZONES, row_features
from taxi_assets.features.zone_geometry import ZoneGeometry

Rows = NDArray[np.float32]

_OF_ZONES = ("zone_distance_miles", "is_same_zone")
_TIME_COLUMNS = [MATRIX_COLUMNS.index(name) for name in ("months_since_1970", *ROW_FEATURES) if name not in _OF_ZONES]
_ENCODED_COLUMNS = [MATRIX_COLUMNS.index(name) for name in TARGET_ENCODING_FEATURES]
_PASSENGERS = MATRIX_COLUMNS.index(PASSENGERS)
_ANY_DAY = np.datetime64("2023-01-01", "m")
_MAX_DAYS = 400  # 70 KB each
# All pairs at once take half as long again, and keep Python's lock from the thread that answers for milliseconds.
_PAIRS_AT_A_TIME = 14 * ZONES


class TripEncoder:
    """Rows of all pairs of zones by service, and the times of the days asked for last."""

    def __init__(self, geometry: ZoneGeometry, tables: Mapping[int, EncodingTables]) -> None:
        self._tables = tables
        self._pairs = {service: _pairs(geometry, tables, service) for service in tables}
        # Not a method: its reference to this object would keep it, frozen by `gc.freeze`, in memory for ever.
        self._times_of = lru_cache(_MAX_DAYS)(partial(_times, geometry, tables))

    def encode(self, service_id: int, pickup_at: datetime, start: int, end: int, passengers: int | None) -> Rows:
        """The matrix of one trip without recent traffic, shape (1, len(MATRIX_COLUMNS)).

        Args:
            service_id: A service with encoding tables.
            pickup_at: New York local time.
            start: Pickup zone, 1 to 265.
            end: Drop-off zone, 1 to 265.
            passengers: None if unknown.
        """
        minute = pickup_at.hour * 60 + pickup_at.minute
        times, day_periods = self._times_of(pickup_at.date())
        row: Rows = self._pairs[service_id][start * ZONES + end].copy()
        row[_TIME_COLUMNS] = times[minute]
        found = look_up(self._tables[service_id], start, end, day_periods[minute])  # type: ignore[arg-type]
        row[_ENCODED_COLUMNS] = list(found.values())
        if passengers is not None:
            row[_PASSENGERS] = passengers
        return row.reshape(1, -1)


def _pairs(geometry: ZoneGeometry, tables: Mapping[int, EncodingTables], service: int) -> Rows:
    """The rows of all pairs of zones, in the order of `start * ZONES + end`, on any day."""
    days = np.full(_PAIRS_AT_A_TIME, _ANY_DAY)
    rows = np.empty((ZONES**2, len(MATRIX_COLUMNS)), np.float32)
    for block in np.split(np.arange(ZONES**2), ZONES**2 // _PAIRS_AT_A_TIME):
        rows[block], _ = _rows(geometry, tables, service, days, *np.divmod(block, ZONES))
    return rows


def _times(geometry: ZoneGeometry, tables: Mapping[int, EncodingTables], day: date) -> tuple[Rows, list[int]]:
    """The columns of time and the period of each minute of a day."""
    minutes = np.datetime64(day, "m") + np.arange(24 * 60)
    zones = np.ones(len(minutes), np.int64)
    rows, period = _rows(geometry, tables, next(iter(tables)), minutes, zones, zones)
    return np.ascontiguousarray(rows[:, _TIME_COLUMNS]), period.tolist()


def _rows(
    geometry: ZoneGeometry,
    tables: Mapping[int, EncodingTables],
    service: int,
    pickup_at: NDArray[np.datetime64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> tuple[Rows, NDArray[np.int64]]:
    services = np.full(len(pickup_at), service)
    trips = {"service_id": services, "pickup_at": pickup_at, "pickup_zone_id": starts, "dropoff_zone_id": ends}
    trips |= row_features(trips, geometry.zones)
    return np.ascontiguousarray(encode_trips(trips, geometry, tables)), periods(trips)

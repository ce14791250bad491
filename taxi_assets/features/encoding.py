"""Encodes trips as rows of the model's matrix; training, evaluation and serving share this code."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError
from taxi_assets.features.feature_names import ROW_FEATURES
from taxi_assets.features.recent_traffic import FIXED_DURATION, RECENT_TRAFFIC_FEATURES
from taxi_assets.features.target_encoding import TARGET_ENCODING_FEATURES, EncodingTables, look_up
from taxi_assets.features.trip_features import SERVICE_IDS, TripColumns
from taxi_assets.features.zone_geometry import ZoneGeometry

ZONE_FEATURES: Mapping[str, str] = {
    "service_id": "position of the service in the contract",
    "pickup_x_miles": "east coordinate of the pickup zone's centroid",
    "pickup_y_miles": "north coordinate of the pickup zone's centroid",
    "dropoff_x_miles": "east coordinate of the drop-off zone's centroid",
    "dropoff_y_miles": "north coordinate of the drop-off zone's centroid",
    "straight_line_miles": "distance between the centroids; within a zone, half the side of a square of its area",
    "east_miles": "distance eastward between the centroids",
    "north_miles": "distance northward between the centroids",
    "pickup_borough": "number of the pickup zone's borough",
    "dropoff_borough": "number of the drop-off zone's borough",
    "months_since_1970": "month of the pickup, for the trend over the years",
}

PASSENGERS = "passenger_count"
# A client may not know these: they are NaN in the matrix if the trips lack the column.
OPTIONAL_FEATURES: tuple[str, ...] = (PASSENGERS, *RECENT_TRAFFIC_FEATURES)
OPTIONAL_INPUTS: tuple[str, ...] = (*OPTIONAL_FEATURES, FIXED_DURATION)
MATRIX_COLUMNS: tuple[str, ...] = (*ZONE_FEATURES, *ROW_FEATURES, *TARGET_ENCODING_FEATURES, *OPTIONAL_FEATURES)
SEASONAL_COLUMNS = ("months_since_1970", "month_of_year", "day_of_year")


def column(matrix: NDArray[np.float32], name: str) -> NDArray[np.float64]:
    """One column of an encoded matrix, shape (n,)."""
    return matrix[:, MATRIX_COLUMNS.index(name)].astype(np.float64)


def expected_minutes(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """Expected minutes of each row, from past trips, shape (n,)."""
    return column(matrix, "expected_minutes")


def periods(trips: TripColumns) -> NDArray[np.int64]:
    """Period of each pickup: its hour, plus 24 on a weekend or holiday; shape (n,)."""
    is_day_off = (trips["day_of_week"] >= 5) | trips["is_holiday"].astype(bool)
    return is_day_off * 24 + trips["minute_of_day"].astype(np.int64) // 60


def encode_trips(
    trips: TripColumns, geometry: ZoneGeometry, tables: Mapping[int, EncodingTables]
) -> NDArray[np.float32]:
    """Encodes trips for prediction, shape (n, len(MATRIX_COLUMNS)).

    Args:
        trips: Columns of `MODEL_INPUTS`, shape (n,) each, and any of `OPTIONAL_FEATURES`.
        geometry: Geometry of the zones.
        tables: Encoding tables by service id.

    Raises:
        TaxiError: a service has no encoding tables.
    """
    services = trips["service_id"].astype(np.int64)
    encoded = {name: np.empty(len(services), np.float32) for name in TARGET_ENCODING_FEATURES}
    for service in np.flatnonzero(np.bincount(services)).tolist():
        if service not in tables:
            name = next((name for name, number in SERVICE_IDS.items() if number == service), str(service))
            raise TaxiError(f"the model has not been trained on trips of {name}: train it with --services {name}")
        own = services == service
        starts, ends = (
            trips["pickup_zone_id"][own].astype(np.int64),
            trips["dropoff_zone_id"][own].astype(np.int64),
        )
        for column, values in look_up(tables[service], starts, ends, periods(trips)[own]).items():
            encoded[column][own] = values
    return encode(trips, geometry, encoded)


def encode(trips: TripColumns, geometry: ZoneGeometry, encoded: TripColumns) -> NDArray[np.float32]:
    """Builds the matrix from trips and their target encoding, columns as `MATRIX_COLUMNS`."""
    columns = _zone_features(trips, geometry) | dict(trips) | dict(encoded)
    # Column-major order: filling and binning go column by column, ten times as fast.
    matrix = np.empty((len(trips["service_id"]), len(MATRIX_COLUMNS)), np.float32, order="F")
    for position, name in enumerate(MATRIX_COLUMNS):
        matrix[:, position] = columns.get(name, np.nan) if name in OPTIONAL_FEATURES else columns[name]
    return matrix


def _zone_features(trips: TripColumns, geometry: ZoneGeometry) -> dict[str, NDArray[np.generic]]:
    zones = geometry.zones
    starts, ends = trips["pickup_zone_id"].astype(np.int64), trips["dropoff_zone_id"].astype(np.int64)
    return {
        "pickup_x_miles": zones.x_miles[starts],
        "pickup_y_miles": zones.y_miles[starts],
        "dropoff_x_miles": zones.x_miles[ends],
        "dropoff_y_miles": zones.y_miles[ends],
        "straight_line_miles": geometry.straight_line_miles[starts, ends],
        "east_miles": geometry.east_miles[starts, ends],
        "north_miles": geometry.north_miles[starts, ends],
        "pickup_borough": zones.borough[starts],
        "dropoff_borough": zones.borough[ends],
        "months_since_1970": trips["pickup_at"].astype("datetime64[M]").astype(np.int64),
    }

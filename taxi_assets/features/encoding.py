"""A ride as the trees see it: one row of numbers. The same code encodes training rows, scored rows and live rides."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError
from taxi_assets.features.recent_traffic import NOW_FEATURES, STEADY
from taxi_assets.features.target_encoding import HISTORY_FEATURES, Tables, look_up
from taxi_assets.features.trip_features import ROW_FEATURES, SERVICE_IDS, Rides
from taxi_assets.features.zone_geometry import Places

__all__ = [
    "MATRIX_COLUMNS",
    "OPTIONAL_INPUTS",
    "SEASONAL_COLUMNS",
    "SOMETIMES_KNOWN",
    "column",
    "encode",
    "encode_rides",
    "expected_minutes",
    "periods",
]

PLACE_FEATURES: Mapping[str, str] = {
    "service_id": "position of the service in the contract",
    "pickup_x_miles": "place of the pickup zone",
    "pickup_y_miles": "place of the pickup zone",
    "dropoff_x_miles": "place of the drop-off zone",
    "dropoff_y_miles": "place of the drop-off zone",
    "ride_miles": "straight line; within a zone, half the side of a square of its area",
    "east_miles": "eastward part of the ride",
    "north_miles": "northward part of the ride",
    "pickup_borough": "borough of the pickup zone",
    "dropoff_borough": "borough of the drop-off zone",
    "months_since_1970": "the trend over the years",
}

PASSENGERS = "passenger_count"
# What not everyone who asks can tell: missing in the matrix where it is not among a ride's columns.
SOMETIMES_KNOWN: tuple[str, ...] = (PASSENGERS, *NOW_FEATURES)
OPTIONAL_INPUTS: tuple[str, ...] = (*SOMETIMES_KNOWN, STEADY)
MATRIX_COLUMNS: tuple[str, ...] = (*PLACE_FEATURES, *ROW_FEATURES, *HISTORY_FEATURES, *SOMETIMES_KNOWN)
SEASONAL_COLUMNS = ("months_since_1970", "month_of_year", "day_of_year")


def column(matrix: NDArray[np.float32], name: str) -> NDArray[np.float64]:
    """One column of an encoded matrix, shape (n,)."""
    return matrix[:, MATRIX_COLUMNS.index(name)].astype(np.float64)


def expected_minutes(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """What history leads to expect of each ride of an encoded matrix, minutes, shape (n,)."""
    return column(matrix, "expected_minutes")


def periods(rides: Rides) -> NDArray[np.int64]:
    """The period of each ride's pickup: its hour, plus 24 on a weekend or holiday."""
    is_day_off = (rides["day_of_week"] >= 5) | rides["is_holiday"].astype(bool)
    return is_day_off * 24 + rides["minute_of_day"].astype(np.int64) // 60


def encode_rides(rides: Rides, places: Places, tables: Mapping[int, Tables]) -> NDArray[np.float32]:
    """Rides that are to be predicted, shape (n, len(MATRIX_COLUMNS)).

    Args:
        rides: Columns of `MODEL_INPUTS`, shape (n,) each, and any of `SOMETIMES_KNOWN`.
        places: Geometry of the zones.
        tables: History by service id.

    Raises:
        TaxiError: a ride of a service the history says nothing of.
    """
    services = rides["service_id"].astype(np.int64)
    past = {name: np.empty(len(services), np.float32) for name in HISTORY_FEATURES}
    for service in np.flatnonzero(np.bincount(services)).tolist():
        if service not in tables:
            name = next((name for name, number in SERVICE_IDS.items() if number == service), str(service))
            raise TaxiError(f"the model has not been trained on rides of {name}: train it with --services {name}")
        own = services == service
        starts, ends = (
            rides["pickup_zone_id"][own].astype(np.int64),
            rides["dropoff_zone_id"][own].astype(np.int64),
        )
        for column, values in look_up(tables[service], starts, ends, periods(rides)[own]).items():
            past[column][own] = values
    return encode(rides, places, past)


def encode(rides: Rides, places: Places, past: Rides) -> NDArray[np.float32]:
    """The matrix of these rides with the given history, columns as `MATRIX_COLUMNS`."""
    columns = _place_features(rides, places) | dict(rides) | dict(past)
    # Column by column, as it is filled and as the trees bin it: ten times as fast.
    matrix = np.empty((len(rides["service_id"]), len(MATRIX_COLUMNS)), np.float32, order="F")
    for position, name in enumerate(MATRIX_COLUMNS):
        matrix[:, position] = columns.get(name, np.nan) if name in SOMETIMES_KNOWN else columns[name]
    return matrix


def _place_features(rides: Rides, places: Places) -> dict[str, NDArray[np.generic]]:
    zones = places.zones
    starts, ends = rides["pickup_zone_id"].astype(np.int64), rides["dropoff_zone_id"].astype(np.int64)
    return {
        "pickup_x_miles": zones.x_miles[starts],
        "pickup_y_miles": zones.y_miles[starts],
        "dropoff_x_miles": zones.x_miles[ends],
        "dropoff_y_miles": zones.y_miles[ends],
        "ride_miles": places.ride_miles[starts, ends],
        "east_miles": places.east_miles[starts, ends],
        "north_miles": places.north_miles[starts, ends],
        "pickup_borough": zones.borough[starts],
        "dropoff_borough": zones.borough[ends],
        "months_since_1970": rides["pickup_at"].astype("datetime64[M]").astype(np.int64),
    }

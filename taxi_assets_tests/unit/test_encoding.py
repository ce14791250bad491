"""A ride becomes one row of numbers, its columns where they belong, whoever asks."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.features.encoding import (
    MATRIX_COLUMNS,
    SEASONAL_COLUMNS,
    encode,
    encode_rides,
    expected_minutes,
    periods,
)
from taxi_assets.features.target_encoding import HISTORY_FEATURES, PERIODS, Tables
from taxi_assets.features.trip_features import MODEL_INPUTS, ROW_FEATURES, SERVICE_IDS, ZONES, row_features
from taxi_assets.features.zone_geometry import Places

Rides = dict[str, np.ndarray]
GREEN, YELLOW = SERVICE_IDS["green"], SERVICE_IDS["yellow"]


@pytest.fixture(scope="module")
def places(zones) -> Places:
    return Places(zones)


@pytest.fixture(scope="module")
def some(rides: pd.DataFrame) -> Rides:
    """A thousand rides, as the model takes them."""
    return {name: rides[name].to_numpy()[:1000] for name in MODEL_INPUTS}


def constant_tables(value: float) -> Tables:
    """A history that says the same of every ride: the value in each of its tables, and its square expected."""
    shapes = dict.fromkeys(HISTORY_FEATURES, (ZONES, ZONES))
    shapes |= dict.fromkeys(("pickup_period_ratio", "dropoff_period_ratio"), (PERIODS, ZONES))
    cubes = ("pair_period_minutes", "pair_period_log_rides", "neighbour_period_ratio")
    shapes |= dict.fromkeys(cubes, (PERIODS, ZONES, ZONES))
    derived = ("reverse_pair_minutes", "expected_minutes")
    return {n: np.full(shape, value, np.float32) for n, shape in shapes.items() if n not in derived}


def column(matrix: np.ndarray, name: str) -> np.ndarray:
    found: np.ndarray = matrix[:, MATRIX_COLUMNS.index(name)]
    return found


def rides_at(*pickups: datetime, zones) -> Rides:
    ride: Rides = {
        "pickup_at": np.array(pickups, "datetime64[us]"),
        "pickup_zone_id": np.full(len(pickups), 74),
        "dropoff_zone_id": np.full(len(pickups), 75),
        "service_id": np.full(len(pickups), GREEN),
    }
    return ride | row_features(ride, zones)


def test_every_column_has_its_own_name() -> None:
    assert len(set(MATRIX_COLUMNS)) == len(MATRIX_COLUMNS)
    assert set(ROW_FEATURES) | set(HISTORY_FEATURES) < set(MATRIX_COLUMNS)
    assert set(SEASONAL_COLUMNS) < set(MATRIX_COLUMNS) - set(HISTORY_FEATURES)


def test_rides_are_encoded_in_their_order_and_columns(some: Rides, places: Places) -> None:
    matrix = encode_rides(some, places, {GREEN: constant_tables(3)})
    assert matrix.shape == (1000, len(MATRIX_COLUMNS))
    assert matrix.dtype == np.float32
    for name in ROW_FEATURES:
        assert np.allclose(column(matrix, name), some[name].astype(np.float32), equal_nan=True), name
    starts, ends = some["pickup_zone_id"].astype(int), some["dropoff_zone_id"].astype(int)
    assert np.allclose(column(matrix, "dropoff_x_miles"), places.zones.x_miles[ends], equal_nan=True)
    assert np.allclose(column(matrix, "ride_miles"), places.ride_miles[starts, ends], equal_nan=True)
    assert np.array_equal(column(matrix, "pickup_borough"), places.zones.borough[starts])
    assert set(column(matrix, "months_since_1970")) == {53 * 12}
    assert set(column(matrix, "service_id")) == {GREEN}


def test_history_is_in_its_columns(some: Rides, places: Places) -> None:
    matrix = encode_rides(some, places, {GREEN: constant_tables(3)})
    for name in HISTORY_FEATURES:
        assert set(column(matrix, name)) == {9 if name == "expected_minutes" else 3}, name
    assert set(expected_minutes(matrix)) == {9}
    assert expected_minutes(matrix).dtype == np.float64


def test_each_service_has_its_own_history(some: Rides, places: Places) -> None:
    mixed = some | {"service_id": np.where(np.arange(1000) % 3, GREEN, YELLOW)}
    matrix = encode_rides(mixed, places, {GREEN: constant_tables(3), YELLOW: constant_tables(5)})
    assert np.array_equal(column(matrix, "pair_minutes"), np.where(np.arange(1000) % 3, 3, 5))
    alone = encode_rides(some, places, {GREEN: constant_tables(3)})
    assert np.array_equal(matrix[np.arange(1000) % 3 > 0], alone[np.arange(1000) % 3 > 0], equal_nan=True)


@pytest.mark.parametrize("service", ["yellow", "fhvhv"])
def test_a_service_history_says_nothing_of_is_refused_by_name(some: Rides, places: Places, service: str) -> None:
    strange = some | {"service_id": np.full(1000, SERVICE_IDS[service])}
    with pytest.raises(TaxiError, match=f"not been trained on rides of {service}: train it with --services {service}"):
        encode_rides(strange, places, {GREEN: constant_tables(3)})


def test_one_ride_is_encoded_as_among_many(some: Rides, places: Places) -> None:
    tables = {GREEN: constant_tables(3)}
    many = encode_rides(some, places, tables)
    for row in (0, 499, 999):
        one = encode_rides({name: values[row : row + 1] for name, values in some.items()}, places, tables)
        assert np.array_equal(one[0], many[row], equal_nan=True)


def test_no_rides_make_no_rows(some: Rides, places: Places) -> None:
    nothing = {name: values[:0] for name, values in some.items()}
    assert encode_rides(nothing, places, {}).shape == (0, len(MATRIX_COLUMNS))


def test_a_zone_without_a_place_is_missing_and_not_zero(some: Rides, places: Places) -> None:
    unknown = some | {"dropoff_zone_id": np.full(1000, 265)}
    matrix = encode_rides(unknown, places, {GREEN: constant_tables(3)})
    for name in ("dropoff_x_miles", "dropoff_y_miles", "ride_miles", "east_miles"):
        assert np.isnan(column(matrix, name)).all(), name
    assert not np.isnan(column(matrix, "dropoff_borough")).any()


def test_a_column_nobody_gives_is_missed(some: Rides, places: Places) -> None:
    past = {name: np.zeros(1000, np.float32) for name in HISTORY_FEATURES}
    assert encode(some, places, past).shape == (1000, len(MATRIX_COLUMNS))
    with pytest.raises(KeyError, match="pair_minutes"):
        encode(some, places, {name: values for name, values in past.items() if name != "pair_minutes"})


@pytest.mark.parametrize(
    ("pickup_at", "period"),
    [
        (datetime(2023, 3, 13, 0, 0), 0),  # Monday
        (datetime(2023, 3, 17, 23, 59, 59), 23),  # Friday
        (datetime(2023, 3, 18, 0, 0), 24),  # Saturday
        (datetime(2023, 3, 19, 8, 30), 32),  # Sunday
        (datetime(2023, 7, 4, 8, 30), 32),  # a Tuesday, but a holiday
        (datetime(2023, 7, 3, 8, 30), 8),  # its eve is a working day
        (datetime(2023, 12, 25, 23, 0), 47),
    ],
)
def test_periods_are_hours_of_working_days_and_days_off(zones, pickup_at: datetime, period: int) -> None:
    assert list(periods(rides_at(pickup_at, zones=zones))) == [period]


def test_periods_of_a_city_of_rides_are_in_range(some: Rides) -> None:
    found = periods(some)
    assert found.dtype.kind == "i"
    assert found.min() >= 0
    assert found.max() < PERIODS

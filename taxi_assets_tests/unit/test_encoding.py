"""A trip becomes one row of numbers, its columns in their order, alone or among others."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.features.encoding import (
    MATRIX_COLUMNS,
    SEASONAL_COLUMNS,
    encode,
    encode_trips,
    expected_minutes,
    periods,
)
from taxi_assets.features.feature_names import MODEL_INPUTS, ROW_FEATURES
from taxi_assets.features.target_encoding import PERIODS, TARGET_ENCODING_FEATURES, EncodingTables
from taxi_assets.features.trip_features import SERVICE_IDS, ZONES, row_features
from taxi_assets.features.zone_geometry import ZoneGeometry

TripColumns = dict[str, np.ndarray]
GREEN, YELLOW = SERVICE_IDS["green"], SERVICE_IDS["yellow"]


@pytest.fixture(scope="module")
def geometry(zones) -> ZoneGeometry:
    return ZoneGeometry(zones)


@pytest.fixture(scope="module")
def sample(trips: pd.DataFrame) -> TripColumns:
    """A thousand trips, as the model takes them."""
    return {name: trips[name].to_numpy()[:1000] for name in MODEL_INPUTS}


def constant_tables(value: float) -> EncodingTables:
    """Encoding tables with the same value for every trip, and its square as expected error."""
    shapes = dict.fromkeys(TARGET_ENCODING_FEATURES, (ZONES, ZONES))
    shapes |= dict.fromkeys(("pickup_period_ratio", "dropoff_period_ratio"), (PERIODS, ZONES))
    cubes = ("pair_period_minutes", "pair_period_log_trips", "neighbour_period_ratio")
    shapes |= dict.fromkeys(cubes, (PERIODS, ZONES, ZONES))
    derived = ("reverse_pair_minutes", "expected_minutes")
    return {n: np.full(shape, value, np.float32) for n, shape in shapes.items() if n not in derived}


def column(matrix: np.ndarray, name: str) -> np.ndarray:
    found: np.ndarray = matrix[:, MATRIX_COLUMNS.index(name)]
    return found


def rides_at(*pickups: datetime, zones) -> TripColumns:
    trip: TripColumns = {
        "pickup_at": np.array(pickups, "datetime64[us]"),
        "pickup_zone_id": np.full(len(pickups), 74),
        "dropoff_zone_id": np.full(len(pickups), 75),
        "service_id": np.full(len(pickups), GREEN),
    }
    return trip | row_features(trip, zones)


def test_every_column_has_its_own_name() -> None:
    assert len(set(MATRIX_COLUMNS)) == len(MATRIX_COLUMNS)
    assert set(ROW_FEATURES) | set(TARGET_ENCODING_FEATURES) < set(MATRIX_COLUMNS)
    assert set(SEASONAL_COLUMNS) < set(MATRIX_COLUMNS) - set(TARGET_ENCODING_FEATURES)


def test_trips_are_encoded_in_their_order_and_columns(sample: TripColumns, geometry: ZoneGeometry) -> None:
    matrix = encode_trips(sample, geometry, {GREEN: constant_tables(3)})
    assert matrix.shape == (1000, len(MATRIX_COLUMNS))
    assert matrix.dtype == np.float32
    for name in ROW_FEATURES:
        assert np.allclose(column(matrix, name), sample[name].astype(np.float32), equal_nan=True), name
    starts, ends = sample["pickup_zone_id"].astype(int), sample["dropoff_zone_id"].astype(int)
    assert np.allclose(column(matrix, "dropoff_x_miles"), geometry.zones.x_miles[ends], equal_nan=True)
    assert np.allclose(
        column(matrix, "straight_line_miles"), geometry.straight_line_miles[starts, ends], equal_nan=True
    )
    assert np.array_equal(column(matrix, "pickup_borough"), geometry.zones.borough[starts])
    assert set(column(matrix, "months_since_1970")) == {53 * 12}
    assert set(column(matrix, "service_id")) == {GREEN}


def test_target_encodings_are_in_their_columns(sample: TripColumns, geometry: ZoneGeometry) -> None:
    matrix = encode_trips(sample, geometry, {GREEN: constant_tables(3)})
    for name in TARGET_ENCODING_FEATURES:
        assert set(column(matrix, name)) == {9 if name == "expected_minutes" else 3}, name
    assert set(expected_minutes(matrix)) == {9}
    assert expected_minutes(matrix).dtype == np.float64


def test_each_service_has_its_own_encoding_tables(sample: TripColumns, geometry: ZoneGeometry) -> None:
    mixed = sample | {"service_id": np.where(np.arange(1000) % 3, GREEN, YELLOW)}
    matrix = encode_trips(mixed, geometry, {GREEN: constant_tables(3), YELLOW: constant_tables(5)})
    assert np.array_equal(column(matrix, "pair_minutes"), np.where(np.arange(1000) % 3, 3, 5))
    alone = encode_trips(sample, geometry, {GREEN: constant_tables(3)})
    assert np.array_equal(matrix[np.arange(1000) % 3 > 0], alone[np.arange(1000) % 3 > 0], equal_nan=True)


@pytest.mark.parametrize("service", ["yellow", "fhvhv"])
def test_a_service_without_encoding_tables_is_refused_by_name(
    sample: TripColumns, geometry: ZoneGeometry, service: str
) -> None:
    strange = sample | {"service_id": np.full(1000, SERVICE_IDS[service])}
    with pytest.raises(TaxiError, match=f"not been trained on trips of {service}: train it with --services {service}"):
        encode_trips(strange, geometry, {GREEN: constant_tables(3)})


def test_a_trip_is_encoded_alone_as_among_many(sample: TripColumns, geometry: ZoneGeometry) -> None:
    tables = {GREEN: constant_tables(3)}
    many = encode_trips(sample, geometry, tables)
    for row in (0, 499, 999):
        one = encode_trips({name: values[row : row + 1] for name, values in sample.items()}, geometry, tables)
        assert np.array_equal(one[0], many[row], equal_nan=True)


def test_no_trips_give_no_rows(sample: TripColumns, geometry: ZoneGeometry) -> None:
    nothing = {name: values[:0] for name, values in sample.items()}
    assert encode_trips(nothing, geometry, {}).shape == (0, len(MATRIX_COLUMNS))


def test_a_zone_without_coordinates_is_missing_and_not_zero(sample: TripColumns, geometry: ZoneGeometry) -> None:
    unknown = sample | {"dropoff_zone_id": np.full(1000, 265)}
    matrix = encode_trips(unknown, geometry, {GREEN: constant_tables(3)})
    for name in ("dropoff_x_miles", "dropoff_y_miles", "straight_line_miles", "east_miles"):
        assert np.isnan(column(matrix, name)).all(), name
    assert not np.isnan(column(matrix, "dropoff_borough")).any()


def test_a_missing_column_is_reported(sample: TripColumns, geometry: ZoneGeometry) -> None:
    past = {name: np.zeros(1000, np.float32) for name in TARGET_ENCODING_FEATURES}
    assert encode(sample, geometry, past).shape == (1000, len(MATRIX_COLUMNS))
    with pytest.raises(KeyError, match="pair_minutes"):
        encode(sample, geometry, {name: values for name, values in past.items() if name != "pair_minutes"})


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


def test_periods_of_the_citys_trips_are_in_range(sample: TripColumns) -> None:
    found = periods(sample)
    assert found.dtype.kind == "i"
    assert found.min() >= 0
    assert found.max() < PERIODS

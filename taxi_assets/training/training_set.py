"""Builds the training matrix using only data available before each pickup."""

from collections.abc import Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.features.encoding import (
    MATRIX_COLUMNS,
    OPTIONAL_FEATURES,
    OPTIONAL_INPUTS,
    SEASONAL_COLUMNS,
    encode,
    expected_minutes,
    periods,
)
from taxi_assets.features.feature_names import MODEL_INPUTS
from taxi_assets.features.out_of_fold import EncodedTrips, encode_training_trips, first_past_only_month
from taxi_assets.features.recent_traffic import (
    FIXED_DURATION,
    RECENT_TRAFFIC_COLUMNS,
    CompletedTrips,
    fixed_duration_minutes,
    lookback_seconds,
    recent_traffic_features,
)
from taxi_assets.features.target_encoding import TARGET_ENCODING_FEATURES, EncodingTables, PastTrips, Smoothing
from taxi_assets.features.trip_features import TripColumns
from taxi_assets.features.zone_geometry import ZoneGeometry
from taxi_assets.tlc.local_time import utc_seconds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# With less than a year of data, seasonal columns are noise: they are set to zero.
_MIN_MONTHS_FOR_SEASONS = 12
_WEIGHT_MONTHS = 24  # a trip this much older weighs a third as much
# Share of training rows whose optional features are masked: served trips may lack them too.
MASKED_SHARE = 0.25


@dataclass(frozen=True)
class TrainingSet:
    """The training rows, and the tables and trips that later predictions need.

    Attributes:
        matrix: Encoded trips, shape (n, len(MATRIX_COLUMNS)).
        minutes: Durations, shape (n,).
        weights: Sample weights, shape (n,).
        pickup_seconds: Pickup times, seconds since 1970, shape (n,).
        tables: Encoding tables for the month after, by service id.
        completed: The last completed trips, by service id.
    """

    matrix: NDArray[np.float32]
    minutes: Floats
    weights: Floats
    pickup_seconds: Ints
    tables: Mapping[int, EncodingTables]
    completed: Mapping[int, CompletedTrips]


def build_training_set(  # noqa: PLR0913, PLR0917
    trips: TripColumns,
    minutes: Floats,
    geometry: ZoneGeometry,
    smoothing: Smoothing,
    row_months: int,
    excluded: Set[str],
    seed: int,
) -> TrainingSet:
    """Builds the training set from the trips of a window of months.

    Args:
        trips: Columns of `MODEL_INPUTS`, and `passenger_count` and `vendor_id` if known; shape (n,) each.
        minutes: Durations, shape (n,).
        geometry: Geometry of the zones.
        smoothing: Strengths of the target encoding's smoothing.
        row_months: The training rows are trips of the last so many months.
        excluded: Names of `OPTIONAL_INPUTS` the trees must not use.
        seed: Seed of the choice of masked rows.
    """
    month = months(trips)
    first = int(month.max()) - row_months + 1
    masked = np.random.default_rng(seed).random(len(month)) < MASKED_SHARE
    names = (*TARGET_ENCODING_FEATURES, *RECENT_TRAFFIC_COLUMNS)
    features = {name: np.full(len(minutes), np.nan, np.float32) for name in names}
    tables, completed = dict[int, EncodingTables](), dict[int, CompletedTrips]()
    for service in np.unique(trips["service_id"]).tolist():
        own_service = trips["service_id"] == service
        encoded, tables[service], ended_trips = _encode_service(
            _take_rows(trips, own_service), minutes[own_service], geometry, smoothing, first
        )
        # The trips that are in a window of the month after.
        completed[service] = ended_trips.subset(ended_trips.ended_at > ended_trips.ended_at.max() - lookback_seconds())
        _assign(features, own_service, encoded)
        if set(RECENT_TRAFFIC_COLUMNS) - excluded:
            recent = own_service & (month >= first)
            # Out-of-fold expectations include later trips, so traffic ratios would leak; leave them NaN.
            with_traffic = recent & ~masked & (month >= first_past_only_month(month[own_service]))
            _fill_recent_traffic(features, trips, recent, with_traffic, geometry, ended_trips)
    kept = (month >= first) & np.isnan(features[FIXED_DURATION])
    rows = _take_rows({**trips, **features}, kept)
    matrix = encode(rows, geometry, {name: rows[name] for name in features})
    mask_features(matrix, masked[kept], len(np.unique(month[kept])), excluded)
    weights = sample_weights(matrix, month.max() + 1 - month[kept])
    return TrainingSet(matrix, minutes[kept], weights, utc_seconds(rows["pickup_at"]), tables, completed)


def _encode_service(
    trips: TripColumns, minutes: Floats, geometry: ZoneGeometry, smoothing: Smoothing, first: int
) -> tuple[EncodedTrips, EncodingTables, CompletedTrips]:
    """Encodes one service: columns, tables, and the trips completed since the month before `first`."""
    encoded, tables = encode_training_trips(_past_trips(trips, minutes), geometry, smoothing, first - 1)
    in_reach = months(trips) >= first - 1
    recent, expected = _take_rows(trips, in_reach), encoded["expected_minutes"][in_reach]
    return encoded, tables, completed_trips(recent, minutes[in_reach], expected)


def model_columns(frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """The frame's columns that the model uses, as arrays; unknown values are NaN, unknown vendors 0."""
    found = {name: frame[name].to_numpy() for name in MODEL_INPUTS}
    for name in OPTIONAL_INPUTS:
        if name in frame:
            found[name] = frame[name].to_numpy(np.float64, na_value=np.nan)
    if "vendor_id" in frame:
        found["vendor_id"] = frame["vendor_id"].to_numpy(np.float64, na_value=0)
    return found


def zero_empty_columns(matrix: NDArray[np.float32]) -> None:
    """Sets all-NaN columns to zero in place: scikit-learn cannot bin them, and no tree splits on them."""
    matrix[:, np.isnan(matrix).all(0)] = 0


def months(trips: TripColumns) -> Ints:
    """Months of the pickups since 1970, shape (n,)."""
    found: Ints = trips["pickup_at"].astype("datetime64[M]").astype(np.int64)
    return found


def completed_trips(trips: TripColumns, minutes: Floats, expected: NDArray[np.floating]) -> CompletedTrips:
    """The completed trips of one service with their expected minutes.

    A pickup in an hour that the clocks repeat is placed in the second one, so that no trip ends too early.
    """
    return CompletedTrips(
        ended_at=utc_seconds(trips["pickup_at"], repeated="second") + np.rint(minutes * 60).astype(np.int64),
        starts=trips["pickup_zone_id"].astype(np.int64),
        ends=trips["dropoff_zone_id"].astype(np.int64),
        vendor=_vendors(trips),
        minutes=minutes,
        expected=expected.astype(np.float64),
    )


def recent_traffic_columns(
    trips: TripColumns, geometry: ZoneGeometry, completed: Mapping[int, CompletedTrips]
) -> dict[str, NDArray[np.float32]]:
    """`RECENT_TRAFFIC_COLUMNS` of each trip, from completed trips by service id."""
    features = {name: np.full(len(trips["service_id"]), np.nan, np.float32) for name in RECENT_TRAFFIC_COLUMNS}
    for service, ended_trips in completed.items():
        own_service = trips["service_id"] == service
        _fill_recent_traffic(features, trips, own_service, own_service, geometry, ended_trips)
    return features


def _fill_recent_traffic(
    features: TripColumns,
    trips: TripColumns,
    recent: NDArray[np.bool_],
    with_traffic: NDArray[np.bool_],
    geometry: ZoneGeometry,
    completed: CompletedTrips,
) -> None:
    with ThreadPoolExecutor(1) as pool:  # NumPy releases the GIL while it sorts and searches
        fixed_duration = pool.submit(_fixed_duration, _take_rows(trips, recent), completed)
        own = _take_rows(trips, with_traffic)
        traffic = recent_traffic_features(
            utc_seconds(own["pickup_at"]),
            own["pickup_zone_id"].astype(np.int64),
            own["dropoff_zone_id"].astype(np.int64),
            geometry.zones.borough,
            completed,
        )
        _assign(features, with_traffic, traffic)
    _assign(features, recent, {FIXED_DURATION: fixed_duration.result()})


def _fixed_duration(trips: TripColumns, completed: CompletedTrips) -> NDArray[np.float32]:
    return fixed_duration_minutes(utc_seconds(trips["pickup_at"]), _vendors(trips), completed)


def _vendors(trips: TripColumns) -> Ints:
    unknown = np.zeros(len(trips["service_id"]))
    return np.asarray(trips.get("vendor_id", unknown), np.int64)


def mask_features(matrix: NDArray[np.float32], masked: NDArray[np.bool_], row_months: int, excluded: Set[str]) -> None:
    """Removes optional features of masked rows, excluded ones, and seasons seen less than once; in place.

    Args:
        matrix: Encoded trips.
        masked: True for rows without optional features, shape (n,).
        row_months: Number of months with training rows.
        excluded: Names of `OPTIONAL_INPUTS` the trees must not use.
    """
    if row_months < _MIN_MONTHS_FOR_SEASONS:
        matrix[:, [MATRIX_COLUMNS.index(name) for name in SEASONAL_COLUMNS]] = 0
    # The optional features are the last columns.
    matrix[masked, -len(OPTIONAL_FEATURES) :] = np.nan
    matrix[:, [MATRIX_COLUMNS.index(name) for name in OPTIONAL_FEATURES if name in excluded]] = np.nan


def sample_weights(matrix: NDArray[np.float32], age: Ints | int) -> Floats:
    """The square of expected minutes, less the older a trip is; `age` is in months."""
    return expected_minutes(matrix) ** 2 * np.exp(-np.asarray(age) / _WEIGHT_MONTHS)


def _assign(features: TripColumns, rows: NDArray[np.bool_], values: TripColumns) -> None:
    for name, each in values.items():
        features[name][rows] = each


def _take_rows(trips: TripColumns, rows: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    return dict(trips) if rows.all() else {name: values[rows] for name, values in trips.items()}


def _past_trips(trips: TripColumns, minutes: Floats) -> PastTrips:
    return PastTrips(
        starts=trips["pickup_zone_id"].astype(np.int64),
        ends=trips["dropoff_zone_id"].astype(np.int64),
        period=periods(trips),
        month=months(trips),
        week=trips["pickup_at"].astype("datetime64[W]").astype(np.int64),
        minutes=minutes,
    )

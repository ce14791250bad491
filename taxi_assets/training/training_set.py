"""Rides as they are learned from: each told by what came before it, and by nothing it would not know when served."""

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
from taxi_assets.features.out_of_fold import encode_training_trips, first_past_only_month
from taxi_assets.features.recent_traffic import (
    FIXED_DURATION,
    RECENT_TRAFFIC_COLUMNS,
    CompletedTrips,
    fixed_duration_minutes,
    lookback_seconds,
    recent_traffic_features,
)
from taxi_assets.features.target_encoding import TARGET_ENCODING_FEATURES, EncodingTables, PastTrips, Smoothing
from taxi_assets.features.trip_features import MODEL_INPUTS, TripColumns
from taxi_assets.features.zone_geometry import ZoneGeometry
from taxi_assets.tlc.local_time import utc_seconds

__all__ = [
    "TrainingSet",
    "build_training_set",
    "completed_trips",
    "model_columns",
    "recent_traffic_columns",
    "zero_empty_columns",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A season seen once is told from nothing but chance: with less than a year the trees do not see the calendar's.
_MIN_MONTHS_FOR_SEASONS = 12
_WEIGHT_MONTHS = 24  # a trip this much older counts a third as much
# So many trips are learned from without what is sometimes known: who asks may not know it either.
_MASKED_SHARE = 0.25


@dataclass(frozen=True)
class TrainingSet:
    """What trees learn from, oldest first; and what is kept for later.

    Attributes:
        matrix: Rides as the trees see them, shape (n, len(MATRIX_COLUMNS)).
        minutes: How long they took, shape (n,).
        weights: How much they count, shape (n,).
        pickup_seconds: Their pickups, seconds since 1970, shape (n,).
        tables: History for the month after, by service id.
        completed: The last trips, by service id.
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
    """Make them of the trips of a window of months.

    Args:
        trips: Columns of `MODEL_INPUTS`; `passenger_count` and `vendor_id` where they are known; shape (n,) each.
        minutes: How long they took, shape (n,).
        geometry: Geometry of the zones.
        smoothing: How the history is smoothed.
        row_months: Trees learn from trips of the last so many months.
        excluded: Those of `OPTIONAL_INPUTS` the trees shall not see.
        seed: Of the choice of trips that are learned from without what is sometimes known.
    """
    month = months(trips)
    first = int(month.max()) - row_months + 1
    masked = np.random.default_rng(seed).random(len(month)) < _MASKED_SHARE
    features = {
        name: np.full(len(minutes), np.nan, np.float32) for name in (*TARGET_ENCODING_FEATURES, *RECENT_TRAFFIC_COLUMNS)
    }
    tables, completed = dict[int, EncodingTables](), dict[int, CompletedTrips]()
    for service in np.unique(trips["service_id"]).tolist():
        own_service = trips["service_id"] == service
        service_trips = _take_rows(trips, own_service)
        encoded, tables[service] = encode_training_trips(
            _past_trips(service_trips, minutes[own_service]), geometry, smoothing, first - 1
        )
        in_reach = month[own_service] >= first - 1
        ended_trips = completed_trips(
            _take_rows(service_trips, in_reach), minutes[own_service][in_reach], encoded["expected_minutes"][in_reach]
        )
        completed[service] = _recent_only(ended_trips)
        _assign(features, own_service, encoded)
        if set(RECENT_TRAFFIC_COLUMNS) - excluded:
            recent = own_service & (month >= first)
            # What was expected out of fold knows of trips to come, this one too; what it is a share of tells nothing.
            with_traffic = recent & ~masked & (month >= first_past_only_month(month[own_service]))
            _put_recent_traffic(features, trips, recent, with_traffic, geometry, ended_trips)
    kept = (month >= first) & np.isnan(features[FIXED_DURATION])
    rows = _take_rows({**trips, **features}, kept)
    matrix = encode(rows, geometry, {name: rows[name] for name in features})
    _mask(matrix, masked[kept], month[kept], excluded)
    weights = expected_minutes(matrix) ** 2 * np.exp(-(month.max() + 1 - month[kept]) / _WEIGHT_MONTHS)
    return TrainingSet(matrix, minutes[kept], weights, utc_seconds(rows["pickup_at"]), tables, completed)


def model_columns(frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """The frame's columns the model looks at, as arrays; what is not known of a trip is NaN, its vendor 0."""
    found = {name: frame[name].to_numpy() for name in MODEL_INPUTS}
    for name in OPTIONAL_INPUTS:
        if name in frame:
            found[name] = frame[name].to_numpy(np.float64, na_value=np.nan)
    if "vendor_id" in frame:
        found["vendor_id"] = frame["vendor_id"].to_numpy(np.float64, na_value=0)
    return found


def zero_empty_columns(matrix: NDArray[np.float32]) -> None:
    """Put zeros into the columns nobody knows, which no tree can then ask for: scikit-learn has no bins for them."""
    matrix[:, np.isnan(matrix).all(0)] = 0


def months(trips: TripColumns) -> Ints:
    """Months since 1970 of the pickups."""
    found: Ints = trips["pickup_at"].astype("datetime64[M]").astype(np.int64)
    return found


def completed_trips(trips: TripColumns, minutes: Floats, expected: NDArray[np.floating]) -> CompletedTrips:
    """Rides of one service that are over, and what history led to expect of them.

    A pickup in an hour that the clocks repeat is taken to be in the second: no trip counts as over before it is.
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
    """`RECENT_TRAFFIC_COLUMNS` of each trip, from finished trips by service id."""
    features = {name: np.full(len(trips["service_id"]), np.nan, np.float32) for name in RECENT_TRAFFIC_COLUMNS}
    for service, ended_trips in completed.items():
        own_service = trips["service_id"] == service
        service_trips = _take_rows(trips, own_service)
        _assign(
            features,
            own_service,
            _recent_traffic(service_trips, geometry, ended_trips)
            | {FIXED_DURATION: _fixed_duration(service_trips, ended_trips)},
        )
    return features


def _put_recent_traffic(
    features: TripColumns,
    trips: TripColumns,
    recent: NDArray[np.bool_],
    with_traffic: NDArray[np.bool_],
    geometry: ZoneGeometry,
    completed: CompletedTrips,
) -> None:
    with ThreadPoolExecutor(1) as pool:  # NumPy lets go of the interpreter while it sorts and looks up
        fixed_duration = pool.submit(_fixed_duration, _take_rows(trips, recent), completed)
        _assign(features, with_traffic, _recent_traffic(_take_rows(trips, with_traffic), geometry, completed))
    _assign(features, recent, {FIXED_DURATION: fixed_duration.result()})


def _recent_traffic(
    trips: TripColumns, geometry: ZoneGeometry, completed: CompletedTrips
) -> dict[str, NDArray[np.float32]]:
    return recent_traffic_features(
        utc_seconds(trips["pickup_at"]),
        trips["pickup_zone_id"].astype(np.int64),
        trips["dropoff_zone_id"].astype(np.int64),
        geometry.zones.borough,
        completed,
    )


def _fixed_duration(trips: TripColumns, completed: CompletedTrips) -> NDArray[np.float32]:
    return fixed_duration_minutes(utc_seconds(trips["pickup_at"]), _vendors(trips), completed)


def _vendors(trips: TripColumns) -> Ints:
    unknown = np.zeros(len(trips["service_id"]))
    return np.asarray(trips.get("vendor_id", unknown), np.int64)


def _recent_only(completed: CompletedTrips) -> CompletedTrips:
    """Those that may still be looked at in the month after."""
    return completed.subset(completed.ended_at > completed.ended_at.max() - lookback_seconds())


def _mask(matrix: NDArray[np.float32], masked: NDArray[np.bool_], month: Ints, excluded: Set[str]) -> None:
    if len(np.unique(month)) < _MIN_MONTHS_FOR_SEASONS:
        matrix[:, [MATRIX_COLUMNS.index(name) for name in SEASONAL_COLUMNS]] = 0
    # They are the last columns.
    matrix[masked, -len(OPTIONAL_FEATURES) :] = np.nan
    matrix[:, [MATRIX_COLUMNS.index(name) for name in OPTIONAL_FEATURES if name in excluded]] = np.nan


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

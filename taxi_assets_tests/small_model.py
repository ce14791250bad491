"""A model of an invented city, fitted in under a second on one week of trips, and trips to predict."""

from copy import copy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from taxi_assets.features.encoding import expected_minutes, periods
from taxi_assets.features.feature_names import MODEL_INPUTS
from taxi_assets.features.target_encoding import EncodingTables, PastTrips, Smoothing, fit_tables
from taxi_assets.features.trip_features import SERVICE_IDS, ZONES, ZoneMap, row_features
from taxi_assets.features.zone_geometry import ZoneGeometry
from taxi_assets.serving.packaging.city_map import city_map
from taxi_assets.serving.packaging.onnx_export import write_serving_folder
from taxi_assets.training.model import DurationModel
from taxi_assets.training.predictions import calibrate_intervals
from taxi_assets.training.training_set import completed_trips, model_columns

SERVICES = ("green", "fhvhv")
# Like TLC's, two zones have the same name.
ZONE_NAMES = {zone: f"Zone {zone}" for zone in range(1, ZONES)} | {56: "Corona", 57: "Corona", 74: "East Harlem North"}
EVALUATION = {
    "month": "2023-02",
    "scope": "1_to_60_minutes",
    "rmse_minutes": {"without_recent_traffic": 1.2, "with_recent_traffic": 1.1},
}
FACTS = {
    "name": "taxi-duration",
    "version": 3,
    "run_id": "0f3c",
    "data_snapshot": 12,
    "synthetic": True,
    "evaluation": EVALUATION,
}


# The rider's page as the checkout has it; a Bento adds its map of the city.
PAGE = Path(__file__).parents[1] / "bento" / "page"


@cache
def zone_map() -> ZoneMap:
    """Zones scattered over ten miles by ten; like TLC's last two, 264 and 265 have no coordinates."""
    draw = np.random.default_rng(1)
    east, north, area = draw.uniform(0, 10, ZONES), draw.uniform(0, 10, ZONES), draw.uniform(0.2, 2, ZONES)
    for values in (east, north, area):
        values[[0, 264, 265]] = np.nan
    return ZoneMap(east, north, area, draw.integers(1, 7, ZONES), np.isin(np.arange(ZONES), [1, 132, 138]))


def trips(count: int, seed: int) -> dict[str, NDArray[Any]]:
    """Trips of one week, spread over all zones and over `SERVICES`."""
    draw = np.random.default_rng(seed)
    starts = draw.integers(1, ZONES, count)
    return {
        "service_id": np.array([SERVICE_IDS[service] for service in SERVICES])[np.arange(count) % 2],
        "pickup_at": np.datetime64("2023-01-02T00:00:00") + draw.integers(0, 7 * 86_400, count),
        "pickup_zone_id": starts,
        "dropoff_zone_id": np.where(draw.random(count) < 0.2, starts, draw.integers(1, ZONES, count)),
    }


def frame(columns: dict[str, NDArray[Any]]) -> pd.DataFrame:
    """The trips as the fitted model takes them."""
    return pd.DataFrame({**columns, **row_features(columns, zone_map())})[list(MODEL_INPUTS)]


@cache
def drawn_city() -> str:
    """The zones as squares side by side; 264 and 265 have no shape, as in TLC's shapefile."""
    ids = np.arange(1, ZONES)
    east, south = (ids - 1) % 17 * 5_000.0, (ids - 1) // 17 * 5_000.0
    squares = shapely.to_wkb(shapely.box(east, -south - 5_000, east + 5_000, -south))
    shapes = [None if zone_id > 263 else bytes(square) for zone_id, square in zip(ids, squares, strict=True)]
    names = [ZONE_NAMES[zone_id] for zone_id in ids]
    return city_map(pd.DataFrame({"zone_id": ids, "zone": names, "borough": "Queens", "shape_wkb": shapes}))


@cache
def fitted() -> DurationModel:
    """A model of three minutes a mile, faster at night, with noise; one target encoding for all its trips.

    `DurationModel.fit` would compute out-of-fold encodings for every week and service, which is slow.
    """
    known = frame(trips(4_000, seed=2))
    miles = known["zone_distance_miles"].fillna(5).to_numpy()
    pace = np.where(known["minute_of_day"] < 6 * 60, 2, 3)
    minutes = np.clip(4 + pace * miles + np.random.default_rng(3).normal(0, 1, len(known)), 1, 60)
    model = DurationModel(zone_map())
    model.zone_geometry_ = ZoneGeometry(zone_map())
    history = _history(known, minutes, model.zone_geometry_)
    model.encoding_tables_ = {SERVICE_IDS[service]: history for service in SERVICES}
    model.minutes_range_ = (1, 60)
    ended_trips = completed_trips(model_columns(known), minutes, expected_minutes(model.encode(known)))
    model.completed_trips_ = {SERVICE_IDS[service]: ended_trips for service in SERVICES}
    matrix = model.encode(model.add_recent_traffic(known.assign(duration_minutes=minutes, passenger_count=1.0)))
    trees = HistGradientBoostingRegressor(max_iter=15, min_samples_leaf=10, early_stopping=False)
    model.trees_ = trees.fit(matrix, minutes / expected_minutes(matrix))
    model.intervals_ = calibrate_intervals(minutes, trees.predict(matrix) * expected_minutes(matrix), matrix)
    return model


def _history(known: pd.DataFrame, minutes: NDArray[np.float64], geometry: ZoneGeometry) -> EncodingTables:
    model_columns = {name: known[name].to_numpy() for name in known}
    weeks = model_columns["pickup_at"].astype("datetime64[W]").astype(np.int64)
    months = model_columns["pickup_at"].astype("datetime64[M]").astype(np.int64)
    starts, ends = model_columns["pickup_zone_id"], model_columns["dropoff_zone_id"]
    past = PastTrips(starts, ends, periods(model_columns), months, weeks, minutes)
    return fit_tables(past, geometry, float(months.max() + 1), Smoothing())


def write(folder: Path) -> Path:
    """The fitted model's serving folder."""
    write_serving_folder(fitted(), folder, FACTS, ZONE_NAMES)
    return folder


def write_one_service(folder: Path) -> Path:
    """The same for the first service alone, which loads in half the time."""
    model, service = copy(fitted()), SERVICE_IDS[SERVICES[0]]
    model.encoding_tables_ = {service: model.encoding_tables_[service]}
    model.completed_trips_ = {service: model.completed_trips_[service]}
    write_serving_folder(model, folder, FACTS, ZONE_NAMES)
    return folder

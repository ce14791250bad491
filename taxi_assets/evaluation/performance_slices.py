"""Errors and interval coverage by borough, airport, hour band and frequency of the pair of zones.

Error by how often a pair occurred in training is where models of durations differ most.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.evaluation.evaluate import services_of, window_of
from taxi_assets.evaluation.metrics import score_slices, slice_trips
from taxi_assets.features.trip_features import ZONES
from taxi_assets.registry.model_files import Version
from taxi_assets.training.dataset import TRAINING_SCOPE
from taxi_assets.training.predictions import Prediction
from taxi_assets.warehouse.connection import Warehouse

PAIR_FREQUENCY = "pair_frequency"
OVERALL = "overall"
FREQUENCY_BANDS = ("0", "1-9", "10-99", "100-999", "1,000+")
_BAND_EDGES = (1, 10, 100, 1000)
_SLICES = ("pickup_borough", "airport_trip", "hour_band")
_PAIR_TRIPS = (
    "SELECT pickup_zone_id, dropoff_zone_id, count(*) FROM trip_features WHERE service IN (SELECT unnest($services)) "
    "AND month IN (SELECT unnest($months)) AND duration_minutes BETWEEN $shortest AND $longest GROUP BY ALL"
)


def read_pair_trips(warehouse: Warehouse, version: Version) -> NDArray[np.int64]:
    """Counts the trips of each pair of zones that the version was trained on, shape (266, 266).

    If the snapshot of its training has expired, the same months of the newest one are counted.
    """
    snapshot = int(version.tags["data_snapshot"])
    values = {
        "services": list(services_of(version)),
        "months": [month.first_day for month in window_of(version)],
        "shortest": TRAINING_SCOPE.shortest_minutes,
        "longest": TRAINING_SCOPE.longest_minutes,
    }
    with warehouse.at(snapshot if snapshot in warehouse.snapshots() else None).reading() as connection:
        starts, ends, trips = connection.execute(_PAIR_TRIPS, values).fetchnumpy().values()
    counts = np.zeros((ZONES, ZONES), np.int64)
    counts[starts, ends] = trips
    return counts


def performance_slices(trips: pd.DataFrame, zones: pd.DataFrame, pair_trips: NDArray[np.int64] | None) -> pd.DataFrame:
    """Assigns each trip to its slices: an ordered column of categories for each.

    Args:
        trips: Columns as for `slice_trips`.
        zones: Columns `zone_id`, `borough`, `is_airport` of `taxi_zones`.
        pair_trips: Training trips of each pair of zones, shape (266, 266); None leaves out the pair's frequency.
    """
    overall = pd.DataFrame({OVERALL: pd.Categorical(["all"] * len(trips))}, index=trips.index)
    slices = overall.join(slice_trips(trips, zones)[list(_SLICES)])
    if pair_trips is None:
        return slices
    seen = pair_trips[trips["pickup_zone_id"].to_numpy(np.int64), trips["dropoff_zone_id"].to_numpy(np.int64)]
    frequency = pd.Categorical.from_codes(np.digitize(seen, _BAND_EDGES), list(FREQUENCY_BANDS))
    return slices.assign(**{PAIR_FREQUENCY: frequency})


def score_performance(trips: pd.DataFrame, prediction: Prediction, slices: pd.DataFrame) -> pd.DataFrame:
    """Computes errors and coverage by slice.

    Args:
        trips: Column `duration_minutes`.
        prediction: Predictions of the trips.
        slices: Result of `performance_slices`.

    Returns:
        Columns `slice`, `value`, `trips`, `rmse`, `mae`, `bias`, `rmse_standard_error`, `inside`,
        `interval_rms_minutes`; the last two are missing for a model without intervals.
    """
    actual = trips["duration_minutes"].to_numpy(np.float64)
    averaged = {"rmse_standard_error": (prediction.minutes - actual) ** 4}
    if prediction.low is not None and prediction.high is not None:
        inside = (actual >= prediction.low) & (actual <= prediction.high)
        averaged["inside"] = inside.astype(np.float64)
        averaged["interval_rms_minutes"] = (prediction.high - prediction.low) ** 2
    table = score_slices(trips, prediction.minutes, slices, averaged)
    table["rmse_standard_error"] = _standard_error(table["rmse"], table["rmse_standard_error"], table["trips"])
    if "inside" in table:
        table["inside"] = (table["inside"] * table["trips"]).round().astype(np.int64)
        table["interval_rms_minutes"] = np.sqrt(table["interval_rms_minutes"])
    return table


def _standard_error(rmse: pd.Series, fourth_powers: pd.Series, trips: pd.Series) -> pd.Series:
    """Standard error of each RMSE by the delta method, from the mean fourth power of the errors."""
    variance = np.maximum(fourth_powers - rmse**4, 0) / trips
    return np.sqrt(variance) / (2 * rmse.where(rmse > 0))

"""The served model: ONNX trees and target-encoding tables, loaded without scikit-learn.

Its folder contains no code: `model.onnx`, `tables.npy`, `manifest.json`. `onnx_export` writes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError
from taxi_assets.features.encoding import encode_trips
from taxi_assets.features.recent_traffic import CompletedTrips
from taxi_assets.features.single_trip import TripEncoder
from taxi_assets.features.target_encoding import EncodingTables
from taxi_assets.features.trip_features import SERVICE_IDS, TripColumns, ZoneMap, row_features
from taxi_assets.features.zone_geometry import ZoneGeometry
from taxi_assets.serving.mapped_arrays import map_arrays
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.serving_manifest import MODEL_FILE, REMEDY, TABLES_FILE, read_manifest
from taxi_assets.serving.single_prediction import SinglePrediction
from taxi_assets.serving.zone_names import ZoneNames
from taxi_assets.training.intervals import Intervals
from taxi_assets.training.predictions import Prediction, predict_interval

MODEL_INPUT = "trips"
COMPLETED = "completed_"
"""Before a service, in the names of its completed trips' arrays."""

GOLDEN_TOLERANCE_MINUTES = 1e-3


@dataclass(frozen=True)
class ServedModel:
    """A checked model, ready to predict.

    Attributes:
        facts: The model's origin, from the manifest.
        services: Services it was trained on; the first is the default.
        zone_names: Names of the zones, by which a request may give them.
        minutes_range: Shortest and longest duration of the trips it was trained on.
        completed: The last training trips by service id, with which recent traffic begins; empty if unused.
        largest_difference_minutes: Between its predictions of the golden trips and those of the fitted model.
    """

    facts: Mapping[str, Any]
    services: tuple[str, ...]
    zone_names: ZoneNames
    geometry: ZoneGeometry
    tables: Mapping[int, EncodingTables]
    intervals: Intervals
    completed: Mapping[int, CompletedTrips]
    session: onnxruntime.InferenceSession
    minutes_range: tuple[float, float]
    largest_difference_minutes: float = 0.0

    @classmethod
    def load(cls, folder: Path) -> "ServedModel":
        """Load and check the folder.

        Raises:
            TaxiError: it is incomplete, was made by other code, or predicts the golden trips differently from the
                fitted model.
        """
        manifest = read_manifest(folder)
        session = _open_session(folder / MODEL_FILE)
        names = ZoneNames({int(zone): name for zone, name in manifest["zone_names"].items()})
        services, tables = tuple(manifest["services"]), _read_tables(folder / TABLES_FILE)
        low, high = manifest["minutes_range"]
        model = cls(manifest["facts"], services, names, *tables, session, (low, high))
        difference = model._difference(manifest["golden"])
        if difference > GOLDEN_TOLERANCE_MINUTES:
            raise TaxiError(f"{folder} is {difference:.3g} minutes off the model it was made from: {REMEDY}")
        return replace(model, largest_difference_minutes=difference)

    def predict_interval(self, trips: TripColumns) -> Prediction:
        """Minutes of each trip, and its 90 % interval.

        Args:
            trips: `service_id`, `pickup_at` (datetime64, New York time), `pickup_zone_id` and
                `dropoff_zone_id`; any of `OPTIONAL_FEATURES` that is known; shape (n,) each.

        Raises:
            TaxiError: a trip is of a service the model was not trained on.
        """
        return self.predict_matrix(self.encode(trips))

    def predict_ride(self, ride: RideRequest) -> Prediction:
        """The prediction of one ride, shape (1,), equal to that of `predict_request_intervals`, but faster."""
        return self.predict_matrix(self.encode_ride(ride))

    def encode_ride(self, ride: RideRequest) -> NDArray[np.float32]:
        """The features of one ride, shape (1, len(MATRIX_COLUMNS)).

        Raises:
            TaxiError: the model was not trained on trips of its service.
        """
        service = SERVICE_IDS[ride.service]
        zones = ride.pickup_zone_id, ride.dropoff_zone_id
        if service not in self.tables:
            return self.encode(_columns([ride]))  # raises
        return self.encoder.encode(service, ride.pickup_at, *zones, ride.passenger_count)

    def predict_matrix(
        self, matrix: NDArray[np.float32], fixed_minutes: NDArray[np.float64] | None = None
    ) -> Prediction:
        """Predictions for encoded rides, shape (n,).

        Args:
            matrix: The encoded rides.
            fixed_minutes: Minutes of vendors that write one duration for all trips, NaN for others; None if unknown.
        """
        corrections = self.session.run(None, {MODEL_INPUT: matrix})[0][:, 0]
        if len(matrix) == 1 and fixed_minutes is None:
            return self._single.predict(corrections.item(), matrix)
        return predict_interval(corrections, matrix, fixed_minutes, self.intervals)

    @cached_property
    def _single(self) -> SinglePrediction:
        return SinglePrediction(self.intervals)

    @cached_property
    def encoder(self) -> TripEncoder:
        """Encodes one ride at a time; made once, in a tenth of a second."""
        return TripEncoder(self.geometry, self.tables)

    def predict_request_intervals(self, requests: Sequence[RideRequest]) -> Prediction:
        """Predictions for ride requests."""
        return self.predict_interval(_columns(requests))

    def encode(self, trips: TripColumns) -> NDArray[np.float32]:
        """The features of trips, as `predict_interval` takes them, shape (n, len(MATRIX_COLUMNS))."""
        return encode_trips({**trips, **row_features(trips, self.geometry.zones)}, self.geometry, self.tables)

    def _difference(self, golden: Mapping[str, Any]) -> float:
        trips = {name: np.array(values) for name, values in golden["trips"].items()}
        trips["pickup_at"] = trips["pickup_at"].astype("datetime64[s]")
        trips["passenger_count"] = trips["passenger_count"].astype(np.float64)
        prediction = self.predict_interval(trips)
        differences = [np.abs(values - np.array(golden[name])).max() for name, values in vars(prediction).items()]
        return float(np.inf if np.isnan(differences).any() else max(differences))


def _columns(requests: Sequence[RideRequest]) -> TripColumns:
    passengers = [np.nan if ride.passenger_count is None else ride.passenger_count for ride in requests]
    return {
        "service_id": np.array([SERVICE_IDS[ride.service] for ride in requests]),
        "pickup_at": np.array([ride.pickup_at for ride in requests], "datetime64[s]"),
        "pickup_zone_id": np.array([ride.pickup_zone_id for ride in requests]),
        "dropoff_zone_id": np.array([ride.dropoff_zone_id for ride in requests]),
        "passenger_count": np.array(passengers, np.float64),
    }


def _read_tables(
    path: Path,
) -> tuple[ZoneGeometry, dict[int, EncodingTables], Intervals, dict[int, CompletedTrips]]:
    read: dict[str, dict[str, Any]] = {}
    for key, values in map_arrays(path).items():
        owner, _, name = key.partition("/")
        read.setdefault(owner, {})[name] = values
    geometry, intervals = ZoneGeometry(ZoneMap(**read.pop("zones"))), Intervals(**read.pop("intervals"))
    completed = {name: read.pop(name) for name in list(read) if name.startswith(COMPLETED)}
    return (
        geometry,
        {SERVICE_IDS[name]: tables for name, tables in read.items()},
        intervals,
        {SERVICE_IDS[name.removeprefix(COMPLETED)]: CompletedTrips(**each) for name, each in completed.items()},
    )


def _open_session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # One ride takes microseconds, less than a switch to other threads.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

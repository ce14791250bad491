"""A fitted model as it is served: ONNX trees and the tables around them, read without scikit-learn.

The folder it is read from holds no code: `model.onnx`, `tables.npz`, `manifest.json`. `export.py` writes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError
from taxi_assets.rides.encoding import encode_rides, expected_minutes
from taxi_assets.rides.features import SERVICE_IDS, Rides, ZoneMap, row_features
from taxi_assets.rides.history import Tables
from taxi_assets.rides.places import Places
from taxi_assets.serving.ride_request import RideRequest
from taxi_assets.serving.serving_manifest import MODEL_FILE, REMEDY, TABLES_FILE, read_manifest

__all__ = ["GOLDEN_TOLERANCE_MINUTES", "MODEL_INPUT", "ServedModel"]

MODEL_INPUT = "rides"
GOLDEN_TOLERANCE_MINUTES = 1e-3


@dataclass(frozen=True)
class ServedModel:
    """A model that has been checked and answers.

    Attributes:
        facts: What it was made of and from, as the folder's writer was told.
        services: Those it learned from, the first being the one meant where none is named.
        largest_difference_minutes: Between its answers to the golden rides and those of the fitted model.
    """

    facts: Mapping[str, Any]
    services: tuple[str, ...]
    places: Places
    tables: Mapping[int, Tables]
    session: onnxruntime.InferenceSession
    largest_difference_minutes: float = 0.0

    @classmethod
    def load(cls, folder: Path) -> "ServedModel":
        """Read the folder and check it.

        Raises:
            TaxiError: it is not whole, was made by other code, or answers the golden rides otherwise than the
                fitted model did.
        """
        manifest = read_manifest(folder)
        places, tables = _read_tables(folder / TABLES_FILE)
        session = _open_session(folder / MODEL_FILE)
        model = cls(manifest["facts"], tuple(manifest["services"]), places, tables, session)
        difference = model._difference(manifest["golden"])
        if difference > GOLDEN_TOLERANCE_MINUTES:
            raise TaxiError(f"{folder} is {difference:.3g} minutes off the model it was made from: {REMEDY}")
        return replace(model, largest_difference_minutes=difference)

    def predict(self, rides: Rides) -> NDArray[np.float64]:
        """Minutes of each ride, shape (n,).

        Args:
            rides: `service_id`, `pickup_at` (datetime64, New York's clock), `pickup_zone_id` and
                `dropoff_zone_id`; shape (n,) each.

        Raises:
            TaxiError: a ride of a service the model knows nothing of.
        """
        rides = {**rides, **row_features(rides, self.places.zones)}
        matrix = encode_rides(rides, self.places, self.tables)
        corrections = np.asarray(self.session.run(None, {MODEL_INPUT: matrix})[0][:, 0], np.float64)
        return corrections * expected_minutes(matrix)

    def predict_requests(self, requests: Sequence[RideRequest]) -> NDArray[np.float64]:
        """Minutes of each ride someone asks about, shape (n,)."""
        return self.predict(
            {
                "service_id": np.array([SERVICE_IDS[ride.service] for ride in requests]),
                "pickup_at": np.array([ride.pickup_at for ride in requests], "datetime64[s]"),
                "pickup_zone_id": np.array([ride.pickup_zone_id for ride in requests]),
                "dropoff_zone_id": np.array([ride.dropoff_zone_id for ride in requests]),
            }
        )

    def _difference(self, golden: Mapping[str, Any]) -> float:
        rides = {name: np.array(values) for name, values in golden["rides"].items()}
        rides["pickup_at"] = rides["pickup_at"].astype("datetime64[s]")
        difference = np.abs(self.predict(rides) - np.array(golden["minutes"]))
        return float(np.inf if np.isnan(difference).any() else difference.max())


def _read_tables(path: Path) -> tuple[Places, dict[int, Tables]]:
    zones: dict[str, Any] = {}
    tables: dict[int, Tables] = {}
    with np.load(path) as arrays:
        for key in arrays.files:
            owner, _, name = key.partition("/")
            if owner == "zones":
                zones[name] = arrays[key]
            else:
                tables.setdefault(SERVICE_IDS[owner], {})[name] = arrays[key]
    return Places(ZoneMap(**zones)), tables


def _open_session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # One ride takes microseconds: handing it to other threads would take longer.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

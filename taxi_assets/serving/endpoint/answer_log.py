"""Logs a worker's answers. A request whose record cannot be written is refused, with the reason."""

import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.serving_state import STATE_VARIABLE
from taxi_assets.serving.endpoint.ride_batch import RideBatch
from taxi_assets.serving.prediction_log.log_writer import LogWriter, SyncMode
from taxi_assets.serving.prediction_log.prediction_record import (
    BatchRecord,
    PredictionRecord,
    RiderHasher,
    hash_features,
    new_york_time,
)
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.variants import Variant
from taxi_assets.training.predictions import Prediction

SYNC_VARIABLE = "TAXI_PREDICTION_LOG_SYNC"
LOG_FOLDER = "prediction_log"


class Computed(NamedTuple):
    """The computation of an answer, or of a shadow variant's prediction for the same request.

    Attributes:
        matrix: The model's input, shape (n, features): 1 row for a ride, a row for each ride of a batch.
        prediction: The predictions, shape (n,).
        started: `perf_counter` at the receipt of the request; of a shadow, when its prediction began.
        shadow_of: Request id of the answer; None for the answer itself.
        traffic_age_seconds: Age of the recent traffic in a ride's input; None without.
        traffic_ages: The same of each ride of a batch.
    """

    matrix: NDArray[np.float32]
    prediction: Prediction
    started: float
    shadow_of: str | None = None
    traffic_age_seconds: int | None = None
    traffic_ages: Sequence[int | None] = ()


class AnswerLog:
    """The prediction log of one worker.

    Args:
        state: The serving state folder.
        sync: `process` or `disk`; see `LogWriter`.

    Attributes:
        folder: The folder of the prediction log.

    Raises:
        TaxiError: the folder cannot be written to, or there is no such `sync`.
    """

    def __init__(self, state: Path, sync: str = "process") -> None:
        if sync not in get_args(SyncMode):
            raise TaxiError(f"{SYNC_VARIABLE} is {sync!r}: set it to process or disk")
        self.state, self.sync, self.folder = state, cast("SyncMode", sync), state / LOG_FOLDER
        self._writer = LogWriter(self.folder, self.sync)
        self._riders = RiderHasher(state)

    @classmethod
    def from_environment(cls) -> "AnswerLog":
        """The log in the state folder of the environment, or in a temporary one without it."""
        state = os.environ.get(STATE_VARIABLE)
        folder = Path(state) if state else Path(tempfile.mkdtemp(prefix="taxi-serving-"))
        return cls(folder, os.environ.get(SYNC_VARIABLE, "process"))

    def append(self, variant: Variant, ride: RideRequest, computed: Computed) -> str:
        """Log a variant's prediction for a ride and return its request id.

        Raises:
            LogUnavailable: the record is not written.
        """
        prediction = computed.prediction
        (minutes,), (low,), (high,) = prediction.minutes, prediction.low, prediction.high  # type: ignore[misc]
        record = PredictionRecord(
            answered_at=datetime.now(UTC),
            service=ride.service,
            pickup_at=new_york_time(ride.pickup_at),
            pickup_zone_id=ride.pickup_zone_id,
            dropoff_zone_id=ride.dropoff_zone_id,
            passenger_count=ride.passenger_count,
            rider=self._rider(ride.rider_key),
            features=hash_features(computed.matrix)[0],
            duration_minutes=float(minutes),
            low_minutes=float(low),
            high_minutes=float(high),
            model_version=variant.version,
            variant=variant.name,
            latency_microseconds=_microseconds_since(computed.started),
            warnings=len(ride.warnings),
            shadow_of=computed.shadow_of,
            traffic_age_seconds=computed.traffic_age_seconds,
            vendor_id=ride.vendor_id,
        )
        return self._writer.append(record)

    def append_batch(self, variant: Variant, batch: RideBatch, computed: Computed) -> str:
        """Log a variant's predictions for a batch and return its request id; see `append`."""
        prediction, ages = computed.prediction, computed.traffic_ages
        record = BatchRecord(
            answered_at=datetime.now(UTC),
            service=batch.services,
            pickup_at=list(map(new_york_time, batch.pickup_at)),
            pickup_zone_id=batch.pickup_zone_ids,
            dropoff_zone_id=batch.dropoff_zone_ids,
            passenger_count=batch.passenger_counts,
            rider=self._rider(batch.rider_key),
            features=hash_features(computed.matrix),
            duration_minutes=prediction.minutes.tolist(),
            low_minutes=prediction.low.tolist(),  # type: ignore[union-attr]
            high_minutes=prediction.high.tolist(),  # type: ignore[union-attr]
            warnings=list(map(len, batch.warnings)),
            model_version=variant.version,
            variant=variant.name,
            latency_microseconds=_microseconds_since(computed.started),
            shadow_of=computed.shadow_of,
            vendor_id=batch.vendor_ids if any(batch.vendor_ids) else (),
            traffic_age_seconds=ages if any(age is not None for age in ages) else (),
        )
        return self._writer.append(record)

    async def durable(self) -> None:
        """Wait until the answers logged so far are as safe as `sync` promises; see `LogWriter.durable`."""
        await self._writer.durable()

    def close(self) -> None:
        """Seal the worker's segment."""
        self._writer.close()

    def _rider(self, rider_key: str | None) -> str | None:
        return None if rider_key is None else self._riders.hash(rider_key)


def _microseconds_since(started: float) -> int:
    return round((perf_counter() - started) * 1e6)

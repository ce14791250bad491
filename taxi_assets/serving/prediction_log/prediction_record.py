"""Records of the prediction log, and the hashes in them: a rider's key itself is never logged.

The rides of one `POST /predict_many` are one record of columns. The id of its third ride ends with `.2`.
"""

import hashlib
import os
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from taxi_assets.serving.prediction_log.segments import read_record
from taxi_assets.tlc.local_time import NEW_YORK

_HASH_BYTES = 8
_SALT_FILE = "rider_hash_salt"


class PredictionRecord(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind", tag="ride"
):
    """One prediction: of an answered ride, or of a shadow variant for the same ride.

    Attributes:
        answered_at: Time of the prediction, with its zone.
        service: TLC's service.
        pickup_at: New York time with its offset; see `new_york_time`.
        pickup_zone_id: TLC zone of the start.
        dropoff_zone_id: TLC zone of the end.
        passenger_count: Number of passengers, if known.
        rider: Hash of the rider's key, if one was sent; see `RiderHasher`.
        features: Hash of the model's input; see `hash_features`.
        duration_minutes: The prediction.
        low_minutes: Lower end of its 90 % interval.
        high_minutes: Upper end of its 90 % interval.
        model_version: Registered version that made it.
        variant: Its role in the routing: `champion`, `challenger`, `shadow` or `deployment`.
        shadow_of: Request id of the answered prediction; None if this one was answered.
        latency_microseconds: From the receipt of the request, of a shadow from its own begin, to this record.
        warnings: Number of warnings in the answer.
        traffic_age_seconds: Age of the newest completed trip in the features; None without recent traffic.
        request_rides: Number of rides in the request: 1 for `POST /predict`.
        vendor_id: TLC's id of the vendor, 0 if unknown.
    """

    answered_at: datetime
    service: str
    pickup_at: datetime
    pickup_zone_id: int
    dropoff_zone_id: int
    passenger_count: int | None
    rider: str | None
    features: str
    duration_minutes: float
    low_minutes: float
    high_minutes: float
    model_version: int
    variant: str
    latency_microseconds: int
    warnings: int = 0
    shadow_of: str | None = None
    traffic_age_seconds: float | None = None
    request_rides: int = 1
    vendor_id: int = 0


class BatchRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="rides"):
    """The predictions of many rides by one variant: `PredictionRecord` as columns, an element a ride.

    `vendor_id` and `traffic_age_seconds` are empty if they are unknown for all rides.
    """

    answered_at: datetime
    service: Sequence[str]
    pickup_at: Sequence[datetime]
    pickup_zone_id: Sequence[int]
    dropoff_zone_id: Sequence[int]
    passenger_count: Sequence[int | None]
    rider: str | None
    features: Sequence[str]
    duration_minutes: Sequence[float]
    low_minutes: Sequence[float]
    high_minutes: Sequence[float]
    warnings: Sequence[int]
    model_version: int
    variant: str
    latency_microseconds: int
    shadow_of: str | None = None
    traffic_age_seconds: Sequence[float | None] = ()
    vendor_id: Sequence[int] = ()


class LoggedPrediction(PredictionRecord, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="ride"):
    """A record as it is in the log, with its id."""

    request_id: str


class LoggedBatch(BatchRecord, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="rides"):
    """A record of many rides as it is in the log, with its id."""

    request_id: str

    def predictions(self) -> list[LoggedPrediction]:
        """A record for each ride."""
        count = len(self.service)
        columns = {name: getattr(self, name) for name in _BATCH_COLUMNS} | {
            "vendor_id": self.vendor_id or [0] * count,
            "traffic_age_seconds": self.traffic_age_seconds or [None] * count,
        }
        shared = {name: getattr(self, name) for name in BatchRecord.__struct_fields__ if name not in columns}
        shared["request_rides"] = count
        found = []
        for row, values in enumerate(zip(*columns.values(), strict=True)):
            ids = {"request_id": f"{self.request_id}.{row}", "shadow_of": self.shadow_of and f"{self.shadow_of}.{row}"}
            found.append(LoggedPrediction(**{**shared, **ids}, **dict(zip(columns, values, strict=True))))
        return found


_BATCH_COLUMNS = (
    *("service", "pickup_at", "pickup_zone_id", "dropoff_zone_id", "passenger_count", "features"),
    *("duration_minutes", "low_minutes", "high_minutes", "warnings"),
)
_DECODER: msgspec.json.Decoder[LoggedPrediction | LoggedBatch] = msgspec.json.Decoder(LoggedPrediction | LoggedBatch)


def decode_record(line: bytes) -> LoggedPrediction | LoggedBatch:
    """Decode a line of the log.

    Raises:
        msgspec.MsgspecError: it is no record, for example because a loss of power damaged it.
    """
    return _DECODER.decode(line)


def find_prediction(log: Path, request_id: str) -> LoggedPrediction | None:
    """Find a prediction in the log's folder by one read; None if the log does not have it.

    Raises:
        TaxiError: `request_id` is none.
    """
    record_id, _, row = request_id.partition(".")
    line = read_record(log, record_id)
    record = decode_record(line) if line else None
    if isinstance(record, LoggedPrediction):
        return None if row else record
    found = record.predictions() if record else []
    return next((each for each in found if each.request_id == request_id), None)


def new_york_time(pickup_at: datetime) -> datetime:
    """A New York time without offset, whose `fold` tells equal hours apart, with its offset."""
    return pickup_at.replace(tzinfo=NEW_YORK)


def hash_features(matrix: NDArray[Any]) -> list[str]:
    """The hash of each row of a model's input, 16 hexadecimal digits; equal rows have equal hashes.

    Args:
        matrix: Shape (n, features).
    """
    content, blake2b = np.ascontiguousarray(matrix).tobytes(), hashlib.blake2b
    size = len(content) // max(len(matrix), 1)
    rows = range(0, len(content), size or 1)
    return [blake2b(content[start : start + size], digest_size=_HASH_BYTES).hexdigest() for start in rows]


class RiderHasher:
    """Hashes riders' keys with a secret of this home, so that a list of keys does not reveal the riders.

    Args:
        state: The serving state folder, which has the secret, readable by its owner only.

    Raises:
        OSError: the folder cannot be written to.
    """

    def __init__(self, state: Path) -> None:
        self._secret = _read_or_make_secret(state)

    def hash(self, rider_key: str) -> str:
        """The hash of a rider's key, 16 hexadecimal digits."""
        content = rider_key.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(content, digest_size=_HASH_BYTES, key=self._secret).hexdigest()


def _read_or_make_secret(state: Path) -> bytes:
    state.mkdir(parents=True, exist_ok=True)
    path, draft = state / _SALT_FILE, state / f".{_SALT_FILE}.{os.getpid()}.{secrets.token_hex(4)}"
    if not path.exists():
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            path.hardlink_to(draft)  # fails if another worker was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()

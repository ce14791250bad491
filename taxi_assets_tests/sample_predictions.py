"""Records of the prediction log, alike except for the given fields."""

from datetime import UTC, datetime, timedelta
from typing import Any

from taxi_assets.serving.prediction_log.prediction_record import PredictionRecord, new_york_time

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


def prediction(number: int = 0, **fields: Any) -> PredictionRecord:
    """A prediction of version 1, answered `number` seconds after noon."""
    values: dict[str, Any] = {
        "answered_at": NOON + timedelta(seconds=number),
        "service": "green",
        "pickup_at": new_york_time(datetime(2023, 3, 1, 8, 30)),
        "pickup_zone_id": 74,
        "dropoff_zone_id": 75,
        "passenger_count": 1,
        "rider": None,
        "features": "0123456789abcdef",
        "duration_minutes": 12.5,
        "low_minutes": 8.0,
        "high_minutes": 20.0,
        "model_version": 1,
        "variant": "champion",
        "latency_microseconds": 300,
    }
    return PredictionRecord(**{**values, **fields})

"""`POST /predict`: the prediction of one ride."""

from collections.abc import Callable
from secrets import token_hex
from time import perf_counter

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from taxi_assets.serving.endpoint.answer_log import Computed
from taxi_assets.serving.endpoint.metrics import variant_metrics
from taxi_assets.serving.endpoint.pickup_time import dropoff_time
from taxi_assets.serving.endpoint.request_body import MAX_RIDE_BYTES, read_body
from taxi_assets.serving.endpoint.ride_decoder import decode_ride
from taxi_assets.serving.live_traffic import LivePrediction
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.variants import Variant
from taxi_assets.training.predictions import Prediction

MODEL_FACTS = ("name", "version", "run_id", "data_snapshot", "synthetic")
_REMEDY = "ask for one ride, or send up to 10,000 to POST /predict_many"
ASSIGNMENT_KEY_BYTES = 8  # of a request without a rider's key

LogAnswer = Callable[[NDArray[np.float32], Prediction], str]
"""Logs the answer of a model's input and its prediction, and returns its request id."""


class RecentTraffic(msgspec.Struct, gc=False):
    """If trips that ended before the pickup were known, and how long before it the last one ended."""

    known: bool
    age_seconds: int | None


class PredictionBody(msgspec.Struct, gc=False):
    """The response's fields; `openapi.PREDICTION_SCHEMA` describes them."""

    duration_minutes: float
    interval_90: tuple[float, float]
    dropoff_at: str
    service: str
    warnings: tuple[str, ...]
    model_version: int
    variant: str
    synthetic: bool
    recent_traffic: RecentTraffic
    request_id: str


_ENCODER = msgspec.json.Encoder()


async def predict(request: Request) -> Response:
    """Predict the duration and the end of a ride."""
    body = await read_body(request, MAX_RIDE_BYTES, _REMEDY)
    started = perf_counter()
    endpoint = request.app.state.endpoint
    variants, log = endpoint.variants, endpoint.log
    ride = decode_ride(body, variants.services, variants.zone_names)
    variant = variants.assign(ride.rider_key or token_hex(ASSIGNMENT_KEY_BYTES))
    endpoint.traffic.follow()
    live = endpoint.traffic.of(variant).predict_ride(ride)
    computed = Computed(live.matrix, live.prediction, started, traffic_age_seconds=live.traffic_age_seconds)
    found = answer(variant, ride, live, lambda: log.append(variant, ride, computed))
    response = Response(_ENCODER.encode(found), media_type="application/json")
    await log.durable()
    variant_metrics(variant).time("/predict", perf_counter() - started)
    return response


def answer(variant: Variant, ride: RideRequest, live: LivePrediction, log: Callable[[], str]) -> PredictionBody:
    """The response of a variant to a ride, once `log` has logged it and returned its request id.

    Raises:
        LogUnavailable: it cannot be logged, and so must not be sent.
    """
    request_id, prediction, age = log(), live.prediction, live.traffic_age_seconds
    metrics = variant_metrics(variant)
    metrics.count({ride.service: 1}, live.matrix, prediction)
    metrics.note_traffic(age)
    minutes, (low,), (high,) = float(prediction.minutes[0]), prediction.low, prediction.high  # type: ignore[misc]
    return PredictionBody(
        duration_minutes=round(minutes, 2),
        interval_90=(round(float(low), 2), round(float(high), 2)),
        dropoff_at=dropoff_time(ride.pickup_at, minutes).isoformat(),
        service=ride.service,
        warnings=ride.warnings,
        model_version=variant.version,
        variant=variant.name,
        synthetic=variant.model.facts["synthetic"],
        recent_traffic=RecentTraffic(age is not None, age),
        request_id=request_id,
    )

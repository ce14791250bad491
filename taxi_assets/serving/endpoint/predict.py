"""`POST /predict`: the prediction of one ride."""

from collections.abc import Sequence
from secrets import token_hex
from time import perf_counter

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from taxi_assets.serving.endpoint.answer_log import Computed
from taxi_assets.serving.endpoint.deployment_fields import not_deployed, read_version
from taxi_assets.serving.endpoint.metrics import variant_metrics
from taxi_assets.serving.endpoint.pickup_time import dropoff_time
from taxi_assets.serving.endpoint.request_body import MAX_RIDE_BYTES, read_body
from taxi_assets.serving.endpoint.ride_decoder import decode_ride
from taxi_assets.serving.live_traffic import LivePrediction
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.variants import Variant

PREDICT, PREDICT_BY_VERSION = "/predict", "/deployments/{version}/predict"
_REMEDY = "ask for one ride, or send up to 10,000 to POST /predict_many"
ASSIGNMENT_KEY_BYTES = 8  # of a request without a rider's key


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
    variants = request.app.state.endpoint.variants
    ride = decode_ride(body, variants.services, variants.zone_names)
    variant = variants.assign(ride.rider_key or token_hex(ASSIGNMENT_KEY_BYTES))
    return await _respond(request, variant, ride, started, PREDICT, variants.shadows)


async def predict_by_version(request: Request) -> Response:
    """Predict by exactly the version in the address, whatever the routing."""
    body = await read_body(request, MAX_RIDE_BYTES, _REMEDY)
    started = perf_counter()
    version = read_version(request)
    variant = request.app.state.endpoint.variants.deployed.get(version)
    if variant is None:
        raise not_deployed(version)
    ride = decode_ride(body, variant.model.services, variant.model.zone_names)
    return await _respond(request, variant, ride, started, PREDICT_BY_VERSION)


async def _respond(
    request: Request,
    variant: Variant,
    ride: RideRequest,
    started: float,
    address: str,
    shadows: Sequence[Variant] = (),
) -> Response:
    """The response of a variant to a ride, once it is logged; the shadows predict after it.

    Raises:
        LogUnavailable: it cannot be logged, and so must not be sent.
    """
    endpoint = request.app.state.endpoint
    log, traffic = endpoint.log, endpoint.traffic
    traffic.follow()
    live = traffic.of(variant).predict_ride(ride)
    computed = Computed(live.matrix, live.prediction, started, traffic_age_seconds=live.traffic_age_seconds)
    request_id = log.append(variant, ride, computed)
    metrics = variant_metrics(variant)
    metrics.count({ride.service: 1}, live.matrix, live.prediction)
    metrics.note_traffic([live.traffic_age_seconds])
    response = Response(
        _ENCODER.encode(prediction_body(variant, ride, live, request_id)), media_type="application/json"
    )
    if shadows:
        is_overloaded = request.app.state.admission.is_overloaded()
        response.background = await endpoint.shadows.after_answer(shadows, ride, request_id, is_overloaded)
    await log.durable()
    metrics.time(address, perf_counter() - started)
    return response


def prediction_body(variant: Variant, ride: RideRequest, live: LivePrediction, request_id: str) -> PredictionBody:
    """The response of a variant to a ride."""
    prediction, age = live.prediction, live.traffic_age_seconds
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

"""`POST /predict`: the prediction of one ride."""

from secrets import token_hex
from time import perf_counter

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from taxi_assets.serving.endpoint.metrics import variant_metrics
from taxi_assets.serving.endpoint.pickup_time import dropoff_time
from taxi_assets.serving.endpoint.request_body import MAX_RIDE_BYTES, read_body
from taxi_assets.serving.endpoint.ride_decoder import decode_ride
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.variants import Variant

MODEL_FACTS = ("name", "version", "run_id", "data_snapshot", "synthetic")
_REMEDY = "ask for one ride, or send up to 10,000 to POST /predict_many"
REQUEST_ID_BYTES = 8


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
    request_id: str


_ENCODER = msgspec.json.Encoder()


async def predict(request: Request) -> Response:
    """Predict the duration and the end of a ride."""
    body = await read_body(request, MAX_RIDE_BYTES, _REMEDY)
    started = perf_counter()
    variants = request.app.state.endpoint.variants
    ride = decode_ride(body, variants.services, variants.zone_names)
    request_id = token_hex(REQUEST_ID_BYTES)
    variant = variants.assign(ride.rider_key or request_id)
    response = Response(_ENCODER.encode(answer(variant, ride, request_id)), media_type="application/json")
    variant_metrics(variant).time("/predict", perf_counter() - started)
    return response


def answer(variant: Variant, ride: RideRequest, request_id: str) -> PredictionBody:
    """The response of a variant to a ride."""
    matrix = variant.model.encode_ride(ride)
    prediction = variant.model.predict_matrix(matrix)
    variant_metrics(variant).count({ride.service: 1}, matrix, prediction)
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
        request_id=request_id,
    )

"""`POST /predict_many`: the predictions of up to 10,000 rides, by one variant."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from secrets import token_hex
from time import perf_counter
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from taxi_assets.serving.deployments.routed_variants import RoutedVariants
from taxi_assets.serving.endpoint.answer_log import AnswerLog, Computed
from taxi_assets.serving.endpoint.batch_decoder import decode_batch
from taxi_assets.serving.endpoint.metrics import variant_metrics
from taxi_assets.serving.endpoint.predict import ASSIGNMENT_KEY_BYTES, RecentTraffic
from taxi_assets.serving.endpoint.request_body import MAX_BATCH_BYTES, read_body
from taxi_assets.serving.endpoint.ride_batch import RideBatch
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed
from taxi_assets.serving.live_traffic import LivePredictions
from taxi_assets.serving.variants import Variant
from taxi_assets.training.predictions import Prediction

_REMEDY = "send fewer rides in one request"
_ENCODER = msgspec.json.Encoder()
Interval = tuple[float, float]


class PredictedRow(msgspec.Struct, gc=False):
    """The prediction of one ride of a batch."""

    duration_minutes: float
    interval_90: Interval
    dropoff_at: str
    service: str


class RowWarning(msgspec.Struct):
    """A note on a ride; the first has row 0."""

    row: int
    warning: str


class BatchBody(msgspec.Struct):
    """The fields of every response."""

    model_version: int
    variant: str
    synthetic: bool
    recent_traffic: RecentTraffic
    request_id: str
    warnings: list[RowWarning]


class RowsBody(BatchBody):
    """The response to rows."""

    predictions: list[PredictedRow]


class ColumnsBody(BatchBody):
    """The response to columns."""

    duration_minutes: list[float]
    interval_90: list[Interval]
    dropoff_at: list[str]
    service: Sequence[str]


class AnsweredBatch(NamedTuple):
    """A batch, its response as JSON and the id of its record."""

    batch: RideBatch
    content: bytes
    request_id: str


async def predict_many(request: Request) -> Response:
    """Predict the durations and the ends of many rides."""
    body = await read_body(request, MAX_BATCH_BYTES, _REMEDY)
    endpoint, admission = request.app.state.endpoint, request.app.state.admission
    variants, shadows = endpoint.variants, endpoint.shadows

    def predict_shadows(answered: AnsweredBatch) -> None:
        batch, request_id = answered.batch, answered.request_id
        shadows.predict_batch(variants.shadows, batch, request_id, is_overloaded=admission.is_overloaded())

    answered = await endpoint.batches.predict(
        partial(respond, variants, endpoint.log, endpoint.traffic, body), predict_shadows if variants.shadows else None
    )
    await endpoint.log.durable()
    return Response(answered.content, media_type="application/json")


def respond(variants: RoutedVariants, log: AnswerLog, traffic: TrafficFeed, body: bytes) -> AnsweredBatch:
    """The response to a body.

    Raises:
        Problem: the body is wrong.
        LogUnavailable: the answer cannot be logged.
    """
    started = perf_counter()
    batch = decode_batch(body, variants.services, variants.zone_names)
    variant = variants.assign(batch.rider_key or token_hex(ASSIGNMENT_KEY_BYTES))
    live = traffic.of(variant).predict_many(batch.columns(), batch.pickup_seconds, batch.vendor_ids)
    computed = Computed(live.matrix, live.prediction, started, traffic_ages=live.traffic_age_seconds)
    request_id = log.append_batch(variant, batch, computed)
    metrics = variant_metrics(variant)
    metrics.count(Counter(batch.services), live.matrix, live.prediction)
    metrics.note_traffic(live.traffic_age_seconds)
    content = _ENCODER.encode(batch_body(variant, batch, live, request_id))
    metrics.time("/predict_many", perf_counter() - started)
    return AnsweredBatch(batch, content, request_id)


def batch_body(variant: Variant, batch: RideBatch, live: LivePredictions, request_id: str) -> RowsBody | ColumnsBody:
    """The response of a variant to a batch."""
    version, synthetic, prediction = variant.version, variant.model.facts["synthetic"], live.prediction
    warnings = [RowWarning(row, note) for row, notes in enumerate(batch.warnings) for note in notes]
    traffic = _traffic_of_all(live.traffic_age_seconds)
    shared = version, variant.name, synthetic, traffic, request_id, warnings
    columns = (
        _round(prediction.minutes),
        _intervals(prediction),
        batch.dropoff_times(prediction.minutes),
        batch.services,
    )
    if batch.is_rows:
        return RowsBody(*shared, list(map(PredictedRow, *columns)))
    return ColumnsBody(*shared, *columns)


def _traffic_of_all(ages: Sequence[int | None]) -> RecentTraffic:
    """Known if it was for every ride; then the highest age."""
    known = [age for age in ages if age is not None]
    return RecentTraffic(True, max(known)) if len(known) == len(ages) else RecentTraffic(False, None)


def _intervals(prediction: Prediction) -> list[Interval]:
    return list(zip(_round(prediction.low), _round(prediction.high), strict=True))  # type: ignore[arg-type]


def _round(minutes: NDArray[np.float64]) -> list[float]:
    found: list[float] = minutes.round(2).tolist()
    return found

"""`POST /predict_many`: the predictions of up to 10,000 rides, by one variant."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from secrets import token_hex
from time import perf_counter

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from taxi_assets.serving.deployments.routed_variants import RoutedVariants
from taxi_assets.serving.endpoint.answer_log import AnswerLog, Computed
from taxi_assets.serving.endpoint.batch_decoder import decode_batch
from taxi_assets.serving.endpoint.metrics import variant_metrics
from taxi_assets.serving.endpoint.predict import ASSIGNMENT_KEY_BYTES
from taxi_assets.serving.endpoint.problem_details import too_busy
from taxi_assets.serving.endpoint.request_body import MAX_BATCH_BYTES, read_body
from taxi_assets.serving.endpoint.ride_batch import RideBatch
from taxi_assets.serving.variants import Variant
from taxi_assets.training.predictions import Prediction

MAX_BATCHES = 4  # waiting or computed at a time; one of 10,000 rides takes a fifth of a second
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


class BatchWorker:
    """Predicts batches one after the other in a thread, so that single rides are answered meanwhile."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict_many")
        self._unfinished: list[Future[bytes]] = []

    async def predict(self, variants: RoutedVariants, log: AnswerLog, body: bytes) -> bytes:
        """The response to a body.

        Raises:
            Problem: the body is wrong, or too many batches wait.
            LogUnavailable: the answer cannot be logged.
        """
        self._unfinished = [future for future in self._unfinished if not future.done()]
        if len(self._unfinished) >= MAX_BATCHES:
            raise too_busy(f"{MAX_BATCHES} batches are predicted")
        future = self._thread.submit(respond, variants, log, body)
        self._unfinished.append(future)
        return await asyncio.wrap_future(future)


async def predict_many(request: Request) -> Response:
    """Predict the durations and the ends of many rides."""
    body = await read_body(request, MAX_BATCH_BYTES, _REMEDY)
    endpoint = request.app.state.endpoint
    content = await endpoint.batches.predict(endpoint.variants, endpoint.log, body)
    await endpoint.log.durable()
    return Response(content, media_type="application/json")


def respond(variants: RoutedVariants, log: AnswerLog, body: bytes) -> bytes:
    """The response's JSON.

    Raises:
        Problem: the body is wrong.
        LogUnavailable: the answer cannot be logged.
    """
    started = perf_counter()
    batch = decode_batch(body, variants.services, variants.zone_names)
    variant = variants.assign(batch.rider_key or token_hex(ASSIGNMENT_KEY_BYTES))
    matrix = variant.model.encode(batch.columns())
    prediction = variant.model.predict_matrix(matrix)
    request_id = log.append_batch(variant, batch, Computed(matrix, prediction, started))
    metrics = variant_metrics(variant)
    metrics.count(Counter(batch.services), matrix, prediction)
    content = _ENCODER.encode(batch_body(variant, batch, prediction, request_id))
    metrics.time("/predict_many", perf_counter() - started)
    return content


def batch_body(variant: Variant, batch: RideBatch, prediction: Prediction, request_id: str) -> RowsBody | ColumnsBody:
    """The response of a variant to a batch, from predictions of shape (n,)."""
    version, synthetic = variant.version, variant.model.facts["synthetic"]
    warnings = [RowWarning(row, note) for row, notes in enumerate(batch.warnings) for note in notes]
    shared = version, variant.name, synthetic, request_id, warnings
    columns = (
        _round(prediction.minutes),
        _intervals(prediction),
        batch.dropoff_times(prediction.minutes),
        batch.services,
    )
    if batch.is_rows:
        return RowsBody(*shared, list(map(PredictedRow, *columns)))
    return ColumnsBody(*shared, *columns)


def _intervals(prediction: Prediction) -> list[Interval]:
    return list(zip(_round(prediction.low), _round(prediction.high), strict=True))  # type: ignore[arg-type]


def _round(minutes: NDArray[np.float64]) -> list[float]:
    found: list[float] = minutes.round(2).tolist()
    return found

"""`POST /feedback`: the actual durations of rides, kept in the feedback log."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from taxi_assets.serving.deployments.routed_variants import RoutedVariants
from taxi_assets.serving.endpoint.feedback_fields import FeedbackContext, parse_feedback
from taxi_assets.serving.endpoint.feedback_log import FeedbackLog
from taxi_assets.serving.endpoint.problem_details import Problem
from taxi_assets.serving.endpoint.request_body import MAX_BATCH_BYTES, parse_json, read_body
from taxi_assets.serving.prediction_log.prediction_record import LoggedBatch, LoggedPrediction, decode_record
from taxi_assets.serving.prediction_log.segments import read_record

# Of one request: 10,000 rides of one answer are read in 50 ms.
MAX_ANSWERED_BATCHES = 20
_REMEDY = "send feedback on fewer rides in one request"
_ENCODER = msgspec.json.Encoder()


class FeedbackBody(msgspec.Struct):
    """The response's fields: number of rides by what was done with them."""

    accepted: int
    repeated: int


async def feedback(request: Request) -> Response:
    """Log the actual durations of rides."""
    body = await read_body(request, MAX_BATCH_BYTES, _REMEDY)
    endpoint = request.app.state.endpoint
    found = await asyncio.to_thread(respond, endpoint.variants, endpoint.feedback, endpoint.log.folder, body)
    await endpoint.feedback.durable()
    return Response(_ENCODER.encode(found), media_type="application/json")


def respond(variants: RoutedVariants, log: FeedbackLog, predictions: Path, body: bytes) -> FeedbackBody:
    """Log the feedback in a body.

    Args:
        variants: The served models.
        log: The feedback log.
        predictions: Folder of the prediction log.
        body: JSON in UTF-8.

    Raises:
        Problem: the body is wrong.
        LogUnavailable: it cannot be logged.
    """
    find = PredictionFinder(predictions).find
    context = FeedbackContext(variants.services, variants.zone_names, find, datetime.now(UTC))
    records = parse_feedback(parse_json(body), context)
    accepted = log.append_new(records)
    return FeedbackBody(accepted, len(records) - accepted)


class PredictionFinder:
    """Finds the predictions of one request's ids; reads the record of a batch once for all its rides.

    Args:
        folder: Folder of the prediction log.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._batches: dict[str, dict[str, LoggedPrediction]] = {}

    def find(self, request_id: str) -> LoggedPrediction | None:
        """The prediction, None if the log does not have it.

        Raises:
            Problem: the rides are of more than `MAX_ANSWERED_BATCHES` batches.
            TaxiError: it is no request id.
        """
        record_id, _, row = request_id.partition(".")
        if record_id not in self._batches:
            line = read_record(self._folder, record_id)
            try:
                record = decode_record(line) if line else None
            except msgspec.MsgspecError:
                record = None
            if not isinstance(record, LoggedBatch):
                return None if row else record
            if len(self._batches) >= MAX_ANSWERED_BATCHES:
                detail = f"the rides are of more than {MAX_ANSWERED_BATCHES} batches: {_REMEDY}"
                raise Problem(413, detail)
            self._batches[record_id] = {each.request_id: each for each in record.predictions()}
        return self._batches[record_id].get(request_id)

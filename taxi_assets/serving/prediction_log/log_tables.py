"""The endpoint's two logs, and the tables of the warehouse with their records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from taxi_assets.serving.prediction_log.feedback_record import REMEMBERED_DAYS, LoggedFeedback, decode_feedback
from taxi_assets.serving.prediction_log.prediction_record import LoggedBatch, LoggedPrediction, decode_record
from taxi_assets.settings import Settings


@dataclass(frozen=True)
class LogTable:
    """A log and the table with its records.

    Attributes:
        name: The table. Its columns are the fields of a record, beside those derived from them.
        folder: Returns the log's folder.
        days: Returns the number of days that ingested segments stay.
        id_column: Column of the records' ids.
        time_column: Column of the records' times, UTC.
        counted_by: Columns by which an ingestion counts records.
        fields: Fields of a record.
        read: Returns the records of a line with the id of its place; none if the line is no such record.
    """

    name: str
    folder: Callable[[Settings], Path]
    days: Callable[[Settings], int]
    id_column: str
    time_column: str
    counted_by: tuple[str, ...]
    fields: tuple[str, ...]
    read: Callable[[bytes, str], Sequence[msgspec.Struct]]


def _read_predictions(line: bytes, request_id: str) -> Sequence[LoggedPrediction]:
    try:
        record = decode_record(line)
        found = record.predictions() if isinstance(record, LoggedBatch) else [record]
    except (msgspec.MsgspecError, ValueError):
        return ()
    return found if record.request_id == request_id else ()


def _read_feedback(line: bytes, feedback_id: str) -> Sequence[LoggedFeedback]:
    try:
        record = decode_feedback(line)
    except msgspec.MsgspecError:
        return ()
    return (record,) if record.feedback_id == feedback_id else ()


PREDICTION_LOG = LogTable(
    "predictions",
    folder=lambda settings: settings.prediction_log,
    days=lambda settings: settings.prediction_log_days,
    id_column="request_id",
    time_column="answered_at",
    counted_by=("variant", "model_version"),
    fields=LoggedPrediction.__struct_fields__,
    read=_read_predictions,
)
FEEDBACK_LOG = LogTable(
    "feedback",
    folder=lambda settings: settings.serving_state / "feedback",
    # Recent traffic is read from the log after a restart.
    days=lambda settings: max(settings.prediction_log_days, REMEMBERED_DAYS),
    id_column="feedback_id",
    time_column="received_at",
    counted_by=("service",),
    fields=LoggedFeedback.__struct_fields__,
    read=_read_feedback,
)
LOG_TABLES = (PREDICTION_LOG, FEEDBACK_LOG)

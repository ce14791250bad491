"""Ingests sealed segments of the prediction log into the warehouse, each exactly once.

The records of all new segments and their rows of `logged_segments` are one commit. A segment's file stays for
`TAXI_PREDICTION_LOG_DAYS` after it, so that feedback and traces find its records without the warehouse.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from duckdb import DuckDBPyConnection

from taxi_assets.files import write_atomically
from taxi_assets.serving.prediction_log import segments
from taxi_assets.serving.prediction_log.log_writer import MAX_AGE_SECONDS
from taxi_assets.serving.prediction_log.prediction_record import LoggedBatch, LoggedPrediction, decode_record
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.schema import TABLES

UNREADABLE = ".unreadable"

_ARROW_TYPES: dict[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "TIMESTAMP": pa.timestamp("us"),
    "SMALLINT": pa.int16(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
}
_SCHEMA = pa.schema([(column.name, _ARROW_TYPES[column.type]) for column in TABLES["predictions"].columns])


@dataclass(frozen=True)
class SegmentContent:
    """A sealed segment's records, the number of its lines that are none, and its size in bytes."""

    records: tuple[LoggedPrediction, ...]
    torn_lines: int
    size: int


@dataclass(frozen=True)
class IngestedLog:
    """The result of an ingestion.

    Attributes:
        segments: The ingested segments, oldest first.
        predictions: Number of their records.
        torn_lines: Number of their lines that are no record.
        versions: Number of their records by variant and model version, largest first.
        first_answered_at: Time of the first record, UTC; None without records.
        last_answered_at: Time of the last record, UTC.
        removed: Segments whose files were removed, as old as `TAXI_PREDICTION_LOG_DAYS`.
        overdue: Open segments that their running writers should have sealed.
        duplicates: Records since the first of these segments whose id is in the warehouse already.
    """

    segments: tuple[str, ...] = ()
    predictions: int = 0
    torn_lines: int = 0
    versions: tuple[tuple[str, int, int], ...] = ()
    first_answered_at: datetime | None = None
    last_answered_at: datetime | None = None
    removed: tuple[str, ...] = ()
    overdue: tuple[str, ...] = ()
    duplicates: int = 0


def waiting_segments(warehouse: Warehouse) -> tuple[str, ...]:
    """The sealed segments to ingest, oldest first, after sealing those of ended writers."""
    folder = warehouse.settings.prediction_log
    segments.seal_ended(folder)
    sealed = segments.names(folder, segments.SEALED)
    if not sealed:
        return ()
    with warehouse.reading() as connection:
        return _not_ingested(connection, sealed)


def ingest_log(warehouse: Warehouse, run_id: str | None = None) -> IngestedLog:
    """Ingest every sealed segment that is not in the warehouse yet, and remove old files.

    Segments of ended writers are sealed first. A running writer seals its own by age.

    Args:
        warehouse: The warehouse; its settings locate the log.
        run_id: The Dagster run that ingests.

    Raises:
        OSError: the log cannot be read.
    """
    waiting, ingested = waiting_segments(warehouse), IngestedLog()
    if waiting:
        with warehouse.publishing(f"predictions of {len(waiting)} log segments", run_id) as connection:
            new = _not_ingested(connection, waiting)  # another process may have ingested some since
            ingested = _ingest(connection, warehouse.settings.prediction_log, new, run_id)
    return replace(ingested, removed=_remove_old(warehouse), overdue=_overdue(warehouse.settings.prediction_log))


def read_segment(folder: Path, name: str) -> SegmentContent:
    """Read a sealed segment; lines that are no record are copied to `<name>.unreadable`.

    Raises:
        OSError: it cannot be read.
    """
    content = (folder / f"{name}{segments.SEALED}").read_bytes()
    records: list[LoggedPrediction] = []
    unreadable, offset = [], 0
    for line in content.split(b"\n"):
        found = _predictions(line, segments.record_id(name, offset))
        records += found
        if line and not found:
            unreadable.append(line)
        offset += len(line) + 1
    if unreadable:
        write_atomically(folder / f"{name}{UNREADABLE}", b"\n".join(unreadable) + b"\n")
    torn_lines = len(unreadable) + (folder / f"{name}{segments.TORN}").exists()
    return SegmentContent(tuple(records), torn_lines, len(content))


def _predictions(line: bytes, request_id: str) -> list[LoggedPrediction]:
    """The predictions of a line; none if it is no record or has the id of another place."""
    try:
        record = decode_record(line)
        found = record.predictions() if isinstance(record, LoggedBatch) else [record]
    except (msgspec.MsgspecError, ValueError):
        return []
    return found if record.request_id == request_id else []


def _not_ingested(connection: DuckDBPyConnection, names: Sequence[str]) -> tuple[str, ...]:
    query = "SELECT segment FROM logged_segments WHERE segment IN (SELECT unnest($names))"
    known = {name for (name,) in connection.execute(query, {"names": list(names)}).fetchall()}
    return tuple(name for name in names if name not in known)


def _ingest(connection: DuckDBPyConnection, folder: Path, names: Sequence[str], run_id: str | None) -> IngestedLog:
    """Insert the segments' records in one file of the lake, and their rows of `logged_segments`."""
    connection.execute("CREATE TEMP TABLE logged AS FROM predictions LIMIT 0")
    torn_lines, now = 0, datetime.now(UTC).replace(tzinfo=None)
    for name in names:
        content = read_segment(folder, name)
        torn_lines += content.torn_lines
        connection.register("records", _arrow_table(content.records))
        connection.execute("INSERT INTO logged BY NAME FROM records")
        span = connection.execute("SELECT count(*), min(answered_at), max(answered_at) FROM records").fetchall()[0]
        connection.unregister("records")
        row = [name, span[0], content.torn_lines, *span[1:], content.size, now, run_id]
        connection.execute("INSERT INTO logged_segments VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", row)
    connection.execute("INSERT INTO predictions BY NAME FROM logged")
    total = connection.execute("SELECT count(*), min(answered_at), max(answered_at) FROM logged").fetchall()[0]
    versions = connection.execute(
        "SELECT variant, model_version, count(*) FROM logged GROUP BY ALL ORDER BY 3 DESC, 1, 2"
    ).fetchall()
    connection.execute("DROP TABLE temp.logged")
    count, first, last = total
    duplicates = _duplicates(connection, names)
    return IngestedLog(tuple(names), count, torn_lines, tuple(versions), first, last, duplicates=duplicates)


def _duplicates(connection: DuckDBPyConnection, names: Sequence[str]) -> int:
    query = "SELECT count(*) - count(DISTINCT request_id) FROM predictions WHERE request_id >= $first"
    return int(connection.execute(query, {"first": min(names, default="")}).fetchall()[0][0])


def _arrow_table(records: Sequence[LoggedPrediction]) -> pa.Table:
    columns: dict[str, list[Any]] = {
        name: [getattr(record, name) for record in records]
        for name in _SCHEMA.names
        if name in LoggedPrediction.__struct_fields__
    }
    columns["pickup_utc_offset_hours"] = [_offset_hours(each) for each in columns["pickup_at"]]
    columns["pickup_at"] = [each.replace(tzinfo=None) for each in columns["pickup_at"]]
    columns["answered_at"] = [each.astimezone(UTC).replace(tzinfo=None) for each in columns["answered_at"]]
    return pa.table(columns, schema=_SCHEMA)


def _offset_hours(time: datetime) -> int | None:
    offset = time.utcoffset()
    return None if offset is None else round(offset.total_seconds() / 3600)


def _remove_old(warehouse: Warehouse) -> tuple[str, ...]:
    """Remove the files of segments that are in the warehouse and as old as the setting."""
    folder = warehouse.settings.prediction_log
    before = time.time() - warehouse.settings.prediction_log_days * 86_400
    sealed = segments.names(folder, segments.SEALED)
    old = [name for name in sealed if (folder / f"{name}{segments.SEALED}").stat().st_mtime < before]
    if not old:
        return ()
    with warehouse.reading() as connection:
        waiting = _not_ingested(connection, old)
    removed = tuple(name for name in old if name not in waiting)
    for name in removed:
        (folder / f"{name}{segments.SEALED}").unlink(missing_ok=True)
    return removed


def _overdue(folder: Path) -> tuple[str, ...]:
    """Open segments of twice the age at which a writer seals its own."""
    before = time.time() - 2 * MAX_AGE_SECONDS
    return tuple(name for name in segments.names(folder, segments.OPEN) if segments.begun_at(name) < before)

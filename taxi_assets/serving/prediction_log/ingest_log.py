"""Ingests sealed segments of the endpoint's logs into the warehouse, each exactly once.

The records of all new segments and their rows of `logged_segments` are one commit. A segment's file stays for some days
after it, so that feedback, traces and recent traffic find its records without the warehouse.
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
from taxi_assets.serving.prediction_log.log_tables import PREDICTION_LOG, LogTable
from taxi_assets.serving.prediction_log.log_writer import MAX_AGE_SECONDS
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


@dataclass(frozen=True)
class SegmentContent:
    """A sealed segment's records, the number of its lines that are none, and its size in bytes."""

    records: tuple[msgspec.Struct, ...]
    torn_lines: int
    size: int


@dataclass(frozen=True)
class IngestedLog:
    """The result of an ingestion.

    Attributes:
        segments: The ingested segments, oldest first.
        records: Number of their records.
        torn_lines: Number of their lines that are no record.
        counts: Number of their records by the columns `LogTable.counted_by`, largest first.
        first_record_at: Time of the first record, UTC; None without records.
        last_record_at: Time of the last record, UTC.
        removed: Segments whose files were removed, as old as `LogTable.days`.
        overdue: Open segments that their running writers should have sealed.
        duplicates: Records since the first of these segments whose id is in the warehouse already.
    """

    segments: tuple[str, ...] = ()
    records: int = 0
    torn_lines: int = 0
    counts: tuple[tuple[Any, ...], ...] = ()
    first_record_at: datetime | None = None
    last_record_at: datetime | None = None
    removed: tuple[str, ...] = ()
    overdue: tuple[str, ...] = ()
    duplicates: int = 0


def waiting_segments(warehouse: Warehouse, log: LogTable = PREDICTION_LOG) -> tuple[str, ...]:
    """The log's sealed segments to ingest, oldest first, after sealing those of ended writers."""
    folder = log.folder(warehouse.settings)
    segments.seal_ended(folder)
    sealed = segments.names(folder, segments.SEALED)
    if not sealed:
        return ()
    with warehouse.reading() as connection:
        return _not_ingested(connection, sealed)


def ingested_segments(warehouse: Warehouse, names: Sequence[str]) -> frozenset[str]:
    """Those of the segments that are in the warehouse."""
    if not names:
        return frozenset()
    with warehouse.reading() as connection:
        return frozenset(names) - frozenset(_not_ingested(connection, names))


def ingest_log(warehouse: Warehouse, log: LogTable = PREDICTION_LOG, run_id: str | None = None) -> IngestedLog:
    """Ingest every sealed segment that is not in the warehouse yet, and remove old files.

    Segments of ended writers are sealed first. A running writer seals its own by age.

    Args:
        warehouse: The warehouse; its settings locate the log.
        log: The log and its table.
        run_id: The Dagster run that ingests.

    Raises:
        OSError: the log cannot be read.
    """
    waiting, ingested = waiting_segments(warehouse, log), IngestedLog()
    if waiting:
        with warehouse.publishing(f"{log.name} of {len(waiting)} log segments", run_id) as connection:
            new = _not_ingested(connection, waiting)  # another process may have ingested some since
            ingested = _ingest(connection, log, log.folder(warehouse.settings), new, run_id)
    return replace(ingested, removed=_remove_old(warehouse, log), overdue=_overdue(log.folder(warehouse.settings)))


def read_segment(folder: Path, name: str, log: LogTable = PREDICTION_LOG) -> SegmentContent:
    """Read a sealed segment; lines that are no record are copied to `<name>.unreadable`.

    Raises:
        OSError: it cannot be read.
    """
    content = (folder / f"{name}{segments.SEALED}").read_bytes()
    records: list[msgspec.Struct] = []
    unreadable, offset = [], 0
    for line in content.split(b"\n"):
        found = log.read(line, segments.record_id(name, offset))
        records += found
        if line and not found:
            unreadable.append(line)
        offset += len(line) + 1
    if unreadable:
        write_atomically(folder / f"{name}{UNREADABLE}", b"\n".join(unreadable) + b"\n")
    torn_lines = len(unreadable) + (folder / f"{name}{segments.TORN}").exists()
    return SegmentContent(tuple(records), torn_lines, len(content))


def _not_ingested(connection: DuckDBPyConnection, names: Sequence[str]) -> tuple[str, ...]:
    query = "SELECT segment FROM logged_segments WHERE segment IN (SELECT unnest($names))"
    known = {name for (name,) in connection.execute(query, {"names": list(names)}).fetchall()}
    return tuple(name for name in names if name not in known)


def _ingest(
    connection: DuckDBPyConnection, log: LogTable, folder: Path, names: Sequence[str], run_id: str | None
) -> IngestedLog:
    """Insert the segments' records in one file of the lake, and their rows of `logged_segments`."""
    connection.execute(f"CREATE TEMP TABLE logged AS FROM {log.name} LIMIT 0")
    span_of = f"SELECT count(*), min({log.time_column}), max({log.time_column}) FROM"
    torn_lines, now = 0, datetime.now(UTC).replace(tzinfo=None)
    for name in names:
        content = read_segment(folder, name, log)
        torn_lines += content.torn_lines
        connection.register("records", _arrow_table(log, content.records))
        connection.execute("INSERT INTO logged BY NAME FROM records")
        count, first, last = connection.execute(f"{span_of} records").fetchall()[0]
        connection.unregister("records")
        row = {"log": log.name, "segment": name, "records": count, "first_record_at": first, "last_record_at": last}
        row |= {"torn_lines": content.torn_lines, "bytes": content.size, "ingested_at": now, "run_id": run_id}
        values = ", ".join(f"${column} AS {column}" for column in row)
        connection.execute(f"INSERT INTO logged_segments BY NAME SELECT {values}", row)
    connection.execute(f"INSERT INTO {log.name} BY NAME FROM logged")
    count, first, last = connection.execute(f"{span_of} logged").fetchall()[0]
    grouped = ", ".join(log.counted_by)
    counts = connection.execute(
        f"SELECT {grouped}, count(*) AS records FROM logged GROUP BY ALL ORDER BY records DESC, {grouped}"  # noqa: S608
    ).fetchall()
    connection.execute("DROP TABLE temp.logged")
    duplicates = _duplicates(connection, log, names)
    return IngestedLog(tuple(names), count, torn_lines, tuple(counts), first, last, duplicates=duplicates)


def _duplicates(connection: DuckDBPyConnection, log: LogTable, names: Sequence[str]) -> int:
    column = log.id_column
    query = f"SELECT count(*) - count(DISTINCT {column}) FROM {log.name} WHERE {column} >= $first"  # noqa: S608
    return int(connection.execute(query, {"first": min(names, default="")}).fetchall()[0][0])


def _arrow_table(log: LogTable, records: Sequence[msgspec.Struct]) -> pa.Table:
    schema = pa.schema([(column.name, _ARROW_TYPES[column.type]) for column in TABLES[log.name].columns])
    columns: dict[str, list[Any]] = {
        name: [getattr(record, name) for record in records] for name in schema.names if name in log.fields
    }
    columns["pickup_utc_offset_hours"] = [_offset_hours(each) for each in columns["pickup_at"]]
    columns["pickup_at"] = [each.replace(tzinfo=None) for each in columns["pickup_at"]]
    columns[log.time_column] = [each.astimezone(UTC).replace(tzinfo=None) for each in columns[log.time_column]]
    return pa.table(columns, schema=schema)


def _offset_hours(time: datetime) -> int | None:
    offset = time.utcoffset()
    return None if offset is None else round(offset.total_seconds() / 3600)


def _remove_old(warehouse: Warehouse, log: LogTable) -> tuple[str, ...]:
    """Remove the files of segments that are in the warehouse and as old as `log.days`."""
    folder = log.folder(warehouse.settings)
    before = time.time() - log.days(warehouse.settings) * 86_400
    sealed = segments.names(folder, segments.SEALED)
    old = [name for name in sealed if _is_older(folder / f"{name}{segments.SEALED}", before)]
    ingested = ingested_segments(warehouse, old)
    removed = tuple(name for name in old if name in ingested)
    for name in removed:
        (folder / f"{name}{segments.SEALED}").unlink(missing_ok=True)
    return removed


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:  # another ingestion has removed it
        return False


def _overdue(folder: Path) -> tuple[str, ...]:
    """Open segments of twice the age at which a writer seals its own."""
    before = time.time() - 2 * MAX_AGE_SECONDS
    return tuple(name for name in segments.names(folder, segments.OPEN) if segments.begun_at(name) < before)

"""The lake's table `arrivals`: one row for each file that came, whatever became of it. Knows no folder.

A row is named by its `path`, the place of its file. A month has at most one row that is ingested, at most one that
waits and at most one that is unaccepted.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Literal

from duckdb import DuckDBPyConnection

from taxi_assets.months import Month
from taxi_assets.quality.results import json_safe
from taxi_assets.tlc.month_file import Arrival

__all__ = [
    "Record",
    "State",
    "drop_records",
    "ingest_record",
    "next_request",
    "put_records",
    "read_records",
    "utc_now",
]

State = Literal["arriving", "waiting", "unaccepted", "ingested", "superseded", "quarantined"]

_COLUMNS = (
    "file_name, service, month, bytes, sha256, rows, schema_era, first_seen_at, state, reasons, run_id, snapshot, "
    "is_synthetic, path, request, columns, difference, accepted_by, accepted_at"
)


@dataclass(frozen=True)
class Record:
    """A row of `arrivals`; what a column means is told in `warehouse/schema.py`."""

    path: str
    file_name: str
    state: State
    first_seen_at: datetime
    service: str | None = None
    month: Month | None = None
    bytes: int | None = None
    sha256: str | None = None
    rows: int | None = None
    schema_era: str | None = None
    reasons: tuple[str, ...] = ()
    run_id: str | None = None
    snapshot: int | None = None
    is_synthetic: bool | None = None
    request: int | None = None
    columns: tuple[str, ...] | None = None
    difference: Mapping[str, Any] | None = None
    accepted_by: str | None = None
    accepted_at: datetime | None = None

    @property
    def is_taken(self) -> bool:
        """It is in the store: a whole file of a month."""
        return self.request is not None

    def label(self) -> str:
        """The file as a sentence names it."""
        return f"{self.file_name} ({(self.sha256 or 'not taken')[:16]})"


def utc_now() -> datetime:
    """The time as the ledger keeps it: UTC, without a zone. Nothing is decided by it."""
    return datetime.now(UTC).replace(tzinfo=None)


def read_records(connection: DuckDBPyConnection) -> list[Record]:
    """Every row, in the order they were first seen, and as requested."""
    query = f"SELECT {_COLUMNS} FROM arrivals ORDER BY first_seen_at, request NULLS FIRST, path"
    return [_record(row) for row in connection.execute(query).fetchall()]


def put_records(connection: DuckDBPyConnection, records: Iterable[Record]) -> None:
    """Write rows; one of the same path is replaced."""
    new = list(records)
    drop_records(connection, [record.path for record in new])
    marks = ", ".join("?" for _ in _COLUMNS.split(","))
    for record in new:
        connection.execute(f"INSERT INTO arrivals ({_COLUMNS}) VALUES ({marks})", _values(record))


def drop_records(connection: DuckDBPyConnection, paths: Sequence[str]) -> None:
    """Forget the rows of these paths."""
    if paths:
        connection.execute("DELETE FROM arrivals WHERE path IN (SELECT unnest($paths))", {"paths": list(paths)})


def next_request(records: Iterable[Record]) -> int:
    """A number no request has had."""
    return 1 + max((record.request or 0 for record in records), default=0)


def ingest_record(
    connection: DuckDBPyConnection,
    arrival: Arrival,
    rows: int,
    run_id: str | None,
    difference: Mapping[str, Any] | None = None,
) -> None:
    """Note in the transaction that publishes a month which file it is from now on.

    The file that was ingested before is superseded. A file that is ingested already keeps its row, but for the number
    of rows, which is the file's own count.
    """
    records = [r for r in read_records(connection) if (r.service, r.month) == (arrival.service, arrival.month)]
    taken = [r for r in records if r.state != "quarantined"]
    own = next((r for r in taken if r.is_taken and r.sha256 == arrival.sha256), None)
    if own and own.state == "ingested":
        put_records(connection, [replace(own, rows=rows)] if own.rows != rows else [])
        return
    if own is None:
        own = _unreceived(arrival, next_request(read_records(connection)))
    reasons = (f"replaced by {own.label()}",)
    former = [replace(record, state="superseded", reasons=reasons) for record in taken if record.state == "ingested"]
    new = replace(own, state="ingested", reasons=(), rows=rows, run_id=run_id, difference=difference)
    put_records(connection, [*former, replace(new, snapshot=_own_snapshot(connection))])


def _own_snapshot(connection: DuckDBPyConnection) -> int:
    """The number the open transaction will have: whoever publishes does so alone."""
    return int(connection.execute("SELECT max(snapshot_id) + 1 FROM lake.snapshots()").fetchall()[0][0])


def _unreceived(arrival: Arrival, request: int) -> Record:
    """The row of a file that is published from where it lies."""
    return Record(
        path=str(arrival.path),
        file_name=arrival.label,
        state="waiting",
        first_seen_at=utc_now(),
        service=arrival.service,
        month=arrival.month,
        bytes=arrival.bytes,
        sha256=arrival.sha256,
        is_synthetic=arrival.is_synthetic,
        request=request,
    )


def _record(row: tuple[Any, ...]) -> Record:
    found = dict(zip(_COLUMNS.split(", "), row, strict=True))
    day: date | None = found["month"]
    columns, difference = found["columns"], found["difference"]
    is_arriving = found["state"] == "waiting" and found["request"] is None  # as earlier versions called it
    return Record(
        **{
            **found,
            "state": "arriving" if is_arriving else found["state"],
            "month": Month(day.year, day.month) if day else None,
            "reasons": tuple(found["reasons"] or ()),
            "columns": None if columns is None else tuple(columns),
            "difference": json.loads(difference) if difference else None,
        }
    )


def _values(record: Record) -> list[Any]:
    return [
        record.file_name,
        record.service,
        record.month.first_day if record.month else None,
        record.bytes,
        record.sha256,
        record.rows,
        record.schema_era,
        record.first_seen_at,
        record.state,
        list(record.reasons),
        record.run_id,
        record.snapshot,
        record.is_synthetic,
        record.path,
        record.request,
        None if record.columns is None else list(record.columns),
        None if record.difference is None else json.dumps(json_safe(record.difference), allow_nan=False),
        record.accepted_by,
        record.accepted_at,
    ]

"""Reads and writes the table `source_files`: one row for each file, in any state. Touches no files.

A row's key is the `path` of its file. A month has at most one ingested, one waiting and one unaccepted file.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any, Literal

from duckdb import DuckDBPyConnection

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.quality.results import json_safe
from taxi_assets.warehouse.queries import newest_snapshot

State = Literal["arriving", "waiting", "unaccepted", "ingested", "superseded", "quarantined"]


@dataclass(frozen=True)
class SourceFile:
    """A row of `source_files`; `warehouse/schema.py` describes the columns.

    `path` is relative to the home.
    """

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
    def is_stored(self) -> bool:
        """True for a complete month's file, which is in the file store."""
        return self.request is not None

    def require_month(self) -> tuple[str, Month]:
        """The service and month of a month's file.

        Raises:
            TaxiError: it is not a month's file.
        """
        if self.service is None or self.month is None:
            raise TaxiError(f"{self.label} is not a month's file: put a file named as TLC names a month into landing")
        return self.service, self.month

    @property
    def label(self) -> str:
        """The file's name and the start of its SHA-256, for messages."""
        return f"{self.file_name} ({(self.sha256 or 'not taken')[:16]})"


_COLUMNS = tuple(field.name for field in fields(SourceFile))


def utc_now() -> datetime:
    """The current time in UTC, without a time zone. For display only: no decision depends on it."""
    return datetime.now(UTC).replace(tzinfo=None)


def read_source_files(connection: DuckDBPyConnection) -> list[SourceFile]:
    """Every row, ordered by first sight, then by request."""
    query = f"SELECT {', '.join(_COLUMNS)} FROM source_files ORDER BY first_seen_at, request NULLS FIRST, path"
    return [_record(row) for row in connection.execute(query).fetchall()]


def write_source_files(connection: DuckDBPyConnection, records: Iterable[SourceFile]) -> None:
    """Write rows; a row of the same path is replaced."""
    new = list(records)
    delete_source_files(connection, [record.path for record in new])
    marks = ", ".join("?" for _ in _COLUMNS)
    for record in new:
        connection.execute(f"INSERT INTO source_files ({', '.join(_COLUMNS)}) VALUES ({marks})", _values(record))


def delete_source_files(connection: DuckDBPyConnection, paths: Sequence[str]) -> None:
    """Delete the rows of these paths."""
    if paths:
        connection.execute("DELETE FROM source_files WHERE path IN (SELECT unnest($paths))", {"paths": list(paths)})


def next_request(records: Iterable[SourceFile]) -> int:
    """The next unused request number."""
    return 1 + max((record.request or 0 for record in records), default=0)


def of_month(
    records: Iterable[SourceFile], service: str | None, month: Month | None, *states: State
) -> list[SourceFile]:
    """The rows of one month, in their order; only those in `states`, if any are named."""
    return [r for r in records if (r.service, r.month) == (service, month) and (not states or r.state in states)]


def mark_ingested(
    connection: DuckDBPyConnection,
    source_file: SourceFile,
    rows: int,
    run_id: str | None,
    difference: Mapping[str, Any] | None = None,
) -> SourceFile:
    """Record the month's file in the transaction that publishes it; returns its row.

    The previously ingested file becomes superseded. The row of a file that is already ingested stays.
    """
    records = read_source_files(connection)
    taken = [r for r in of_month(records, source_file.service, source_file.month) if r.state != "quarantined"]
    own = next((r for r in taken if r.is_stored and r.sha256 == source_file.sha256), None)
    if own and own.state == "ingested":
        return own
    if own is None:
        own = replace(source_file, request=next_request(records))
    reasons = (f"replaced by {own.label}",)
    former = [replace(record, state="superseded", reasons=reasons) for record in taken if record.state == "ingested"]
    snapshot = newest_snapshot(connection) + 1  # of the open transaction: the publish lock admits one writer
    changes: dict[str, Any] = {"rows": rows, "run_id": run_id, "difference": difference, "snapshot": snapshot}
    own = replace(own, state="ingested", reasons=(), **changes)
    write_source_files(connection, [*former, own])
    return own


def _record(row: tuple[Any, ...]) -> SourceFile:
    found = dict(zip(_COLUMNS, row, strict=True))
    day: date | None = found["month"]
    columns, difference = found["columns"], found["difference"]
    return SourceFile(
        **{
            **found,
            "month": Month(day.year, day.month) if day else None,
            "reasons": tuple(found["reasons"] or ()),
            "columns": None if columns is None else tuple(columns),
            "difference": json.loads(difference) if difference else None,
        }
    )


def _values(record: SourceFile) -> list[Any]:
    """The values of a row, in the order of `_COLUMNS`."""
    row = vars(record) | {
        "month": record.month.first_day if record.month else None,
        "reasons": list(record.reasons),
        "columns": None if record.columns is None else list(record.columns),
        "difference": None if record.difference is None else json.dumps(json_safe(record.difference), allow_nan=False),
    }
    return [row[name] for name in _COLUMNS]

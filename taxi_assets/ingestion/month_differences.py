"""Compares a republished month with its previous rows: rows, columns and main statistics.

Rows with equal vendor, times and zones are the same trip. A trip is changed if other columns that both files have
differ. A file can contain the same row twice, so the comparison counts rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection

from taxi_assets.ingestion.source_files import SourceFile, of_month, read_source_files
from taxi_assets.tlc.contract import map_columns
from taxi_assets.warehouse.connection import month_key
from taxi_assets.warehouse.queries import sql


@dataclass(frozen=True)
class PreviousMonth:
    """The month as published before from another file; the table `previous_trips` has its row hashes."""

    record: SourceFile
    statistics: Mapping[str, Any]
    columns: "SharedColumns"


@dataclass(frozen=True)
class SharedColumns:
    """Columns of two files of a month: canonical and unknown names in both, then added and removed ones."""

    canonical: tuple[str, ...]
    unknown: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]

    def values(self) -> Mapping[str, list[str]]:
        """Values of the SQL parameters `$shared` and `$unknown_pointers`."""
        pointers = ["/" + name.replace("~", "~0").replace("/", "~1") for name in self.unknown]
        return {"shared": list(self.canonical), "unknown_pointers": pointers}


def shared_columns(before: Sequence[str], after: Sequence[str]) -> SharedColumns:
    """Match the columns of two files by meaning, so that a renamed column counts as shared."""
    former, latter = map_columns(before), map_columns(after)
    unknown = tuple(name for name in latter.unknown if name in former.unknown)
    known = tuple(name for name in latter.known if name in former.known)
    added, removed = (
        (*(of for name, of in file.known.items() if name not in known), *(n for n in file.unknown if n not in unknown))
        for file in (latter, former)
    )
    return SharedColumns(known, unknown, added, removed)


def hash_previous_month(
    connection: DuckDBPyConnection, source_file: SourceFile, names: Sequence[str]
) -> PreviousMonth | None:
    """Hash the month's rows before they are replaced; None if the month is new or its file is the same.

    `names` are the columns of the new file, as published.
    """
    ingested = of_month(read_source_files(connection), source_file.service, source_file.month, "ingested")
    record = next((r for r in ingested if r.sha256 != source_file.sha256), None)
    if record is None:
        return None
    columns = shared_columns(record.columns or names, names)
    _hash_trips(connection, "previous_trips", source_file, columns)
    return PreviousMonth(record, _statistics(connection, source_file), columns)


def compare_month(connection: DuckDBPyConnection, former: PreviousMonth, source_file: SourceFile) -> dict[str, Any]:
    """The difference between the new rows of the open transaction and the previous ones, ready for JSON."""
    _hash_trips(connection, "replacing_trips", source_file, former.columns)
    added, removed, changed = connection.execute(sql("republished_trips")).fetchall()[0]
    for table in ("previous_trips", "replacing_trips"):
        connection.execute(f"DROP TABLE temp.{table}")
    after, columns = _statistics(connection, source_file), former.columns
    return {
        "former_sha256": former.record.sha256,
        "rows": {"added": added, "removed": removed, "changed": changed},
        "columns": {
            "shared": len(columns.canonical) + len(columns.unknown),
            "added": list(columns.added),
            "removed": list(columns.removed),
        },
        "statistics": {name: {"before": of, "after": after[name]} for name, of in former.statistics.items()},
    }


def _hash_trips(connection: DuckDBPyConnection, table: str, source_file: SourceFile, columns: SharedColumns) -> None:
    values = {**month_key(*source_file.require_month()), **columns.values()}
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {sql('trip_hashes')}", values)


def _statistics(connection: DuckDBPyConnection, source_file: SourceFile) -> dict[str, Any]:
    found = connection.execute(sql("month_statistics"), month_key(*source_file.require_month()))
    return dict(zip([name for name, *_ in found.description], found.fetchall()[0], strict=True))

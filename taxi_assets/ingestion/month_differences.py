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
from taxi_assets.warehouse.connection import create_month_view, month_key
from taxi_assets.warehouse.queries import sql


@dataclass(frozen=True)
class PreviousMonth:
    """The month as published before from another file, and statistics of its rows before and after.

    The tables `previous_trips` and `replacing_trips` have the row hashes.
    """

    record: SourceFile
    before: Mapping[str, Any]
    after: Mapping[str, Any]
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
    """Hash the published rows and those of `month_trips`; None if the month is new or its file the same.

    `names` are the columns of the new file, as published.
    """
    ingested = of_month(read_source_files(connection), source_file.service, source_file.month, "ingested")
    record = next((r for r in ingested if r.sha256 != source_file.sha256), None)
    if record is None:
        return None
    columns = shared_columns(record.columns or names, names)
    create_month_view(connection, "compared_trips", "raw_trips", month_key(*source_file.require_month()))
    _hash_trips(connection, "previous_trips", columns)
    before = _statistics(connection)
    connection.execute("CREATE OR REPLACE TEMP VIEW compared_trips AS FROM month_trips")
    _hash_trips(connection, "replacing_trips", columns)
    return PreviousMonth(record, before, _statistics(connection), columns)


def compare_month(connection: DuckDBPyConnection, former: PreviousMonth) -> dict[str, Any]:
    """The difference between the month's new rows and the previous ones, ready for JSON."""
    added, removed, changed = connection.execute(sql("republished_trips")).fetchall()[0]
    columns = former.columns
    return {
        "former_sha256": former.record.sha256,
        "rows": {"added": added, "removed": removed, "changed": changed},
        "columns": {
            "shared": len(columns.canonical) + len(columns.unknown),
            "added": list(columns.added),
            "removed": list(columns.removed),
        },
        "statistics": {name: {"before": of, "after": former.after[name]} for name, of in former.before.items()},
    }


def _hash_trips(connection: DuckDBPyConnection, table: str, columns: SharedColumns) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {sql('trip_hashes')}", columns.values())


def _statistics(connection: DuckDBPyConnection) -> dict[str, Any]:
    found = connection.execute(sql("month_statistics"))
    return dict(zip([name for name, *_ in found.description], found.fetchall()[0], strict=True))

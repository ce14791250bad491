"""Puts parquet files into the lake: TLC's own bytes, converted rows, kept trips.

A file is written or put below the lake's data path first, checked there, and registered in a table by the transaction
that publishes its month. TLC's files are not copied in the home: a hard link takes no space, and the lake deletes its
link, never the file store's file. They are uploaded to a data path in S3. Files of equal columns share a table; the
view `raw_trips` shows all of them under canonical names and types.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from duckdb import CatalogException, DuckDBPyConnection

from taxi_assets.files import sha256_of
from taxi_assets.ingestion.casting import CanonicalTrips, select_list
from taxi_assets.settings import Settings
from taxi_assets.warehouse.data_path import NewFiles, link_file, put_file
from taxi_assets.warehouse.schema import TABLES
from taxi_assets.warehouse.sql_quotes import quote_identifier, quote_literal

CONVERTED = "converted_trips"
_RAW_FILES = "raw_files_"
# DuckLake's own columns, and the two that a registered file gets from its folder.
_RESERVED = {"service", "month", "filename", "file_index", "rowid", "snapshot_id"}
# Arrow types that DuckLake reads from a registered file; it refuses half floats, for example.
_REGISTRABLE = {
    *("int8", "int16", "int32", "int64", "float", "double", "string", "large_string", "bool", "null"),
    *("timestamp[s]", "timestamp[ms]", "timestamp[us]", "dictionary<values=string, indices=int32, ordered=0>"),
}
# As DuckLake's own files: see `connection.py`.
_COPY_OPTIONS = "FORMAT parquet, PARQUET_VERSION V2, COMPRESSION snappy"


@dataclass(frozen=True)
class LakeFile:
    """A parquet file below the lake's data that `register` adds to a table.

    `columns` are those of the table, as SQL; `query` is the canonical view of TLC's own bytes.
    """

    path: str
    table: str
    columns: str = ""
    query: str = ""


def raw_file(
    connection: DuckDBPyConnection,
    files: NewFiles,
    trips_view: CanonicalTrips,
    key: Mapping[str, object],
    sha256: str,
) -> LakeFile:
    """A month's file as a new file of the lake.

    Points the view `canonical_trips` to it, if its rows had to be converted. `sha256` is the file's checksum.
    """
    types = _registrable_types(connection, trips_view)
    if types is None:
        path = files.add(CONVERTED, key)
        copy_rows(connection, "SELECT * FROM canonical_trips", path)
        read = f"SELECT * FROM read_parquet({quote_literal(path)}, hive_partitioning = false)"
        connection.execute(f"CREATE OR REPLACE TEMP VIEW canonical_trips AS {read}")
        return LakeFile(path, CONVERTED)
    names = ", ".join(f"{quote_identifier(name)} {kind}" for name, kind in types.items())
    casts = select_list(trips_view)
    table = _RAW_FILES + hashlib.sha256(json.dumps([names, casts]).encode()).hexdigest()[:12]
    query = f"SELECT service, month, file_row_number AS source_row, {casts} FROM {table}"
    path = files.add(table, key, f"{sha256}-")
    put_file(connection, files.settings, trips_view.path, path)
    return LakeFile(path, table, f"{names}, service VARCHAR, month DATE", query)


def kept_file(
    connection: DuckDBPyConnection,
    files: NewFiles,
    query: str,
    values: Mapping[str, object],
    key: Mapping[str, object],
) -> LakeFile:
    """The query's rows as a new file of `kept_trips`, which the view `month_kept` reads."""
    path = files.add("kept_trips", key)
    copy_rows(connection, query, path, values)
    types = "hive_partitioning = true, hive_types = {'service': VARCHAR, 'month': DATE}"
    read = f"SELECT * FROM read_parquet({quote_literal(path)}, {types})"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW month_kept AS {read}")
    return LakeFile(path, "kept_trips")


def register(connection: DuckDBPyConnection, file: LakeFile) -> None:
    """Add the file's rows to its table in the open transaction."""
    if file.columns and not _has_table(connection, file.table):
        connection.execute(f"CREATE TABLE {file.table} ({file.columns})")
        connection.execute(f"CREATE VIEW raw_trips_{file.table.removeprefix(_RAW_FILES)} AS {file.query}")
        _extend_raw_trips(connection)
    connection.execute(
        f"CALL ducklake_add_data_files('lake', {quote_literal(file.table)}, {quote_literal(file.path)}, "
        "hive_partitioning => true)"
    )


def mend_links(settings: Settings, file: Path, sha256: str) -> None:
    """Replace damaged links to a file by links to a good copy of it, which has the same rows."""
    if settings.data_path:  # S3 has no links
        return
    data = settings.warehouse / "data" / "main"
    for path in data.glob(f"{_RAW_FILES}*/service=*/month=*/{sha256}-*.parquet"):
        if not path.samefile(file) and sha256_of(path) != sha256:
            draft = path.with_name(f"{uuid4().hex}.parquet")
            link_file(file, draft)
            draft.replace(path)


def copy_rows(
    connection: DuckDBPyConnection, query: str, path: Path | str, values: Mapping[str, object] | None = None
) -> None:
    """Write the rows of a query to a parquet file."""
    connection.execute(f"COPY ({query}) TO {quote_literal(str(path))} ({_COPY_OPTIONS})", values)


def _extend_raw_trips(connection: DuckDBPyConnection) -> None:
    """Make `raw_trips` the rows of every table of raw files."""
    query = "SELECT view_name FROM duckdb_views() WHERE database_name = 'lake' AND starts_with(view_name, 'raw_trips_')"
    views = sorted(name for (name,) in connection.execute(query).fetchall())
    columns = ", ".join(column.name for column in TABLES["raw_trips"].columns)
    parts = [f"SELECT {columns} FROM {name}" for name in (CONVERTED, *views)]
    connection.execute(f"CREATE OR REPLACE VIEW raw_trips AS {' UNION ALL '.join(parts)}")


def _has_table(connection: DuckDBPyConnection, table: str) -> bool:
    try:  # takes a tenth of the time of a query of `duckdb_tables()`
        connection.table(table)
    except CatalogException:
        return False
    return True


def _registrable_types(connection: DuckDBPyConnection, trips_view: CanonicalTrips) -> dict[str, str] | None:
    """DuckDB's type of each column; None if the file cannot be registered as it is."""
    if not trips_view.is_plain or trips_view.unreadable or not {*trips_view.columns.types} <= _REGISTRABLE:
        return None
    found = connection.execute(
        "DESCRIBE SELECT * FROM read_parquet(getvariable('trips_view'), hive_partitioning = false)"
    ).fetchall()
    types = {str(name): str(kind) for name, kind, *_ in found}
    return None if _RESERVED & {name.casefold() for name in types} else types

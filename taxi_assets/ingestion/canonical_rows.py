"""Creates the view `canonical_trips`: a file's rows under canonical names, for any era and format.

DuckDB itself reads parquet with zone ids. Arrow streams the rest in batches, so that a month of any size fits into
memory: text, coordinates, and column names that DuckDB would change. A streamed view can be read once.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.casting import CanonicalTrips, is_text, read_number, select_list, word
from taxi_assets.ingestion.file_columns import FileColumns, can_be_read, integer_bounds, read_columns
from taxi_assets.ingestion.file_times import decide_readings, read_typed, refuse_mixed_time_zones, survey_query
from taxi_assets.ingestion.row_stream import open_stream
from taxi_assets.ingestion.unreadable_values import require_numbers
from taxi_assets.tlc.contract import check_service, map_columns

if TYPE_CHECKING:
    from taxi_assets.ingestion.point_zones import ZoneRaster

_STREAM_ERROR_PREFIX = "get_next failed(): "  # DuckDB's mark of an error in a stream


@contextmanager
def canonical_trips(
    connection: duckdb.DuckDBPyConnection, path: Path, service: str, label: str | None = None
) -> Iterator[CanonicalTrips]:
    """Create the temporary view `canonical_trips` of a file.

    Its columns are `source_row`, those of the contract, `other_columns` and `unreadable`.

    Args:
        connection: where the view is created; its `taxi_zones` turn coordinates into zone ids.
        path: a complete parquet or CSV file.
        service: the expected service.
        label: the file's name in errors, if not the name of `path`.

    Raises:
        TaxiError: the file breaks the contract (before a row is read), or cannot be read to its end.
    """
    columns, label = read_columns(path), label or path.name
    with _blame_file(label, path, columns):
        try:
            trips_view = _create_view(connection, path, columns, service)
        except TaxiError as error:
            raise TaxiError(f"{label} does not meet the contract: {error}") from error
        yield trips_view


def _create_view(
    connection: duckdb.DuckDBPyConnection, path: Path, columns: FileColumns, service: str
) -> CanonicalTrips:
    check_service(columns.names, service)
    map_columns(columns.names)
    unique = replace(columns, names=_with_unique_names(columns.names))
    mapping = map_columns(unique.names)
    trips_view = CanonicalTrips(path, unique, mapping, _is_plain(columns) and not mapping.needs_zones)
    connection.execute("SET VARIABLE trips_view = $path", {"path": str(path)})
    _survey_columns(connection, trips_view)
    (_view_parquet if trips_view.is_plain else _view_stream)(connection, trips_view)
    return trips_view


@contextmanager
def _blame_file(label: str, path: Path, columns: FileColumns) -> Iterator[None]:
    """Turn a DuckDB error that the file causes into a `TaxiError` that names the file."""
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
        if _STREAM_ERROR_PREFIX not in reason and (columns.rows is None or can_be_read(path)):
            raise
        reason = reason.rpartition(_STREAM_ERROR_PREFIX)[2].partition(". Detail:")[0]
        raise TaxiError(f"{label} cannot be read to its end ({reason}): replace it with TLC's own") from error


def _is_plain(columns: FileColumns) -> bool:
    """True if DuckDB can read the parquet file with its column names unchanged.

    DuckDB renames columns that differ only in case, and reserves the empty name and `file_row_number`.
    """
    names = {name.casefold() for name in columns.names} - {"", "file_row_number"}
    return columns.rows is not None and len(names) == len(columns.names)


def _view_parquet(connection: duckdb.DuckDBPyConnection, trips_view: CanonicalTrips) -> None:
    columns = select_list(trips_view)
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW canonical_trips AS SELECT file_row_number AS source_row, {columns} "
        "FROM read_parquet(getvariable('trips_view'), file_row_number = true, hive_partitioning = false)"
    )


def _view_stream(connection: duckdb.DuckDBPyConnection, trips_view: CanonicalTrips) -> None:
    raster = _raster(connection) if trips_view.mapping.needs_zones else None
    connection.register("streamed_rows", open_stream(trips_view, raster))
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW canonical_trips AS SELECT * EXCLUDE (line_number, line) REPLACE ("
        "CASE WHEN line IS NULL THEN other_columns END AS other_columns, "
        "CASE WHEN line IS NULL THEN unreadable ELSE json_object('line', line_number, 'text', line) END AS unreadable"
        f") FROM (SELECT source_row, line_number, line, {select_list(trips_view)} FROM streamed_rows)"
    )


def _survey_columns(connection: duckdb.DuckDBPyConnection, trips_view: CanonicalTrips) -> None:
    """Choose each time column's reading and count unreadable values, in one pass over those columns."""
    kinds = {name: trips_view.types[name] for column, name in trips_view.known if column.type == "TIMESTAMP"}
    texts = {name: word(trips_view.source(name)) for name, kind in kinds.items() if is_text(kind)}
    numbers = _numbers(trips_view)
    trips_view.times.update({name: read_typed(kind) for name, kind in kinds.items() if kind.startswith("timestamp")})
    if texts or numbers:
        with _unparsed_relation(connection, trips_view) as relation:
            query = survey_query(list(texts.values()), relation, list(numbers.values()))
            row = connection.execute(query).fetchall()[0]
        trips_view.times.update(decide_readings(list(texts), row[: len(texts)]))
        _count_unreadable(trips_view, dict(zip([*texts, *numbers], row, strict=True)))
    refuse_mixed_time_zones(trips_view.times)


def _numbers(trips_view: CanonicalTrips) -> dict[str, tuple[str, str]]:
    """SQL of the number columns that may have unreadable values, by published name. The type decides."""
    bounds = integer_bounds(trips_view.path, trips_view.columns)
    found = {
        name: read_number(column, trips_view.source(name), trips_view.types[name], bounds.get(name))
        for column, name in trips_view.known
        if column.type not in ("TIMESTAMP", "VARCHAR")
    }
    return {name: number for name, number in found.items() if number}


def _count_unreadable(trips_view: CanonicalTrips, counted: Mapping[str, Mapping[str, Any]]) -> None:
    """Record the columns with unreadable values; refuse number columns with too many."""
    for column, name in trips_view.known:
        if name in counted and counted[name]["unreadable"]:
            if column.type != "TIMESTAMP":
                require_numbers(name, column, counted[name])
            trips_view.unreadable.append(name)
            trips_view.counts[f"{column.name}_unreadable"] = counted[name]["unreadable"]


@contextmanager
def _unparsed_relation(connection: duckdb.DuckDBPyConnection, trips_view: CanonicalTrips) -> Iterator[str]:
    """The file's raw columns as a relation that can be read once."""
    if trips_view.is_plain:
        yield "read_parquet(getvariable('trips_view'), hive_partitioning = false)"
        return
    connection.register("unparsed_rows", open_stream(replace(trips_view, counts=Counter()), None))
    yield "unparsed_rows"
    connection.unregister("unparsed_rows")


def _raster(connection: duckdb.DuckDBPyConnection) -> "ZoneRaster":
    query = "SELECT zone_id, shape_wkb FROM taxi_zones WHERE shape_wkb IS NOT NULL ORDER BY zone_id"
    outlines = tuple((int(zone), bytes(shape)) for zone, shape in connection.execute(query).fetchall())
    if not outlines:
        raise TaxiError(
            "it has coordinates instead of zone ids, and the warehouse has no taxi_zones to place them in: "
            "materialise taxi_zones, then `taxi files retry`"
        )
    return _build_raster(outlines)


@lru_cache(maxsize=2)
def _build_raster(outlines: tuple[tuple[int, bytes], ...]) -> "ZoneRaster":
    from taxi_assets.ingestion.point_zones import build_raster

    return build_raster(dict(outlines))


def _with_unique_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, with a number added to each repeated one."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(unique)

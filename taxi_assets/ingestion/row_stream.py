"""Streams a text or parquet file as Arrow batches that DuckDB reads once, in bounded memory.

Columns are named `c0`, `c1`, … by their position in the file. Coordinates become zone ids here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from taxi_assets.ingestion.casting import CanonicalTrips
from taxi_assets.ingestion.csv_lines import RowBatch, read_row_batches
from taxi_assets.ingestion.file_columns import FileColumns

if TYPE_CHECKING:
    import pyarrow as pa

    from taxi_assets.ingestion.point_zones import ZoneRaster
    from taxi_assets.tlc.projection import Floats

_BATCH_ROWS = 131_072
_BUFFER_BYTES = 1024 * 1024


def open_stream(trips: CanonicalTrips, raster: "ZoneRaster | None") -> "pa.RecordBatchReader":
    """A reader of every row: `source_row`, the file's columns, `pickup_zone` and `dropoff_zone` if needed.

    `line_number` and `line` are NULL except for lines that do not fit the file's columns.

    Args:
        trips: the file; its counts are updated while the stream is read.
        raster: the zones, if points become zone ids.
    """
    import pyarrow as pa

    ends = trips.mapping.needs_zones if raster else ()
    schema = _schema(trips, ends)

    def batches() -> Iterator[pa.RecordBatch]:
        done = 0
        for rows in _read(trips.path, trips.columns):
            numbers = pa.array(np.arange(done, done + rows.rows))
            numbers_of_lines, texts = _unreadable(rows)
            zones = [_place(rows, trips, end, raster) for end in ends if raster]
            trips.counts["line_unreadable"] += len(rows.unreadable)
            yield pa.record_batch([numbers, numbers_of_lines, texts, *rows.columns, *zones], schema=schema)
            done += rows.rows

    return pa.RecordBatchReader.from_batches(schema, batches())


def _schema(trips: CanonicalTrips, ends: tuple[str, ...]) -> "pa.Schema":
    import pyarrow as pa
    import pyarrow.parquet as pq

    is_text, width = trips.columns.rows is None, len(trips.columns.names)
    types = [pa.string()] * width if is_text else list(pq.read_schema(trips.path).types)
    fields = [("source_row", pa.int64()), ("line_number", pa.int64()), ("line", pa.string())]
    fields += [(f"c{number}", kind) for number, kind in enumerate(types)]
    return pa.schema([*fields, *((f"{end}_zone", pa.int16()) for end in ends)])


def _unreadable(rows: RowBatch) -> "tuple[pa.Array, pa.Array]":
    import pyarrow as pa

    if not rows.unreadable:
        return pa.nulls(rows.rows, pa.int64()), pa.nulls(rows.rows, pa.string())
    numbers, lines = zip(*(rows.unreadable.get(row, (None, None)) for row in range(rows.rows)), strict=True)
    return pa.array(numbers, pa.int64()), pa.array(lines, pa.string())


def _read(path: Path, columns: FileColumns) -> Iterator[RowBatch]:
    if columns.rows is None:
        yield from read_row_batches(path, len(columns.names), columns.separator or ",")
        return
    import pyarrow.parquet as pq

    # The buffer lets a month in one row group be read in pieces.
    with pq.ParquetFile(path, buffer_size=_BUFFER_BYTES) as file:
        for batch in file.iter_batches(_BATCH_ROWS):
            yield RowBatch(batch.columns, {}, batch.num_rows)


def _place(rows: RowBatch, trips: CanonicalTrips, end: str, raster: "ZoneRaster") -> "pa.Array":
    import pyarrow as pa

    from taxi_assets.ingestion.point_zones import OUTSIDE, UNKNOWN

    names = [trips.mapping.known[f"{end}_{axis}"] for axis in ("longitude", "latitude")]
    zones = raster.zones_of(*(_numbers(rows.columns[trips.columns.names.index(name)]) for name in names))
    trips.counts[f"{end}_point_unknown"] += int((zones == UNKNOWN).sum())
    trips.counts[f"{end}_point_outside_every_zone"] += int((zones == OUTSIDE).sum())
    trips.counts[f"{end}_point_missing"] += int((zones == 0).sum())
    return pa.array(zones, mask=zones == 0)


def _numbers(values: "pa.Array") -> "Floats":
    """The values as floats; NaN if missing or not a number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        values = pc.utf8_trim_whitespace(values)
    try:
        numbers = pc.cast(values, pa.float64())
    except pa.ArrowInvalid:
        numbers = pa.array([_number(value) for value in values.to_pylist()], pa.float64())
    return np.asarray(numbers.to_numpy(zero_copy_only=False), float)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None

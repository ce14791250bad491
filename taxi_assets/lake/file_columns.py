"""The columns of an arrived file, parquet or CSV, read from its footer or its first line. Data in, data out."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from taxi_assets.errors import TaxiError

__all__ = ["FileColumns", "can_be_read", "read_columns"]

_LONGEST_HEADER = 65_536


@dataclass(frozen=True)
class FileColumns:
    """Names as published and types as Arrow calls them, in the file's order; `rows` is None for text."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: int | None


def read_columns(path: Path) -> FileColumns:
    """The columns of a `.parquet` or `.csv` file; those of text are all of type `string`.

    Raises:
        TaxiError: the file is cut off, empty or of another kind.
    """
    try:
        return _read_header(path) if path.suffix.lower() == ".csv" else _read_footer(path)
    except OSError as error:
        raise TaxiError(f"cannot read {path} ({error.strerror or error}): put the file there, readable") from error


def can_be_read(path: Path) -> bool:
    """Whether a parquet file can be read to its end; for when something went wrong, since it reads the whole file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, buffer_size=1024 * 1024) as file:
            for _ in file.iter_batches():
                pass
    except (pa.ArrowException, OSError, ValueError):
        return False
    return True


def _read_footer(path: Path) -> FileColumns:
    with path.open("rb") as opened:
        return _footer_of(opened, path.name)


def _footer_of(opened: BinaryIO, name: str) -> FileColumns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(opened) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TaxiError(f"{name} is not a whole parquet file: replace it with TLC's own") from error
    return FileColumns(tuple(schema.names), tuple(str(field.type) for field in schema), rows)


def _read_header(path: Path) -> FileColumns:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline(_LONGEST_HEADER)
    except UnicodeDecodeError as error:
        raise TaxiError(f"the first line of {path.name} cannot be read: replace it with TLC's own") from error
    if not line.endswith(("\n", "\r")):
        raise TaxiError(f"{path.name} has no line of column names: replace it with TLC's own")
    names = [name.strip() for name in next(csv.reader([line]), [])]
    while names and not names[-1]:  # TLC ended some lines with commas too many
        names.pop()
    if not names:
        raise TaxiError(f"{path.name} has no line of column names: replace it with TLC's own")
    return FileColumns(tuple(names), ("string",) * len(names), None)

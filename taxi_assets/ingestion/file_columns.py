"""Reads the columns of a parquet or CSV file from its footer or its first line."""

from dataclasses import dataclass
from pathlib import Path

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.text_lines import read_header
from taxi_assets.tlc.contract import possible_services
from taxi_assets.tlc.file_kinds import foreign_kind, is_parquet


@dataclass(frozen=True)
class FileColumns:
    """Published names and Arrow's type names, in the file's order.

    `rows` is None for text, `separator` None for parquet.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: int | None
    separator: str | None = None


def read_columns(path: Path) -> FileColumns:
    """The columns of a parquet or CSV file, detected by content; CSV columns have type `string`.

    Raises:
        TaxiError: the file is cut off, empty or of another kind, which the message names.
    """
    try:
        if foreign := foreign_kind(path):
            raise TaxiError(f"{path.name} is {foreign[0]}: {foreign[1]}")
        if is_parquet(path):
            return _read_footer(path)
        return _read_header(path)
    except OSError as error:
        raise TaxiError(f"cannot read {path} ({error.strerror or error}): put the file there, readable") from error


def can_be_read(path: Path) -> bool:
    """True if a parquet file can be read to its end. Slow, so call it only after an error."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, buffer_size=1024 * 1024) as file:
            for _ in file.iter_batches():
                pass
    except (pa.ArrowException, OSError, ValueError):
        return False
    return True


def integer_bounds(path: Path, columns: FileColumns) -> dict[str, tuple[int, int]]:
    """The least and greatest value of each integer column, if a parquet footer has them."""
    import pyarrow.parquet as pq

    if columns.rows is None:
        return {}
    footer = pq.read_metadata(path)
    if footer.num_columns != len(columns.names):  # nested columns shift the positions
        return {}
    bounds = {}
    for number, (name, kind) in enumerate(zip(columns.names, columns.types, strict=True)):
        if kind.startswith(("int", "uint")):
            parts = [footer.row_group(group).column(number).statistics for group in range(footer.num_row_groups)]
            if all(part is not None and part.has_min_max for part in parts):
                bounds[name] = (min((p.min for p in parts), default=0), max((p.max for p in parts), default=0))
    return bounds


def _read_footer(path: Path) -> FileColumns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as opened:
        try:
            with pq.ParquetFile(opened) as file:
                schema, rows = file.schema_arrow, file.metadata.num_rows
        except (pa.ArrowException, OSError, ValueError) as error:
            raise TaxiError(f"{path.name} is not a whole parquet file: replace it with TLC's own") from error
    return FileColumns(tuple(schema.names), tuple(str(field.type) for field in schema), rows)


def _read_header(path: Path) -> FileColumns:
    header = read_header(path)
    if path.suffix.lower() == ".parquet":
        if header and possible_services(header.names):
            remedy = f"name it {path.stem}.csv and put it into the landing folder again"
            raise TaxiError(f"{path.name} is text, not parquet: {remedy}")
        raise TaxiError(f"{path.name} is not a whole parquet file: replace it with TLC's own")
    if header is None:
        raise TaxiError(f"{path.name} has no line of column names that can be read: replace it with TLC's own")
    return FileColumns(header.names, ("string",) * len(header.names), None, header.separator)

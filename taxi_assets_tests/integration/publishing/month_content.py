"""Reads a month's tables and writes changed copies of its file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sample_lake import inspect_file

from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.months import Month
from taxi_assets.warehouse.connection import Warehouse

JANUARY, FEBRUARY = Month(2023, 1), Month(2023, 2)
TRIPS = ("raw_trips", "rejected_trips", "clean_trips", "trip_features")
ROWS = 6000  # of a synthetic month


def fetch(warehouse: Warehouse, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with warehouse.reading() as connection:
        return connection.execute(query, list(values)).fetchall()


def content(warehouse: Warehouse, month: Month = JANUARY) -> dict[str, tuple[Any, ...]]:
    """The row count and hash of a green month in each table."""
    with warehouse.reading() as connection:
        query = "SELECT count(*), bit_xor(hash(t)) FROM {} AS t WHERE service = 'green' AND month = $1"
        return {t: connection.execute(query.format(t), [month.first_day]).fetchall()[0] for t in TRIPS}


def rewritten(month_file: SourceFile, folder: str, change: Callable[[pa.Table], pa.Table]) -> SourceFile:
    """Writes a changed copy of the file into its own subfolder of the landing folder."""
    path = Path(month_file.path).parent / folder / month_file.file_name
    path.parent.mkdir(exist_ok=True)
    pq.write_table(change(pq.read_table(month_file.path)), path)
    return inspect_file(path)

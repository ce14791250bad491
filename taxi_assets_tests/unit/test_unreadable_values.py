"""Rows with unreadable numbers are kept; a column with many of them refuses the file."""

import csv
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.canonical_rows import canonical_trips
from taxi_assets.ingestion.casting import CanonicalTrips, read_number
from taxi_assets.ingestion.file_columns import integer_bounds, read_columns
from taxi_assets.tlc.columns import RAW_COLUMNS

NEEDED: dict[str, Any] = {
    "lpep_pickup_datetime": datetime(2023, 3, 1, 8, 30),
    "lpep_dropoff_datetime": datetime(2023, 3, 1, 8, 45),
    "PULocationID": 74,
    "DOLocationID": 75,
}


def read(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[list[dict[str, Any]], CanonicalTrips]:
    with canonical_trips(connection, path, "green") as trips_view:
        found = connection.execute("SELECT * FROM canonical_trips ORDER BY source_row")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()], trips_view


def write_numbers(folder: Path, name: str, values: list[Any], kind: pa.DataType | None) -> Path:
    """A month whose column has these values: parquet of that type, or CSV without one."""
    every = {key: [value] * len(values) for key, value in NEEDED.items()} | {name: values}
    if kind is not None:
        path = folder / "green_tripdata_2023-03.parquet"
        arrays = {key: pa.array(column, kind if key == name else None) for key, column in every.items()}
        pq.write_table(pa.table(arrays), path)
        return path
    path = folder / "green_tripdata_2023-03.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([every, *zip(*every.values(), strict=True)])
    return path


@pytest.mark.parametrize(
    ("name", "good", "bad", "kind"),
    [
        ("trip_distance", "1.5", "1,5", None),
        ("fare_amount", "12.5", "$12.50", None),
        ("fare_amount", "12.5", "1,234.50", pa.string()),
        ("fare_amount", "12.5", "infinity", pa.string()),
        ("PULocationID", "74", "Zone 74", None),
        ("DOLocationID", "74", "Zone 74", pa.dictionary(pa.int32(), pa.string())),
        ("PULocationID", 74, 70000, pa.int64()),
        ("DOLocationID", 74, 70000, pa.uint32()),
        ("passenger_count", 1.0, 1.5, pa.float64()),
        ("payment_type", "Cash", "barter", None),
    ],
)
def test_unreadable_numbers_are_kept_or_refused(
    memory: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    name: str,
    good: Any,
    bad: Any,
    kind: pa.DataType | None,
) -> None:
    canonical = next(column.name for column in RAW_COLUMNS if name.lower() in column.published_as)
    rows, trips_view = read(memory, write_numbers(tmp_path, name, [*[good] * 9, bad, bad, None], kind))
    assert [row["unreadable"] for row in rows[:9]] == [None] * 9
    assert [json.loads(row["unreadable"]) for row in rows[9:11]] == [{canonical: str(bad)}] * 2
    assert [row[canonical] is None for row in rows] == [False] * 9 + [True] * 3
    assert rows[11]["unreadable"] is None
    assert +trips_view.counts == {f"{canonical}_unreadable": 2}
    wording = (
        rf"column {name} cannot be read as a (whole )?number in 2 of 6 rows, such as '{re.escape(str(bad))}': write"
    )
    with pytest.raises(TaxiError, match=wording):
        read(memory, write_numbers(tmp_path, name, [*[good] * 4, bad, bad], kind))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["74", "NaN", "", " NULL ", "\\N", None], pa.string()),
        ([74.0, float("nan"), float("inf"), float("-inf"), None], pa.float64()),
        ([74, 0, 266, -1, None], pa.int64()),
    ],
)
def test_numbers_that_are_missing_or_fit_their_type_are_readable(
    memory: duckdb.DuckDBPyConnection, tmp_path: Path, values: list[Any], kind: pa.DataType
) -> None:
    rows, trips_view = read(memory, write_numbers(tmp_path, "PULocationID", values, kind))
    assert {row["unreadable"] for row in rows} == {None}
    assert not +trips_view.counts


def test_integers_within_the_type_range_are_not_scanned(tmp_path: Path) -> None:
    path = write_numbers(tmp_path, "PULocationID", [74, None, 265], pa.int64())
    bounds = integer_bounds(path, read_columns(path))
    assert bounds == {"PULocationID": (74, 265), "DOLocationID": (75, 75)}
    zone = next(column for column in RAW_COLUMNS if column.name == "pickup_zone_id")
    assert read_number(zone, "zone", "int64", bounds["PULocationID"]) is None
    assert read_number(zone, "zone", "int64", (74, 70000)) is not None
    assert read_number(zone, "zone", "int64") is not None


def test_decimal_commas_are_refused_with_any_separator(memory: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "green_tripdata_2023-03.csv"
    path.write_text(";".join([*NEEDED, "trip_distance"]) + "\n" + "2023-03-01 08:30:00;2023-03-01 08:45:00;74;75;2,5\n")
    with pytest.raises(
        TaxiError, match=r"column trip_distance cannot be read as a number in 1 of 1 rows, such as '2,5'"
    ):
        read(memory, path)

"""Files of any service and era give the same rows: all of them, canonical names, points as zones."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets import synthetic
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.canonical_rows import canonical_trips
from taxi_assets.months import Month
from taxi_assets.synthetic import ERAS
from taxi_assets.tlc.services import SERVICES
from taxi_assets.warehouse.schema import TABLES

SEED, ROWS = 7, 400
ALL_ERAS = [(service, era) for service in SERVICES for era in ERAS[service]]
TRIP = ("pickup_at", "dropoff_at", "pickup_zone_id", "dropoff_zone_id", "trip_distance_miles", "fare_usd")
NEEDED: dict[str, Any] = {
    "lpep_pickup_datetime": datetime(2023, 3, 1, 8, 30),
    "lpep_dropoff_datetime": datetime(2023, 3, 1, 8, 45),
    "PULocationID": 74,
    "DOLocationID": 75,
}


def read(connection: duckdb.DuckDBPyConnection, path: Path, service: str = "green") -> tuple[list[dict[str, Any]], Any]:
    with canonical_trips(connection, path, service) as trips_view:
        found = connection.execute("SELECT * FROM canonical_trips ORDER BY source_row")
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert names == [column.name for column in TABLES["raw_trips"].columns][2:]
    assert [row["source_row"] for row in rows] == list(range(len(rows)))
    return rows, trips_view


def write(folder: Path, *columns: tuple[str, Any]) -> Path:
    """A month of one row, with these columns beside the required ones; names may repeat."""
    path = folder / "green_tripdata_2023-03.parquet"
    every = [*NEEDED.items(), *columns]
    table = pa.Table.from_arrays([pa.array([value]) for _, value in every], names=[name for name, _ in every])
    pq.write_table(table, path)
    return path


def test_a_folder_named_like_a_column_changes_no_value(city: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    folder = tmp_path / "PULocationID=7"  # DuckDB would read this folder name as a value of every row
    folder.mkdir()
    rows, _ = read(city, write(folder))
    assert [row["pickup_zone_id"] for row in rows] == [74]


@pytest.mark.parametrize(("service", "era"), ALL_ERAS)
def test_every_era_gives_the_same_trips(
    city: duckdb.DuckDBPyConnection, tmp_path: Path, service: str, era: str
) -> None:
    month = Month(2023, 3)
    path = synthetic.write_month(tmp_path / era, service, month, ROWS, SEED, era)
    rows, trips_view = read(city, path, service)
    alike = era if era in ("B", "C") else "A"  # rows in which the city has other defects
    known = synthetic.write_month(tmp_path / "alike", service, month, ROWS, SEED, alike)
    expected, _ = read(city, known, service)
    assert len(rows) == ROWS
    assert trips_view.mapping.unknown == ()
    trip = [name for name in TRIP if any(row[name] is not None for row in rows)]
    assert set(TRIP) - set(trip) <= {"trip_distance_miles", "fare_usd"}
    # Files with coordinates cannot distinguish the zones outside the map.
    zones = [264, 265] if trips_view.mapping.needs_zones else []
    for row, other in zip(rows, expected, strict=True):
        theirs = {name: 264 if other[name] in zones else other[name] for name in trip}
        assert {name: row[name] for name in trip} == theirs


def test_points_are_counted_by_their_outcome(city: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = synthetic.write_month(tmp_path, "green", Month(2014, 3), 5000, SEED, "2013-08-csv")
    rows, trips_view = read(city, path)
    unknown = sum(row["pickup_zone_id"] == 264 for row in rows)
    assert trips_view.counts["pickup_point_unknown"] == unknown
    assert trips_view.counts["pickup_point_outside_every_zone"] == sum(row["pickup_zone_id"] == 265 for row in rows)
    assert trips_view.counts["dropoff_point_unknown"] == sum(row["dropoff_zone_id"] == 264 for row in rows) > 0
    assert trips_view.counts["pickup_point_missing"] == trips_view.counts["line_unreadable"] == 0
    assert all(row["pickup_longitude"] == 0 for row in rows if row["pickup_zone_id"] == 264)


def test_coordinates_without_zones_are_refused_with_the_remedy(
    memory: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = synthetic.write_month(tmp_path, "yellow", Month(2010, 3), 10, SEED)
    with pytest.raises(
        TaxiError,
        match=r"yellow_tripdata_2010-03.parquet does not meet the contract: it has coordinates "
        r"instead of zone ids, and the warehouse has no taxi_zones .*: materialise taxi_zones, then `taxi files retry`",
    ):
        read(memory, path, "yellow")


def test_missing_and_non_numeric_points_have_no_zone(city: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "green_tripdata_2014-03.csv"
    header = (
        "lpep_pickup_datetime,Lpep_dropoff_datetime,Pickup_longitude,Pickup_latitude,Dropoff_longitude,Dropoff_latitude"
    )
    times = "2014-03-01 08:00:00,2014-03-01 08:10:00"
    lines = [f"{times},west,40.75,,", *[f"{times}, -73.95 ,40.75,-75.16,39.95"] * 4]
    path.write_text("\n".join([header, *lines, ""]))
    rows, trips_view = read(city, path)
    assert (rows[0]["pickup_zone_id"], rows[0]["dropoff_zone_id"]) == (None, None)
    assert rows[0]["unreadable"] == '{"pickup_longitude":"west"}'
    assert 1 <= rows[1]["pickup_zone_id"] <= 263
    assert rows[1]["dropoff_zone_id"] == 265
    assert +trips_view.counts == {
        "pickup_longitude_unreadable": 1,
        "pickup_point_missing": 1,
        "dropoff_point_missing": 1,
        "dropoff_point_outside_every_zone": 4,
    }


# Columns of any name


@pytest.mark.parametrize(
    "names",
    [
        ("file_row_number",),
        ("FILE_ROW_NUMBER",),
        ("Extra fee", "extra FEE"),
        ("twice", "twice"),
        ('a"; DROP TABLE raw_trips; --', "it's"),
        ("source_row",),
        ("unreadable",),
        ("c0", "c1"),
        ("other_columns",),
        ("pickup_at", "fare_usd", "Fare_USD", "vendor_NAMES"),
        ("",),
    ],
)
def test_a_column_of_any_name_is_kept(
    memory: duckdb.DuckDBPyConnection, tmp_path: Path, names: tuple[str, ...]
) -> None:
    path = write(tmp_path, *((name, number) for number, name in enumerate(names)))
    rows, trips_view = read(memory, path)
    kept = json.loads(rows[0]["other_columns"])
    assert list(kept.values()) == list(range(len(names)))
    assert list(kept) == list(trips_view.mapping.unknown)
    assert [name.removesuffix(" (2)") for name in kept] == list(names)
    canonical = {"pickup_at", "dropoff_at", "pickup_zone_id", "dropoff_zone_id", "source_row", "other_columns"}
    assert {name for name, value in rows[0].items() if value is not None} == canonical
    assert list(NEEDED.values()) == [
        rows[0][name] for name in ("pickup_at", "dropoff_at", "pickup_zone_id", "dropoff_zone_id")
    ]


@pytest.mark.parametrize("name", ["PULocationID", "pulocationid", " PULocationID"])
def test_two_columns_of_one_meaning_are_refused(memory: duckdb.DuckDBPyConnection, tmp_path: Path, name: str) -> None:
    with pytest.raises(TaxiError, match="both mean pickup_zone_id: keep one of them"):
        read(memory, write(tmp_path, (name, 1)))


def test_nested_values_of_unknown_columns_are_kept(memory: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows, _ = read(memory, write(tmp_path, ("stops", [{"zone": 74}])))
    assert json.loads(rows[0]["other_columns"]) == {"stops": [{"zone": 74}]}


def test_a_known_column_of_nested_values_is_refused(memory: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(TaxiError, match=r"2023-03.parquet does not meet the contract: column fare_usd has values of"):
        read(memory, write(tmp_path, ("fare_amount", [1.0])))


# Text


def test_an_unreadable_line_becomes_a_row_with_its_text(memory: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = synthetic.write_month(tmp_path, "green", Month(2019, 3), 50, SEED, "2019-csv")
    lines = path.read_text().splitlines()
    lines = [*lines[:10], "torn,line", *lines[10:]]
    lines[0] += ",unreadable_line"
    path.write_text("\ufeff" + "\r\n".join([line + ",x" * (n > 0) for n, line in enumerate(lines)]) + "\r\n")
    rows, trips_view = read(memory, path)
    assert len(rows) == 51
    assert trips_view.counts == {"line_unreadable": 1}
    (torn,) = [row for row in rows if row["unreadable"]]
    assert json.loads(torn["unreadable"]) == {"line": 11, "text": "torn,line,x"}
    assert {row["other_columns"] for row in rows if row is not torn} == {'{"unreadable_line":"x"}'}
    assert torn["other_columns"] is None
    assert torn["source_row"] == 9
    assert all(torn[name] is None for name in TRIP)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r"])
def test_text_of_other_programs_gives_the_same_rows(
    memory: duckdb.DuckDBPyConnection, tmp_path: Path, separator: str, encoding: str, end: str
) -> None:
    path = synthetic.write_month(tmp_path, "green", Month(2019, 3), 50, SEED, "2019-csv")
    expected, _ = read(memory, path)
    text = path.read_text().replace(",", separator)
    path.write_text(text.replace("\n", end), encoding=encoding, newline="")
    assert read(memory, path)[0] == expected


def test_a_header_with_another_line_ending_loses_no_row(memory: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = synthetic.write_month(tmp_path, "green", Month(2019, 3), 50, SEED, "2019-csv")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r", 1))
    assert len(read(memory, path)[0]) == 50


def cut_off(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\0" * (len(content) // 2) + content[4 + len(content) // 2 :])


def without_end(path: Path) -> None:
    with path.open("a") as file:
        file.write("x" * 3_000_000)


@pytest.mark.parametrize(
    ("service", "era", "damage"),
    [("yellow", "2010", cut_off), ("green", "A", cut_off), ("green", "2019-csv", without_end)],
)
def test_error_of_a_damaged_file_names_the_file(
    city: duckdb.DuckDBPyConnection, tmp_path: Path, service: str, era: str, damage: Callable[[Path], None]
) -> None:
    path = synthetic.write_month(tmp_path, service, Month(2019, 3), 5000, SEED, era)
    damage(path)
    with pytest.raises(TaxiError, match=rf"{path.name} cannot be read to its end \(.*\): replace it") as caught:
        read(city, path, service)
    assert "\n" not in str(caught.value)


def test_unrelated_query_error_is_not_reported_as_a_file_error(
    memory: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    with pytest.raises(duckdb.CatalogException), canonical_trips(memory, write(tmp_path), "green"):
        memory.execute("SELECT * FROM no_such_table")


def test_a_file_of_another_service_is_refused(memory: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(TaxiError, match="its columns are those of green, not of yellow: name it after its service"):
        read(memory, write(tmp_path), "yellow")

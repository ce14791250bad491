"""Synthetic months have TLC's formats, including every column type."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from shapely import geometry

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.synthetic import ERAS, write_month
from taxi_assets.synthetic.city import build_city
from taxi_assets.synthetic.eras import era_of
from taxi_assets.tlc.contract import map_columns
from taxi_assets.tlc.local_time import elapsed_seconds
from taxi_assets.tlc.projection import to_feet

REPOSITORY = Path(__file__).parents[2]
TLC = Path(os.environ.get("TAXI_TLC_SOURCE", REPOSITORY.parent / "shared" / "tlc"))
MARCH = Month(2023, 3)
EVERY_ERA = [(service, name) for service, eras in ERAS.items() for name in eras]
MONEY = "fare_amount extra mta_tax tip_amount tolls_amount"
GREEN = (
    "VendorID lpep_pickup_datetime lpep_dropoff_datetime store_and_fwd_flag RatecodeID PULocationID "
    f"DOLocationID passenger_count trip_distance {MONEY} ehail_fee improvement_surcharge total_amount "
    "payment_type trip_type congestion_surcharge"
)
IDS = ("VendorID", "PULocationID", "DOLocationID")
COUNTS = ("RatecodeID", "passenger_count", "payment_type", "trip_type")


def green_schema(era: str) -> pa.Schema:
    """The schema of TLC's green files, written out independently of the product."""
    names = GREEN.split() + (["cbd_congestion_fee"] if era == "C" else [])
    kinds = dict.fromkeys(names, pa.float64())
    kinds |= dict.fromkeys(("lpep_pickup_datetime", "lpep_dropoff_datetime"), pa.timestamp("us"))
    kinds |= dict.fromkeys(IDS, pa.int64() if era == "A" else pa.int32())
    kinds |= dict.fromkeys(COUNTS, pa.float64() if era == "A" else pa.int64())
    kinds["store_and_fwd_flag"] = pa.string() if era == "A" else pa.large_string()
    kinds["ehail_fee"] = pa.null() if era == "A" else pa.float64()
    return pa.schema(kinds)


def real_green_schemas() -> dict[str, pa.Schema]:
    """The schemas of TLC's real months if available, else the one written out above."""
    files = sorted(TLC.glob("green_tripdata_*.parquet")) if TLC.is_dir() else []
    real = {file.stem.removeprefix("green_tripdata_"): pq.read_schema(file) for file in files}
    return real or {"2023-01": green_schema("A"), "2023-02": green_schema("B"), "2025-01": green_schema("C")}


@pytest.mark.parametrize("era", ["A", "B", "C"])
def test_green_eras_have_the_schema_written_out_here(era):
    assert ERAS["green"][era].schema == green_schema(era)


def test_green_months_have_tlcs_schema():
    for month, schema in real_green_schemas().items():
        assert era_of("green", Month.parse(month)).schema.equals(schema, check_metadata=False), month


@pytest.mark.parametrize(("service", "name"), EVERY_ERA)
def test_every_era_is_written_with_its_schema(tmp_path, service, name):
    file = write_month(tmp_path, service, MARCH, 500, 7, name)
    era = ERAS[service][name]
    table = pa_csv.read_csv(file) if era.suffix == "csv" else pq.read_table(file)
    assert file.name == f"{service}_tripdata_2023-03.{era.suffix}"
    assert table.num_rows == 500
    assert table.column_names == [column.name for column in era.columns]
    if era.suffix == "parquet":
        assert table.schema.equals(era.schema, check_metadata=False)


@pytest.mark.parametrize(("service", "name"), EVERY_ERA)
def test_the_contract_accepts_every_era_or_names_the_missing_columns(service, name):
    columns = tuple(column.name for column in ERAS[service][name].columns)
    if ERAS[service][name].has_coordinates:
        assert map_columns(columns).needs_zones == ("pickup", "dropoff")
    elif (service, name) == ("fhv", "2015-csv"):  # drop-off zones were not required then
        with pytest.raises(TaxiError, match="no column for"):
            map_columns(columns)
    else:
        required = {"pickup_at", "dropoff_at", "pickup_zone_id", "dropoff_zone_id"}
        assert required <= map_columns(columns).known.keys()


@pytest.mark.parametrize(
    ("service", "month", "era"),
    [
        ("green", "2023-01", "A"),
        ("green", "2023-02", "B"),
        ("green", "2025-01", "C"),
        ("yellow", "2009-12", "2009"),
        ("yellow", "2010-01", "2010"),
        ("yellow", "2018-12", "2011"),
        ("yellow", "2019-01", "2019"),
        ("yellow", "2023-01", "A"),
        ("yellow", "2023-02", "B"),
        ("yellow", "2025-01", "C"),
        ("fhvhv", "2019-02", "A"),
        ("fhvhv", "2024-12", "B"),
        ("fhvhv", "2025-01", "C"),
        ("fhv", "2015-01", "A"),
        ("fhv", "2023-02", "B"),
    ],
)
def test_a_month_has_the_era_of_its_time(service, month, era):
    assert era_of(service, Month.parse(month)).name == era


def test_capitals_and_columns_change_as_tlcs_did():
    names = {era: ERAS["yellow"][era].schema.names for era in ("A", "B", "C", "2015-csv", "2015-07-csv")}
    assert names["A"][-1] == "airport_fee"
    assert names["B"][-1] == "Airport_fee"
    assert names["C"][-2:] == ["Airport_fee", "cbd_congestion_fee"]
    assert "RateCodeID" in names["2015-csv"]
    assert "RatecodeID" in names["2015-07-csv"]


def test_high_volume_trips_have_their_companies_columns(tmp_path):
    table = pq.read_table(write_month(tmp_path, "fhvhv", MARCH, 50_000, 7))
    is_uber = np.array(table["hvfhs_license_num"].to_pylist()) == "HV0003"
    assert np.mean(is_uber) == pytest.approx(0.7, abs=0.01)
    assert np.array_equal(pc.is_null(table["on_scene_datetime"]).to_numpy(), ~is_uber)
    seconds = elapsed_seconds(*(table[f"{end}_datetime"].to_numpy() for end in ("pickup", "dropoff")))
    assert np.array_equal(table["trip_time"].to_numpy(), seconds)
    assert pc.all(pc.less_equal(table["request_datetime"], table["pickup_datetime"])).as_py()


def test_coordinates_are_inside_their_zones(tmp_path):
    zones = pq.read_table(write_month(tmp_path, "yellow", MARCH, 500, 7, "2011"))
    places = pq.read_table(write_month(tmp_path / "old", "yellow", MARCH, 500, 7, "2010"))
    city = build_city(7)
    for zone, x, y in zip(
        zones["PULocationID"].to_pylist(),
        places["pickup_longitude"].to_pylist(),
        places["pickup_latitude"].to_pylist(),
        strict=True,
    ):
        if zone > 263:
            assert (x, y) == (0, 0)
        else:
            point = geometry.Point(*to_feet(np.array(x), np.array(y)))
            outline = geometry.Polygon(city.corners[zone] * 5280 + (998_091, 212_520))
            assert outline.buffer(1).contains(point)

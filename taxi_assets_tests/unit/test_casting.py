"""Values of every type TLC has used become canonical values; values that do not fit become NULL."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.casting import CanonicalTrips, select_list
from taxi_assets.ingestion.file_columns import FileColumns
from taxi_assets.tlc.contract import map_columns

NEEDED = {
    "lpep_pickup_datetime": pa.nulls(1),
    "lpep_dropoff_datetime": pa.nulls(1),
    "PULocationID": pa.nulls(1),
    "DOLocationID": pa.nulls(1),
}
NOON = datetime(2023, 3, 1, 12, 0)


def cast(published: str, canonical: str, values: list[Any], kind: pa.DataType) -> list[Any]:
    """The cast values of a column of that type, read by DuckDB from Arrow."""
    length = len(values)
    table = pa.table({**{name: pa.nulls(length) for name in NEEDED}, published: pa.array(values, kind)})
    columns = FileColumns(tuple(table.column_names), tuple(str(field.type) for field in table.schema), length)
    trips = CanonicalTrips(Path(), columns, map_columns(columns.names))
    with duckdb.connect() as connection:
        connection.register("arrived", table)
        rows = connection.execute(f"SELECT {canonical} FROM (SELECT {select_list(trips)} FROM arrived)")
        return [row[0] for row in rows.fetchall()]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([74], pa.int64()),
        ([74], pa.int32()),
        ([74], pa.uint8()),
        ([74.0], pa.float64()),
        ([74.0], pa.float32()),
        (["74"], pa.string()),
        (["74.0"], pa.string()),
        ([" 74 "], pa.large_string()),
        ([b"74"], pa.binary()),
        (["74"], pa.dictionary(pa.int32(), pa.string())),
    ],
)
def test_zone_ids_of_any_type_are_equal(values: list[Any], kind: pa.DataType) -> None:
    assert cast("PULocationID", "pickup_zone_id", values, kind) == [74]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([74.5, float("nan"), float("inf"), 1e9, None], pa.float64()),
        (["74.5", "Harlem", "", " ", "1e99", None], pa.string()),
        ([1 << 40, None], pa.int64()),
        ([None, None], pa.null()),
    ],
)
def test_a_value_that_is_no_zone_id_is_missing(values: list[Any], kind: pa.DataType) -> None:
    assert cast("PULocationID", "pickup_zone_id", values, kind) == [None] * len(values)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([NOON], pa.timestamp("us")),
        ([NOON], pa.timestamp("ns")),
        ([NOON], pa.timestamp("s")),
        (["2023-03-01 12:00:00"], pa.string()),
        (["2023-03-01 12:00:00.000000"], pa.large_string()),
        ([" 2023-03-01T12:00:00 "], pa.string()),
    ],
)
def test_times_of_any_type_are_equal(values: list[Any], kind: pa.DataType) -> None:
    assert cast("lpep_pickup_datetime", "pickup_at", values, kind) == [NOON]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize(
    ("zone", "summer", "winter"),
    [("UTC", 8, 7), ("America/New_York", 8, 7), ("+05:30", 8, 7), ("Asia/Tokyo", 8, 7)],
)
def test_time_of_any_zone_is_converted_to_new_york_time(unit: str, zone: str, summer: int, winter: int) -> None:
    # Arrow stores the time in UTC, whatever the zone's name.
    instants = [datetime(2023, 7, 1, 12, 0, tzinfo=UTC), datetime(2023, 1, 1, 12, 0, tzinfo=UTC)]
    found = cast("lpep_pickup_datetime", "pickup_at", instants, pa.timestamp(unit, zone))
    assert found == [datetime(2023, 7, 1, summer, 0), datetime(2023, 1, 1, winter, 0)]


def test_invalid_numbers_are_missing() -> None:
    assert cast("trip_distance", "trip_distance_miles", [1.5, float("nan"), float("-inf")], pa.float64()) == [
        1.5,
        None,
        None,
    ]
    assert cast("trip_distance", "trip_distance_miles", ["1.50", "NaN", "far"], pa.string()) == [1.5, None, None]
    assert cast("ehail_fee", "ehail_fee_usd", [None], pa.null()) == [None]


def test_words_of_old_files_become_current_codes() -> None:
    words = ["CASH", "Credit", "No Charge", "DIS", "unk", "3", " crd ", "barter", None]
    assert cast("Payment_Type", "payment_type_id", words, pa.string()) == [2, 1, 3, 4, 5, 3, 1, None, None]
    assert cast("payment_type", "payment_type_id", [2.0, None], pa.float64()) == [2, None]


def test_blank_text_is_missing_and_other_text_is_trimmed() -> None:
    assert cast("store_and_fwd_flag", "store_and_forward_flag", [" ", "", "Y ", None], pa.string()) == [
        None,
        None,
        "Y",
        None,
    ]


@pytest.mark.parametrize("nothing", ["NaN", "nan", "NULL", "null", "None", "\\N", "<NA>", "NaT", " NULL "])
@pytest.mark.parametrize(
    ("published", "canonical", "kind"),
    [
        ("store_and_fwd_flag", "store_and_forward_flag", pa.string()),
        ("store_and_fwd_flag", "store_and_forward_flag", pa.dictionary(pa.int32(), pa.string())),
        ("fare_amount", "fare_usd", pa.string()),
        ("lpep_pickup_datetime", "pickup_at", pa.string()),
    ],
)
def test_a_word_for_no_value_is_missing(nothing: str, published: str, canonical: str, kind: pa.DataType) -> None:
    assert cast(published, canonical, [nothing], kind) == [None]
    assert cast("store_and_fwd_flag", "store_and_forward_flag", ["N", "Nan Y"], pa.string()) == ["N", "Nan Y"]


@pytest.mark.parametrize(
    ("value", "kind", "kept"),
    [
        (float("nan"), pa.float64(), None),
        (float("inf"), pa.float32(), None),
        (float("-inf"), pa.float64(), None),
        (2.5, pa.float64(), 2.5),
        ([1.5, float("nan")], pa.list_(pa.float64()), "[1.5, nan]"),
        ({"NaN": float("-inf")}, pa.struct({"NaN": pa.float64()}), "{'NaN': -inf}"),
        ([1.5], pa.list_(pa.float64()), [1.5]),
        ("NaN", pa.string(), "NaN"),
        (b"\x00\xff", pa.binary(), "\\x00\\xFF"),
    ],
)
def test_json_of_unknown_columns_is_strict(value: Any, kind: pa.DataType, kept: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    (text,) = cast("odd", "other_columns", [value], kind)
    assert json.loads(text, parse_constant=refuse) == {"odd": kept}


@pytest.mark.parametrize(
    ("published", "kind"),
    [
        ("PULocationID", pa.list_(pa.int64())),
        ("PULocationID", pa.struct({"id": pa.int64()})),
        ("lpep_pickup_datetime", pa.map_(pa.string(), pa.string())),
        ("fare_amount", pa.large_list(pa.float64())),
    ],
)
def test_a_known_column_of_nested_values_is_refused(published: str, kind: pa.DataType) -> None:
    with pytest.raises(TaxiError, match=r"has values of type (list|struct|map|large_list).*: check"):
        cast(published, "pickup_at", [None], kind)


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_dates_without_a_time_are_refused(kind: pa.DataType) -> None:
    with pytest.raises(TaxiError, match="column pickup_at has dates without a time of day"):
        cast("lpep_pickup_datetime", "pickup_at", [None], kind)


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.bool_()])
def test_numbers_as_times_are_refused(kind: pa.DataType) -> None:
    with pytest.raises(TaxiError, match=r"column pickup_at has values of type .*, which are not times"):
        cast("lpep_pickup_datetime", "pickup_at", [None], kind)


def test_nested_values_of_an_unknown_column_are_kept() -> None:
    kept = cast("stops", "other_columns", [[{"zone": 74}], None], pa.list_(pa.struct({"zone": pa.int64()})))
    assert kept == ['{"stops":[{"zone":74}]}', '{"stops":null}']

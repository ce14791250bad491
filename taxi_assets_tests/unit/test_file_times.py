"""Times of a file in any format: New York time kept, other zones converted, ambiguous times refused."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.canonical_rows import canonical_trips
from taxi_assets.ingestion.casting import CanonicalTrips
from taxi_assets.tlc.local_time import NEW_YORK

NOON = datetime(2023, 3, 21, 13, 5, 7)
PICKUP, DROPOFF = "lpep_pickup_datetime", "lpep_dropoff_datetime"
CSV = "green_tripdata_2023-03.csv"

Rows = list[tuple[Any, ...]]


def read(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[Rows, CanonicalTrips]:
    with canonical_trips(connection, path, "green") as trips_view:
        query = "SELECT pickup_at, dropoff_at, unreadable FROM canonical_trips ORDER BY source_row"
        return connection.execute(query).fetchall(), trips_view


def write_text(folder: Path, pickups: Sequence[str], dropoffs: Sequence[str] | None = None) -> Path:
    path = folder / CSV
    pairs = zip(pickups, pickups if dropoffs is None else dropoffs, strict=True)
    path.write_text(
        f"{PICKUP},{DROPOFF},PULocationID,DOLocationID\n" + "".join(f'"{p}","{d}",74,75\n' for p, d in pairs)
    )
    return path


def write_parquet(folder: Path, pickups: pa.Array, dropoffs: pa.Array) -> Path:
    path = folder / "green_tripdata_2023-03.parquet"
    ones = pa.array([1] * len(pickups))
    pq.write_table(pa.table({PICKUP: pickups, DROPOFF: dropoffs, "PULocationID": ones, "DOLocationID": ones}), path)
    return path


NOTATIONS = [
    "2023-03-21 13:05:07",
    "2023-03-21T13:05:07.000",
    "2023/03/21 13:05:07",
    "2023-3-21 13:05:07.000000000",
    "2023-03-21 01:05:07 PM",
    "2023 Mar 21 01:05:07 PM",
    "21-Mar-2023 13:05:07",
    "March 21, 2023 13:05:07",
    "Mar 21 2023 1:05:07 pm",
    "20230321 130507",
    "20230321T130507",
    "03/21/2023 01:05:07 PM",
    "3/21/2023 13:05:07",
    "21/03/2023 13:05:07",
    "21.3.2023 13:05:07",
    "03-21-2023 13:05:07",
    "3/21/2023, 1:05:07 PM",
    "2023-03-21T17:05:07Z",
    "2023-03-21 17:05:07+00",
    "2023-03-21 17:05:07 UTC",
    "2023-03-21 13:05:07-04:00",
    "2023-03-21T22:35:07.000+0530",
    "2023-03-21 13:05:07 EDT",
    "3/21/2023 12:05:07 EST",
]


@pytest.mark.parametrize("text", NOTATIONS)
def test_unambiguous_times_are_read(memory: duckdb.DuckDBPyConnection, tmp_path: Path, text: str) -> None:
    assert read(memory, write_text(tmp_path, [f" {text} "]))[0] == [(NOON, NOON, None)]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3/21/2023 0:30", datetime(2023, 3, 21, 0, 30)),
        ("2023-03-21T13:05Z", datetime(2023, 3, 21, 9, 5)),
        ("3/3/2023 0:30", datetime(2023, 3, 3, 0, 30)),
        ("03/04/2023 12:30:00 AM", datetime(2023, 3, 4, 0, 30)),
        ("2023-01-21T13:05Z", datetime(2023, 1, 21, 8, 5)),
    ],
)
def test_times_without_seconds_are_read(
    memory: duckdb.DuckDBPyConnection, tmp_path: Path, text: str, meant: datetime
) -> None:
    assert read(memory, write_text(tmp_path, [text]))[0] == [(meant, meant, None)]


# Day and month


def test_the_order_of_day_and_month_follows_from_the_whole_column(
    memory: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    few = [f"0{day}/03/2023 10:00:00" for day in range(1, 10)]
    rows, trips_view = read(memory, write_text(tmp_path, [*few, "31/03/2023 10:00:00"]))
    assert [row[0] for row in rows] == [
        *(datetime(2023, 3, day, 10) for day in range(1, 10)),
        datetime(2023, 3, 31, 10),
    ]
    assert trips_view.times[PICKUP].note == "day first"
    rows, trips_view = read(memory, write_text(tmp_path, ["03/04/2023 10:00", "3/31/2023 10:00"]))
    assert [row[0] for row in rows] == [datetime(2023, 3, 4, 10), datetime(2023, 3, 31, 10)]
    assert trips_view.times[PICKUP].note == "month first"


def test_an_ambiguous_column_follows_the_other(memory: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = write_text(tmp_path, ["01/03/2023 10:00", "02/03/2023 10:00"], ["13/03/2023 10:10", "02/03/2023 10:10"])
    assert [row[0] for row in read(memory, path)[0]] == [datetime(2023, 3, 1, 10), datetime(2023, 3, 2, 10)]


REFUSED = {
    "none shows if the day or the month comes first": ["01/03/2023 10:00", "02/03/2023 10:00"],
    r"days before months, such as '13/03/2023 10:00', and months before days, such as '03/13/2023 10:00'": [
        "13/03/2023 10:00",
        "03/13/2023 10:00",
    ],
    "dates without a time of day, such as '2023-03-20'": ["2023-03-21", "2023-03-20"],
    "dates without a time of day, such as '21/03/2023'": ["21/03/2023"],
    "cannot be read as a time in 2 of 2 rows, such as '7/1/21 0:30'": ["7/1/21 0:30", "soon"],
    "cannot be read as a time in 1 of 1 rows, such as '45006.5452'": ["45006.5452"],
    "cannot be read as a time in 1 of 1 rows, such as '2023-13-41 10:00:00'": ["2023-13-41 10:00:00"],
    "cannot be read as a time in 1 of 1 rows, such as '31/02/2023 10:00:00'": ["31/02/2023 10:00:00"],
    "cannot be read as a time in 1 of 1 rows, such as 'infinity'": ["infinity"],
    "cannot be read as a time in 1 of 1 rows, such as '29 Jan 19 14:13:01'": ["29 Jan 19 14:13:01"],
    r"cannot be read as a time in 1 of 1 rows, such as '2023-03-21 10:00:00\+99:00'": ["2023-03-21 10:00:00+99:00"],
    "cannot be read as a time in 1 of 1 rows, such as 'epoch 2023'": ["epoch 2023"],
    "with a time zone, such as '2023-03-21T10:00:00Z', and without, such as '2023-03-21 1": [
        "2023-03-21T10:00:00Z",
        "2023-03-21 10:00",
    ],
    "with a time zone, such as '2023-03-21T10:00:00-05:00', and without": [
        "2023-03-21T10:00:00-05:00",
        "2023-03-21 10:00:00",
    ],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_ambiguous_and_unreadable_columns_are_refused_with_an_example(
    memory: duckdb.DuckDBPyConnection, tmp_path: Path, reason: str
) -> None:
    with pytest.raises(TaxiError, match=rf"{CSV} does not meet the contract: column {PICKUP} .*{reason}") as caught:
        read(memory, write_text(tmp_path, REFUSED[reason]))
    assert "\n" not in str(caught.value)


def test_a_few_invalid_times_are_kept_as_text(memory: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    good = ["2023-03-21 13:05:07"] * 9
    rows, trips_view = read(memory, write_text(tmp_path, [*good, "soon"], [*good[1:], "NULL", "\\N"]))
    assert rows[:8] == [(NOON, NOON, None)] * 8
    assert rows[8:] == [(NOON, None, None), (None, None, '{"pickup_at":"soon"}')]
    assert trips_view.counts["pickup_at_unreadable"] == 1
    assert trips_view.counts["dropoff_at_unreadable"] == 0


# Time zones


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Berlin"])
def test_parquet_times_with_a_zone_are_converted_and_reported(
    memory: duckdb.DuckDBPyConnection, tmp_path: Path, zone: str
) -> None:
    times = pa.array([datetime(2023, 3, 1, 3, 0, tzinfo=UTC)], pa.timestamp("us", zone))
    rows, trips_view = read(memory, write_parquet(tmp_path, times, times))
    assert rows[0][0] == datetime(2023, 2, 28, 22, 0)
    assert trips_view.times[PICKUP].note == (
        "in New York's time zone" if zone == "America/New_York" else f"converted from {zone} to New York's clock"
    )


def test_parquet_and_text_of_equal_times_are_equal(memory: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    times = pa.array([datetime(2023, 3, 1, 3, 0, tzinfo=UTC)], pa.timestamp("us", "America/New_York"))
    rows, _ = read(memory, write_parquet(tmp_path, times, times))
    assert read(memory, write_text(tmp_path, ["2023-02-28 22:00:00-05:00"]))[0] == rows
    texts = pa.array(["2023-03-01T03:00Z"])
    assert read(memory, write_parquet(tmp_path, texts, texts))[0] == rows


def test_one_column_with_a_zone_and_one_without_are_refused(memory: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    naive, aware = pa.array([NOON]), pa.array([NOON], pa.timestamp("us", "UTC"))
    wording = f"the times of {PICKUP} have a time zone and those of {DROPOFF} have none"
    with pytest.raises(TaxiError, match=wording):
        read(memory, write_parquet(tmp_path, aware, naive))
    with pytest.raises(TaxiError, match=wording):
        read(memory, write_parquet(tmp_path, aware, pa.array(["2023-03-21 13:05:07"])))
    with pytest.raises(TaxiError, match=wording):
        read(memory, write_text(tmp_path, ["2023-03-21T10:00Z"], ["2023-03-21 13:05:07"]))
    assert len(read(memory, write_parquet(tmp_path, aware, pa.nulls(1, pa.string())))[0]) == 1


instants = st.datetimes(datetime(2009, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)).map(
    lambda instant: instant.replace(microsecond=0)
)


@settings(max_examples=5)
@given(st.lists(instants, min_size=1, max_size=60), st.sampled_from(["UTC", "+03:30", "Asia/Tokyo"]))
def test_every_instant_becomes_new_york_time(
    tmp_path_factory: pytest.TempPathFactory, instants: list[datetime], zone: str
) -> None:
    expected = [instant.astimezone(NEW_YORK).replace(tzinfo=None) for instant in instants]
    folder = tmp_path_factory.getbasetemp()
    with duckdb.connect() as connection:
        times = pa.array(instants, pa.timestamp("us", zone))
        assert [row[0] for row in read(connection, write_parquet(folder, times, times))[0]] == expected
        texts = [instant.isoformat() for instant in instants]
        assert [row[0] for row in read(connection, write_text(folder, texts))[0]] == expected

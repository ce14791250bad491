"""Synthetic months as files: the same bytes for a seed, the requested rows, no partial files."""

import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.synthetic import ERAS, write_month

MARCH = Month(2023, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("red", MARCH, 10, 7), "there is no service 'red': choose one of yellow, green, fhvhv, fhv"),
        (("green", MARCH, 10, 7, "Z"), "green has no era 'Z': choose one of 2013-08-csv, "),
        (("green", Month(2013, 7), 10, 7), "there are no green trips in 2013-07: they begin in 2013-08"),
        (("green", MARCH, 0, 7), "a month of 0 rows cannot be written: ask for 1 or more"),
        (("green", MARCH, 10, -7), "the seed -7 is negative: give 0 or more"),
    ],
)
def test_unwritable_output_is_rejected_before_any_work(tmp_path, arguments, message):
    with pytest.raises(TaxiError, match=message):
        write_month(tmp_path / "new", *arguments)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("service", ERAS)
def test_the_same_seed_gives_the_same_bytes(tmp_path, service):
    first = write_month(tmp_path / "a", service, MARCH, 20_000, 7)
    again = write_month(tmp_path / "b", service, MARCH, 20_000, 7)
    other = write_month(tmp_path / "c", service, MARCH, 20_000, 8)
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != other.read_bytes()


@pytest.mark.slow
def test_three_million_yellow_rows_take_under_half_a_minute(tmp_path):
    start = time.perf_counter()
    file = write_month(tmp_path, "yellow", MARCH, 3_000_000, 7)
    assert time.perf_counter() - start < 30
    assert pq.read_metadata(file).num_rows == 3_000_000


@pytest.mark.parametrize("rows", [1, 2, 3, 37])
def test_small_months_have_the_requested_rows(tmp_path, rows):
    for service in ERAS:
        assert pq.read_metadata(write_month(tmp_path, service, MARCH, rows, 7)).num_rows == rows


def test_months_of_one_seed_share_a_city_and_differ(tmp_path):
    march, april = (
        pq.read_table(write_month(tmp_path, "green", month, 30_000, 7)) for month in (MARCH, Month(2023, 4))
    )
    popular = [np.bincount(table["PULocationID"].to_numpy(), minlength=266) / 30_000 for table in (march, april)]
    assert np.corrcoef(*popular)[0, 1] > 0.99
    assert not march["trip_distance"].equals(april["trip_distance"])


def test_the_footer_marks_the_month_as_synthetic(tmp_path):
    metadata = pq.read_schema(write_month(tmp_path, "green", MARCH, 10, 7, "C")).metadata
    assert metadata[b"taxi.synthetic"] == b"true"
    assert metadata[b"taxi.seed"] == b"7"
    assert metadata[b"taxi.era"] == b"C"


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    in_the_way = tmp_path / "green_tripdata_2023-03.parquet"
    in_the_way.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_month(tmp_path, "green", MARCH, 100, 7)
    assert list(tmp_path.iterdir()) == [in_the_way]

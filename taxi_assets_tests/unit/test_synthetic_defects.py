"""Synthetic months have TLC's defects at their rates; trips that cleaning keeps follow the law."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from best_errors import best_rmse, conditional_mean

from taxi_assets.months import Month
from taxi_assets.synthetic import write_month
from taxi_assets.synthetic.law import expected_minutes

MARCH = Month(2023, 3)


def minutes_of(table: pa.Table, service: str = "lpep") -> np.ndarray:
    pickup_at, dropoff_at = (table[f"{service}_{end}_datetime"].to_numpy() for end in ("pickup", "dropoff"))
    return (dropoff_at - pickup_at) / np.timedelta64(1, "m")


@pytest.fixture(scope="module")
def green(tmp_path_factory) -> pa.Table:
    """A green month large enough to count its defects."""
    return pq.read_table(write_month(tmp_path_factory.mktemp("green"), "green", MARCH, 300_000, 7))


@pytest.mark.parametrize(
    ("defect", "least", "most"),
    [
        ("lasts 1 to 60 minutes", 0.945, 0.97),
        ("lasts under a minute", 0.022, 0.032),
        ("lasts no time at all", 0.0005, 0.003),
        ("lasts about a day", 0.001, 0.004),
        ("lasts 2 to 23 hours", 0.001, 0.003),
        ("is outside the month", 0.00005, 0.0006),
        ("goes no distance", 0.03, 0.06),
        ("goes over 100 miles", 0.0004, 0.001),
        ("has a negative fare", 0.001, 0.004),
        ("has no passenger count", 0.055, 0.085),
        ("starts nowhere", 0.0015, 0.003),
        ("ends nowhere", 0.006, 0.011),
        ("starts outside", 0.0005, 0.0015),
        ("ends outside", 0.003, 0.006),
    ],
)
def test_defects_are_as_frequent_as_in_real_months(green, defect, least, most):
    """The bounds also hold for TLC's green months of 2023."""
    minutes = minutes_of(green)
    month = green["lpep_pickup_datetime"].to_numpy().astype("datetime64[M]")
    starts, ends = green["PULocationID"].to_numpy(), green["DOLocationID"].to_numpy()
    miles = green["trip_distance"].to_numpy()
    rows = {
        "lasts 1 to 60 minutes": (minutes >= 1) & (minutes <= 60),
        "lasts under a minute": minutes < 1,
        "lasts no time at all": minutes == 0,
        "lasts about a day": (minutes >= 23 * 60) & (minutes <= 24 * 60),
        "lasts 2 to 23 hours": (minutes >= 120) & (minutes < 23 * 60),
        "is outside the month": month != np.datetime64("2023-03"),
        "goes no distance": miles == 0,
        "goes over 100 miles": miles > 100,
        "has a negative fare": green["fare_amount"].to_numpy() < 0,
        "has no passenger count": pc.is_null(green["passenger_count"]).to_numpy(),
        "starts nowhere": starts == 264,
        "ends nowhere": ends == 264,
        "starts outside": starts == 265,
        "ends outside": ends == 265,
    }
    assert least < np.mean(rows[defect]) < most


def test_reset_clocks_are_among_the_defects(green):
    years = green["lpep_pickup_datetime"].to_numpy().astype("datetime64[Y]").astype(int) + 1970
    assert set(years.tolist()) <= {2008, 2009, 2023}
    assert {2008, 2009} & set(years.tolist())


def test_absurd_distances_are_as_large_as_tlcs(green):
    assert 100_000 < pc.max(green["trip_distance"]).as_py() < 294_000


def test_codes_are_null_together_at_the_end_of_the_file(green):
    together = ("passenger_count", "RatecodeID", "store_and_fwd_flag", "payment_type", "trip_type")
    missing = [pc.is_null(green[name]).to_numpy() for name in (*together, "congestion_surcharge")]
    assert all(np.array_equal(missing[0], other) for other in missing)
    assert np.all(np.diff(missing[0].astype(int)) >= 0)


@pytest.mark.parametrize(
    ("month", "share"), [("2019-05", 0), ("2021-01", 0.46), ("2022-05", 0.105), ("2024-03", 0.037)]
)
def test_the_share_of_nulls_is_that_of_the_year(tmp_path, month, share):
    table = pq.read_table(write_month(tmp_path, "green", Month.parse(month), 40_000, 7))
    assert table["passenger_count"].null_count / 40_000 == pytest.approx(share, abs=0.01)


def test_refunds_repeat_a_trip_with_its_money_negated(green):
    fare = green["fare_amount"].to_numpy()
    refunds = np.flatnonzero(fare < 0)
    for name in (
        "lpep_pickup_datetime",
        "lpep_dropoff_datetime",
        "PULocationID",
        "DOLocationID",
        "trip_distance",
    ):
        assert green[name].take(refunds).equals(green[name].take(refunds - 1))
    assert np.array_equal(fare[refunds], -fare[refunds - 1])
    assert set(green["payment_type"].take(refunds).to_pylist()) == {3, 4}
    whole = [tuple(row.values()) for row in green.slice(0, 50_000).to_pylist()]
    assert len(set(whole)) == len(whole)  # TLC has no exact duplicates


def test_months_of_2025_have_their_own_defects(tmp_path):
    green = pq.read_table(write_month(tmp_path, "green", Month(2025, 6), 100_000, 7))
    assert 0.002 < np.mean(minutes_of(green) < 0) < 0.008
    yellow = pq.read_table(write_month(tmp_path, "yellow", Month(2025, 6), 100_000, 7))
    assert 0.02 < np.mean(yellow["fare_amount"].to_numpy() < 0) < 0.05
    assert yellow["passenger_count"].null_count / 100_000 == pytest.approx(0.148, abs=0.01)


def test_trips_kept_by_cleaning_follow_the_law(green):
    """On the scored trips the law's own predictions reach `best_rmse`, the lowest possible error."""
    minutes = minutes_of(green)
    pickup_at = green["lpep_pickup_datetime"].to_numpy()
    kept = (minutes >= 1) & (minutes <= 60) & (pickup_at.astype("datetime64[M]") == np.datetime64("2023-03"))
    starts, ends = (green[name].to_numpy()[kept] for name in ("PULocationID", "DOLocationID"))
    expected = expected_minutes(7, starts, ends, pickup_at[kept], "green")
    known = ~np.isnan(expected)
    error = minutes[kept][known] - conditional_mean(expected[known], (1, 60))
    assert np.sqrt(np.mean(error**2)) == pytest.approx(best_rmse(expected), rel=0.015)
    assert np.mean(error) == pytest.approx(0, abs=0.05)


def test_totals_add_up(green):
    charges = ("fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount", "improvement_surcharge")
    parts = sum(green[name].to_numpy() for name in charges)
    parts += pc.fill_null(green["congestion_surcharge"], 0.0).to_numpy()
    assert np.allclose(parts, green["total_amount"].to_numpy(), atol=0.011)

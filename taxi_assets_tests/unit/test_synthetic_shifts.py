"""Planted shifts: each changes its columns by its amount, and nothing else."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.synthetic import SHIFTS, Shift, parse_shift, write_month

MARCH = Month(2023, 3)
PICKUP, DROPOFF = "lpep_pickup_datetime", "lpep_dropoff_datetime"
ROWS = 40_000


def green(folder, *shifts: str, rows: int = ROWS) -> pa.Table:
    return pq.read_table(write_month(folder, "green", MARCH, rows, 7, shifts=[parse_shift(s) for s in shifts]))


@pytest.fixture(scope="module")
def usual(tmp_path_factory) -> pa.Table:
    return green(tmp_path_factory.mktemp("usual"))


def minutes_of(table: pa.Table) -> np.ndarray:
    return (table[DROPOFF].to_numpy() - table[PICKUP].to_numpy()) / np.timedelta64(1, "m")


def changed(table: pa.Table, usual: pa.Table) -> set[str]:
    return {name for name in usual.column_names if not table[name].equals(usual[name])}


def test_a_slower_city_takes_longer(tmp_path, usual):
    shifted = green(tmp_path, "slower_city=1.3")
    follows = (minutes_of(usual) > 2) & (minutes_of(usual) < 59)
    assert np.median(minutes_of(shifted)[follows] / minutes_of(usual)[follows]) == pytest.approx(1.3, abs=0.005)
    assert changed(shifted, usual) == {DROPOFF, "fare_amount", "tip_amount", "total_amount"}


def test_a_zone_mix_moves_its_share_of_trips(tmp_path, usual):
    shifted = green(tmp_path, "zone_mix=0.5")
    moved = shifted["PULocationID"].to_numpy() != usual["PULocationID"].to_numpy()
    assert np.mean(moved) == pytest.approx(0.5, abs=0.03)
    counts = [np.bincount(table["PULocationID"].to_numpy(), minlength=266) for table in (shifted, usual)]
    assert np.abs(counts[0] - counts[1]).sum() / 2 / ROWS > 0.2
    assert shifted[PICKUP].equals(usual[PICKUP])


@pytest.mark.parametrize("hours", [5, -4.5])
def test_a_shifted_clock_moves_both_times(tmp_path, usual, hours):
    shifted = green(tmp_path, f"shifted_clock={hours}")
    for name in (PICKUP, DROPOFF):
        moved = shifted[name].to_numpy() - usual[name].to_numpy()
        assert set(moved.astype("timedelta64[s]").astype(int).tolist()) == {int(hours * 3600)}
    assert changed(shifted, usual) == {PICKUP, DROPOFF}


def test_a_changed_unit_scales_distances(tmp_path, usual):
    shifted = green(tmp_path, "changed_unit=1.609")
    assert np.allclose(shifted["trip_distance"].to_numpy(), 1.609 * usual["trip_distance"].to_numpy())
    assert changed(shifted, usual) == {"trip_distance"}


def test_a_burst_of_nulls_is_one_run_of_metered_rows(tmp_path, usual):
    shifted = green(tmp_path, "null_burst=0.2")
    before, after = (pc.is_null(table["passenger_count"]).to_numpy() for table in (usual, shifted))
    burst = np.flatnonzero(after & ~before)
    assert len(burst) == round(0.2 * np.sum(~before))
    assert burst[-1] - burst[0] + 1 == len(burst)
    together = {"passenger_count", "RatecodeID", "store_and_fwd_flag", "payment_type", "trip_type"}
    assert changed(shifted, usual) == {*together, "congestion_surcharge"}


@pytest.mark.parametrize("service", ["yellow", "fhvhv", "fhv"])
def test_a_burst_of_nulls_reaches_every_service(tmp_path, service):
    usual = pq.read_table(write_month(tmp_path / "a", service, MARCH, 5_000, 7))
    burst = pq.read_table(write_month(tmp_path / "b", service, MARCH, 5_000, 7, shifts=[Shift("null_burst", 1)]))
    more = [name for name in usual.column_names if burst[name].null_count > usual[name].null_count]
    assert len(more) >= 2
    assert all(burst[name].null_count == 5_000 for name in more)


def test_a_burst_continues_over_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("taxi_assets.synthetic.trips.PIECE_ROWS", 1_000)
    table = green(tmp_path, "null_burst=0.5", rows=10_000)
    is_null = pc.is_null(table["passenger_count"]).to_numpy()
    assert np.sum(np.diff(is_null.astype(int)) != 0) == 3  # into the burst, out of it, and into the unmetered rows
    assert table["passenger_count"].null_count == pytest.approx(10_000 * (0.071 + 0.929 / 2), rel=0.03)


@pytest.mark.parametrize("nothing", [f"{name}={kind.nothing}" for name, kind in SHIFTS.items()])
def test_a_zero_amount_changes_nothing(tmp_path, usual, nothing):
    assert changed(green(tmp_path, nothing), usual) == set()


def test_shifts_add_up_and_are_recorded(tmp_path, usual):
    shifted = green(tmp_path, "changed_unit=2", "shifted_clock=1")
    assert changed(shifted, usual) == {PICKUP, DROPOFF, "trip_distance"}
    assert shifted.schema.metadata[b"taxi.shifts"] == b"changed_unit=2.0 shifted_clock=1.0"


def test_a_shift_given_twice_is_refused(tmp_path):
    with pytest.raises(TaxiError, match="the shift zone_mix is given twice: give it once"):
        green(tmp_path, "zone_mix=0.1", "zone_mix=0.2")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "faster_city=2",
            "'faster_city=2' is not a shift: write one such as slower_city=1.3, zone_mix=0.5, ",
        ),
        ("", "'' is not a shift"),
        ("slower_city", "'slower_city' gives no number: write it such as slower_city=1.3"),
        ("slower_city=fast", "gives no number"),
        (
            "slower_city=0",
            "out of range: give the factor on every duration, from 0.1 to 10, such as slower_city=1.3",
        ),
        ("zone_mix=1.5", "out of range: give the share of trips"),
        ("zone_mix=nan", "out of range"),
        ("shifted_clock=-25", "out of range: give the hours added"),
    ],
)
def test_an_invalid_shift_is_refused(text, message):
    with pytest.raises(TaxiError, match=message):
        parse_shift(text)


def test_a_shift_with_an_unknown_name_is_refused():
    with pytest.raises(TaxiError, match="there is no shift 'storm': choose one of slower_city, zone_mix"):
        Shift("storm", 1)


@given(name=st.sampled_from(sorted(SHIFTS)), share=st.floats(0, 1))
def test_a_written_shift_is_read_back(name, share):
    kind = SHIFTS[name]
    shift = Shift(name, kind.least + share * (kind.most - kind.least))
    assert parse_shift(str(shift)) == shift
    assert parse_shift(f" {shift.name} = {shift.amount!r} ") == shift


@given(text=st.text(max_size=40) | st.builds("{}={}".format, st.sampled_from(sorted(SHIFTS)), st.floats()))
def test_any_text_is_a_shift_or_a_taxi_error(text):
    try:
        shift = parse_shift(text)
    except TaxiError:
        return
    assert shift.name in SHIFTS

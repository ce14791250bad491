"""A file of which much of its month is missing waits for a person; what is held stays, and the run says so."""

from getpass import getuser
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from desk import FEBRUARY, JANUARY, NAME, ROWS, Desk

from taxi_assets import synthetic
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publishing import IncompleteMonth, Publication
from taxi_assets.ingestion.retry_files import accept, retry
from taxi_assets.months import Month
from taxi_assets.tlc.month_file import file_name

APRIL = Month(2020, 4)
SAMPLE = Path(__file__).resolve().parents[4] / "shared" / "tlc-samples" / "green_tripdatasample_2020-04.csv"
CHECK = "no_large_part_of_the_month_is_missing"


def put_few(desk: Desk, every: int = 10) -> None:
    """January again with one row in `every`."""
    table = pq.read_table(desk.months / NAME)
    pq.write_table(table.take(list(range(0, ROWS, every))), desk.settings.landing / NAME)


def put_part(desk: Desk, month: Month, days: int) -> None:
    """The first days of a month, as of a file cut off by whoever made it."""
    name = file_name("green", month)
    table = pq.read_table(desk.months / name)
    first = pc.less_equal(pc.day(table["lpep_pickup_datetime"]), days)
    pq.write_table(table.filter(first), desk.settings.landing / name)


def ingest(desk: Desk, month: Month = JANUARY) -> Publication:
    return ingest_month(desk.warehouse, "green", month, "a run")


def rows(desk: Desk) -> object:
    return desk.asks("SELECT service, month, count(*), bit_xor(hash(t)) FROM raw_trips AS t GROUP BY ALL ORDER BY ALL")


@pytest.fixture
def held(desk: Desk) -> Desk:
    """A home that holds January, and into which a tenth of it has come."""
    desk.put()
    ingest(desk)
    put_few(desk)
    return desk


def test_a_tenth_of_a_month_held_waits_the_month_stays_and_a_person_may_accept_it(held: Desk) -> None:
    before = rows(held)
    with pytest.raises(
        IncompleteMonth, match=r"what is held .* stays: .*taxi arrivals accept [0-9a-f]{16}$"
    ) as refused:
        ingest(held)
    assert f"300 rows instead of the {ROWS:,} held" in str(refused.value)
    assert rows(held) == before
    assert held.states() == {"ingested": 1, "unaccepted": 1}
    held.check()
    published = ingest(held)  # the next run goes on with what is held, and says so
    assert published.rows == ROWS
    (told,) = published.refused
    assert "goes on with" in told
    assert "is unaccepted" in told
    assert "300 rows instead" in told

    record = accept(held.warehouse, NAME)
    assert (record.state, record.accepted_by, record.reasons) == ("waiting", getuser(), ())
    published = ingest(held)
    (outcome,) = [each for each in published.verdict.outcomes if each.name == CHECK]
    assert (published.rows, outcome.passed, outcome.severity) == (300, False, "warning")
    assert f"accepted by {getuser()}" in str(outcome.observed)
    (kept,) = [r for r in held.records() if r.state == "ingested"]
    assert (kept.accepted_by, kept.accepted_at) == (record.accepted_by, record.accepted_at)
    ingest(held)  # once more: who accepted it is not asked again
    held.check()


@pytest.mark.parametrize("are_judged_in_turn", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_of_two_parts_of_a_month_the_later_one_waits_to_be_accepted(held: Desk, are_judged_in_turn: bool) -> None:
    if are_judged_in_turn:
        with pytest.raises(IncompleteMonth):
            ingest(held)
    held.look()
    put_few(held, 6)
    with pytest.raises(IncompleteMonth, match="500 rows instead") as refused:
        ingest(held)
    if not are_judged_in_turn:
        with pytest.raises(IncompleteMonth, match="300 rows instead"):
            ingest(held)  # the earlier one, which no run has judged yet
    (later,) = [r for r in held.records() if r.state == "unaccepted"]
    (earlier,) = [r for r in held.records() if r.state == "superseded"]
    assert earlier.reasons[0] == f"replaced by {later.label()} before it was ingested"
    assert any("300 rows instead" in reason for reason in earlier.reasons)
    before = held.records()
    assert ingest(held).rows == ROWS
    assert held.records() == before
    held.check()

    assert accept(held.warehouse, str(earlier.sha256)[:16]).sha256 == earlier.sha256  # as its own sentence said
    assert held.states() == {"ingested": 1, "superseded": 1, "waiting": 1}
    assert accept(held.warehouse, str(refused.value).split()[-1]).sha256 == later.sha256
    held.check()


@pytest.mark.slow
def test_the_earlier_of_two_parts_is_unaccepted_again_when_the_later_one_is_removed(held: Desk) -> None:
    with pytest.raises(IncompleteMonth):
        ingest(held)
    (before,) = [r for r in held.records() if r.state == "unaccepted"]
    put_few(held, 6)
    held.look()
    (later,) = [r for r in held.records() if r.state == "waiting"]
    held.path(later).unlink()
    held.look()
    assert [r for r in held.records() if r.state == "unaccepted"] == [before]
    held.check()


@pytest.mark.slow
def test_a_month_that_lost_its_distances_waits(desk: Desk) -> None:
    desk.put()
    ingest(desk)
    before = rows(desk)
    table = pq.read_table(desk.months / NAME)
    place = table.column_names.index("trip_distance")
    empty = pa.nulls(ROWS, pa.float64())
    pq.write_table(table.set_column(place, "trip_distance", empty), desk.settings.landing / NAME)
    with pytest.raises(IncompleteMonth, match=r"0 distances instead of the [\d,]+ held"):
        ingest(desk)
    assert rows(desk) == before
    assert desk.states() == {"ingested": 1, "unaccepted": 1}


@pytest.mark.slow
def test_the_whole_file_that_comes_after_it_is_ingested_without_a_person(desk: Desk) -> None:
    put_few(desk)
    assert ingest(desk).rows == 300  # nothing is held, nor nearby, to compare it with
    desk.put()
    assert ingest(desk).rows == ROWS
    desk.check()


@pytest.mark.slow
def test_a_whole_file_that_an_unaccepted_one_overtook_is_ingested(desk: Desk) -> None:
    desk.put("green_tripdata_2023-02.parquet")
    ingest(desk, FEBRUARY)
    desk.put()
    desk.look()
    put_few(desk)
    desk.look()
    with pytest.raises(IncompleteMonth, match="nearby"):
        ingest(desk)
    assert ingest(desk).rows == ROWS
    assert desk.states() == {"ingested": 2, "unaccepted": 1}
    desk.check()


def test_a_first_file_of_a_few_days_waits(desk: Desk) -> None:
    desk.put()
    ingest(desk)
    put_part(desk, FEBRUARY, 10)
    with pytest.raises(IncompleteMonth, match=r"pickups in 36% of the days instead of 100% nearby"):
        ingest(desk, FEBRUARY)
    with pytest.raises(TaxiError, match=r"waits to be accepted: .*\. No other is to be had: .* has no green"):
        ingest(desk, FEBRUARY)  # a source is asked for a whole one, and the cause is not hidden by what it says
    put_part(desk, FEBRUARY, 27)
    assert ingest(desk, FEBRUARY).rows < ROWS
    desk.check()


def test_a_published_sample_of_a_month_waits(desk: Desk, tmp_path: Path) -> None:
    """TLC's own 1,000 rows of green 2020-04, where they are there; else as many of the synthetic city."""
    name = file_name("green", APRIL, "csv")
    synthetic.write_month(desk.settings.landing, "green", APRIL, 5_000, 7)
    ingest(desk, APRIL)
    if SAMPLE.is_file():
        (desk.settings.landing / name).write_bytes(SAMPLE.read_bytes())
    else:
        table: pa.Table = pq.read_table(synthetic.write_month(tmp_path, "green", APRIL, 1_000, 7))
        pyarrow.csv.write_csv(table, desk.settings.landing / name)
    with pytest.raises(IncompleteMonth, match="1,000 rows instead of the 5,000 held"):
        ingest(desk, APRIL)
    assert desk.states() == {"ingested": 1, "unaccepted": 1}


@pytest.mark.slow
def test_what_is_not_unaccepted_cannot_be_accepted_nor_an_unaccepted_one_retried(held: Desk) -> None:
    held.look()
    with pytest.raises(TaxiError, match=r"nothing to accept: .* is ingested; .* is waiting"):
        accept(held.warehouse, NAME)
    with pytest.raises(TaxiError, match="no file is called 'other': see `taxi arrivals`"):
        accept(held.warehouse, "other")
    with pytest.raises(IncompleteMonth):
        ingest(held)
    with pytest.raises(TaxiError, match=r"nothing to try again: .*`taxi arrivals accept` takes an unaccepted one in"):
        retry(held.warehouse, NAME)


@pytest.mark.slow
def test_the_same_bytes_again_name_the_one_to_accept(held: Desk) -> None:
    with pytest.raises(IncompleteMonth):
        ingest(held)
    put_few(held)
    held.look()
    (copy,) = [r for r in held.records() if r.state == "quarantined"]
    assert "is unaccepted: `taxi arrivals accept` takes that in" in copy.reasons[0]


@pytest.mark.slow
def test_an_unaccepted_file_a_person_removed_is_told_of_and_keeps_no_other(held: Desk) -> None:
    with pytest.raises(IncompleteMonth):
        ingest(held)
    (aside,) = [r for r in held.records() if r.state == "unaccepted"]
    held.path(aside).unlink()
    held.look()
    assert held.states() == {"ingested": 1, "quarantined": 1}
    assert ingest(held).refused == ()
    put_few(held, 11)  # another
    held.look()
    assert held.states() == {"ingested": 1, "quarantined": 1, "waiting": 1}

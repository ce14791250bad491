"""An incomplete file needs acceptance by a user; published rows stay, and the run reports it."""

from getpass import getuser
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from landing_harness import FEBRUARY, JANUARY, NAME, ROWS, LandingHarness

from taxi_assets import synthetic
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publish_month import IncompleteMonth, Publication
from taxi_assets.ingestion.retry_files import accept, retry
from taxi_assets.months import Month
from taxi_assets.tlc.month_file import file_name

APRIL = Month(2020, 4)
SAMPLE = Path(__file__).resolve().parents[4] / "shared" / "tlc-samples" / "green_tripdatasample_2020-04.csv"
CHECK = "no_large_part_of_the_month_is_missing"


def put_few(landing_harness: LandingHarness, every: int = 10) -> None:
    """Lands January again with one row in `every`."""
    table = pq.read_table(landing_harness.months / NAME)
    pq.write_table(table.take(list(range(0, ROWS, every))), landing_harness.settings.landing / NAME)


def put_part(landing_harness: LandingHarness, month: Month, days: int) -> None:
    """Lands the first days of a month, as in a truncated file."""
    name = file_name("green", month)
    table = pq.read_table(landing_harness.months / name)
    first = pc.less_equal(pc.day(table["lpep_pickup_datetime"]), days)
    pq.write_table(table.filter(first), landing_harness.settings.landing / name)


def ingest(landing_harness: LandingHarness, month: Month = JANUARY) -> Publication:
    return ingest_month(landing_harness.warehouse, "green", month, "a run")


def rows(landing_harness: LandingHarness) -> object:
    return landing_harness.fetch(
        "SELECT service, month, count(*), bit_xor(hash(t)) FROM raw_trips AS t GROUP BY ALL ORDER BY ALL"
    )


@pytest.fixture
def ingested(landing_harness: LandingHarness) -> LandingHarness:
    """A home with January in the warehouse, and a tenth of January as a newer file."""
    landing_harness.put()
    ingest(landing_harness)
    put_few(landing_harness)
    return landing_harness


@pytest.mark.slow
def test_tenth_of_an_ingested_month_needs_acceptance(ingested: LandingHarness) -> None:
    before = rows(ingested)
    with pytest.raises(
        IncompleteMonth, match=r"the published rows .* stay: .*taxi files accept [0-9a-f]{16}$"
    ) as refused:
        ingest(ingested)
    assert f"300 rows instead of {ROWS:,} before" in str(refused.value)
    assert rows(ingested) == before
    assert ingested.states() == {"ingested": 1, "unaccepted": 1}
    ingested.check()
    published = ingest(ingested)  # the next run continues with the published rows, and reports it
    assert published.tables["raw_trips"].rows == ROWS
    (message,) = published.refused
    assert "uses the earlier file" in message
    assert "is unaccepted" in message
    assert "300 rows instead" in message

    record = accept(ingested.warehouse, NAME)
    assert (record.state, record.accepted_by, record.reasons) == ("waiting", getuser(), ())
    published = ingest(ingested)
    raw = published.tables["raw_trips"]
    (outcome,) = [each for each in raw.suite_result.outcomes if each.name == CHECK]
    assert (raw.rows, outcome.passed, outcome.severity) == (300, False, "warning")
    assert f"accepted by {getuser()}" in str(outcome.observed)
    (kept,) = [r for r in ingested.records() if r.state == "ingested"]
    assert (kept.accepted_by, kept.accepted_at) == (record.accepted_by, record.accepted_at)
    ingest(ingested)  # a repeated run needs no second acceptance
    ingested.check()


@pytest.mark.parametrize("are_ingested_in_turn", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_later_of_two_incomplete_files_needs_acceptance(ingested: LandingHarness, are_ingested_in_turn: bool) -> None:
    if are_ingested_in_turn:
        with pytest.raises(IncompleteMonth):
            ingest(ingested)
    ingested.scan_landing()
    put_few(ingested, 6)
    with pytest.raises(IncompleteMonth, match="500 rows instead") as refused:
        ingest(ingested)
    if not are_ingested_in_turn:
        with pytest.raises(IncompleteMonth, match="300 rows instead"):
            ingest(ingested)  # the earlier one, which no run has validated yet
    (later,) = [r for r in ingested.records() if r.state == "unaccepted"]
    (earlier,) = [r for r in ingested.records() if r.state == "superseded"]
    assert earlier.reasons[0] == f"replaced by {later.label} before it was ingested"
    assert any("300 rows instead" in reason for reason in earlier.reasons)
    before = ingested.records()
    assert ingest(ingested).tables["raw_trips"].rows == ROWS
    assert ingested.records() == before
    ingested.check()

    assert accept(ingested.warehouse, str(earlier.sha256)[:16]).sha256 == earlier.sha256  # as its message said
    assert ingested.states() == {"ingested": 1, "superseded": 1, "waiting": 1}
    assert accept(ingested.warehouse, str(refused.value).split()[-1]).sha256 == later.sha256
    ingested.check()


@pytest.mark.slow
def test_earlier_incomplete_file_is_unaccepted_after_the_later_is_removed(ingested: LandingHarness) -> None:
    with pytest.raises(IncompleteMonth):
        ingest(ingested)
    (before,) = [r for r in ingested.records() if r.state == "unaccepted"]
    put_few(ingested, 6)
    ingested.scan_landing()
    (later,) = [r for r in ingested.records() if r.state == "waiting"]
    ingested.path(later).unlink()
    ingested.scan_landing()
    assert [r for r in ingested.records() if r.state == "unaccepted"] == [before]
    ingested.check()


@pytest.mark.slow
def test_month_without_distances_needs_acceptance(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    ingest(landing_harness)
    before = rows(landing_harness)
    table = pq.read_table(landing_harness.months / NAME)
    place = table.column_names.index("trip_distance")
    empty = pa.nulls(ROWS, pa.float64())
    pq.write_table(table.set_column(place, "trip_distance", empty), landing_harness.settings.landing / NAME)
    with pytest.raises(IncompleteMonth, match=r"0 distances instead of [\d,]+ before"):
        ingest(landing_harness)
    assert rows(landing_harness) == before
    assert landing_harness.states() == {"ingested": 1, "unaccepted": 1}


@pytest.mark.slow
def test_later_complete_file_is_ingested_without_acceptance(landing_harness: LandingHarness) -> None:
    put_few(landing_harness)
    assert ingest(landing_harness).tables["raw_trips"].rows == 300  # no published month to compare it with
    landing_harness.put()
    assert ingest(landing_harness).tables["raw_trips"].rows == ROWS
    landing_harness.check()


@pytest.mark.slow
def test_complete_file_superseded_by_an_unaccepted_one_is_ingested(landing_harness: LandingHarness) -> None:
    landing_harness.put("green_tripdata_2023-02.parquet")
    ingest(landing_harness, FEBRUARY)
    landing_harness.put()
    landing_harness.scan_landing()
    put_few(landing_harness)
    landing_harness.scan_landing()
    with pytest.raises(IncompleteMonth, match="nearby"):
        ingest(landing_harness)
    assert ingest(landing_harness).tables["raw_trips"].rows == ROWS
    assert landing_harness.states() == {"ingested": 2, "unaccepted": 1}
    landing_harness.check()


def test_first_file_of_a_few_days_needs_acceptance(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    ingest(landing_harness)
    put_part(landing_harness, FEBRUARY, 10)
    with pytest.raises(IncompleteMonth, match=r"pickups in 36% of the days instead of 100% nearby"):
        ingest(landing_harness, FEBRUARY)
    with pytest.raises(TaxiError, match=r"waits to be accepted: .*\. No other file is available: .* has no green"):
        # The source is asked for a complete file; its reply must not hide the cause.
        ingest(landing_harness, FEBRUARY)
    put_part(landing_harness, FEBRUARY, 27)
    assert ingest(landing_harness, FEBRUARY).tables["raw_trips"].rows < ROWS
    landing_harness.check()


@pytest.mark.slow
def test_sample_of_a_published_month_needs_acceptance(landing_harness: LandingHarness, tmp_path: Path) -> None:
    """Uses TLC's own 1,000 rows of green 2020-04 if available, else as many synthetic ones."""
    name = file_name("green", APRIL, "csv")
    synthetic.write_month(landing_harness.settings.landing, "green", APRIL, 5_000, 7)
    ingest(landing_harness, APRIL)
    if SAMPLE.is_file():
        (landing_harness.settings.landing / name).write_bytes(SAMPLE.read_bytes())
    else:
        table: pa.Table = pq.read_table(synthetic.write_month(tmp_path, "green", APRIL, 1_000, 7))
        pyarrow.csv.write_csv(table, landing_harness.settings.landing / name)
    with pytest.raises(IncompleteMonth, match="1,000 rows instead of 5,000 before"):
        ingest(landing_harness, APRIL)
    assert landing_harness.states() == {"ingested": 1, "unaccepted": 1}


@pytest.mark.slow
def test_only_unaccepted_files_are_accepted_and_they_are_not_retried(ingested: LandingHarness) -> None:
    ingested.scan_landing()
    with pytest.raises(TaxiError, match=r"nothing to accept: .* is ingested; .* is waiting"):
        accept(ingested.warehouse, NAME)
    with pytest.raises(TaxiError, match="no file is called 'other': see `taxi files`"):
        accept(ingested.warehouse, "other")
    with pytest.raises(IncompleteMonth):
        ingest(ingested)
    with pytest.raises(TaxiError, match=r"nothing to retry: .*`taxi files accept` ingests an unaccepted one"):
        retry(ingested.warehouse, NAME)


@pytest.mark.slow
def test_duplicate_of_an_unaccepted_file_names_the_file_to_accept(ingested: LandingHarness) -> None:
    with pytest.raises(IncompleteMonth):
        ingest(ingested)
    put_few(ingested)
    ingested.scan_landing()
    (copy,) = [r for r in ingested.records() if r.state == "quarantined"]
    assert "is unaccepted: `taxi files accept` ingests that one" in copy.reasons[0]


@pytest.mark.slow
def test_removed_unaccepted_file_is_reported_and_blocks_no_other(ingested: LandingHarness) -> None:
    with pytest.raises(IncompleteMonth):
        ingest(ingested)
    (aside,) = [r for r in ingested.records() if r.state == "unaccepted"]
    ingested.path(aside).unlink()
    ingested.scan_landing()
    assert ingested.states() == {"ingested": 1, "quarantined": 1}
    assert ingest(ingested).refused == ()
    put_few(ingested, 11)  # another incomplete file
    ingested.scan_landing()
    assert ingested.states() == {"ingested": 1, "quarantined": 1, "waiting": 1}

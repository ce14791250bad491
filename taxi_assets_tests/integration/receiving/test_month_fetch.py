"""Fetching a month: one listing of the landing folder, the file used, the message if there is none."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from landing_harness import FEBRUARY, JANUARY, NAME, ROWS, LandingHarness

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import scan_landing
from taxi_assets.ingestion.ingest import ingest_month, land_month
from taxi_assets.ingestion.publish_month import IncompleteMonth, MonthRefused
from taxi_assets.ingestion.source_files import SourceFile


def ingest(landing_harness: LandingHarness) -> SourceFile:
    ingest_month(landing_harness.warehouse, "green", JANUARY, "a run")
    (record,) = [record for record in landing_harness.records() if record.state == "ingested"]
    return record


def rows(landing_harness: LandingHarness) -> object:
    return landing_harness.fetch("SELECT count(*), bit_xor(hash(t)) FROM raw_trips AS t")


def test_quarantine_reason_is_reported_with_the_sources_error(landing_harness: LandingHarness) -> None:
    landing_harness.put(f"refused/{NAME}")
    with pytest.raises(MonthRefused):
        ingest(landing_harness)
    for request in (lambda: ingest(landing_harness), lambda: land_month(landing_harness.warehouse, "green", JANUARY)):
        with pytest.raises(
            TaxiError,
            match=r"is in quarantine: .*median_duration_is_plausible.* No other file is available: .* has no green",
        ) as caught:
            request()
        assert "retry" not in str(caught.value)  # a retry would refuse the same bytes again


def test_waiting_file_is_used_without_a_request_to_the_source(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    landing_harness.scan_landing()
    assert land_month(landing_harness.warehouse, "green", JANUARY) is None


def test_available_month_missing_at_the_source_is_used_and_reported(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    ingest(landing_harness)
    message = land_month(landing_harness.warehouse, "green", JANUARY)
    assert message is not None
    assert f"green 2023-01: {NAME} from the file store is used, since" in message
    (landing_harness.settings.landing / NAME).write_bytes(b"half")
    landing_harness.scan_landing(1)
    message = land_month(landing_harness.warehouse, "green", JANUARY)
    assert message is not None
    assert "its end is missing" in message
    assert (landing_harness.settings.landing / NAME).read_bytes() == b"half"
    assert ingest(landing_harness).state == "ingested"


def test_rows_of_a_missing_file_stay_in_use(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    record, ingested, snapshot = ingest(landing_harness), rows(landing_harness), landing_harness.warehouse.snapshot()
    landing_harness.path(record).unlink()
    published = ingest_month(landing_harness.warehouse, "green", JANUARY)
    raw = published.tables["raw_trips"]
    assert (raw.rows, published.source_file.sha256) == (ROWS, record.sha256)
    assert raw.suite_result.failed_errors() == ()
    (message,) = published.refused
    assert "uses the published rows of" in message
    assert "has no green_tripdata_2023-01" in message
    assert (rows(landing_harness), landing_harness.warehouse.snapshot()) == (ingested, snapshot)


def with_source(landing_harness: LandingHarness) -> LandingHarness:
    """The home with the test months as its source."""
    settings = landing_harness.settings.model_copy(update={"tlc_source": str(landing_harness.months)})
    return LandingHarness(settings, landing_harness.months)


def test_fetched_file_is_taken_without_another_listing(
    landing_harness: LandingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    listings = []
    original = scan_landing.list_landing
    monkeypatch.setattr(scan_landing, "list_landing", lambda *given: listings.append(given) or original(*given))
    landing_harness.put("green_tripdata_2023-02.parquet")
    landing_harness.scan_landing(1)
    (february,) = landing_harness.records()
    listings.clear()
    assert ingest(with_source(landing_harness)).month == JANUARY
    assert len(listings) == 1
    assert [record for record in landing_harness.records() if record.state == "arriving"] == [february]
    landing_harness.scan_landing()
    assert {record.month: record.state for record in landing_harness.records()} == {
        JANUARY: "ingested",
        FEBRUARY: "waiting",
    }
    landing_harness.check()


@pytest.mark.slow
def test_fetched_file_that_is_in_the_file_store_stays_there(landing_harness: LandingHarness, tmp_path: Path) -> None:
    landing_harness.put()
    ingest(landing_harness)
    pq.write_table(pq.read_table(landing_harness.months / NAME).slice(0, 300), landing_harness.settings.landing / NAME)
    with pytest.raises(IncompleteMonth):
        ingest(landing_harness)
    before = landing_harness.records()
    (unaccepted,) = [record for record in before if record.state == "unaccepted"]
    (tmp_path / NAME).write_bytes(landing_harness.path(unaccepted).read_bytes())
    settings = landing_harness.settings.model_copy(update={"tlc_source": str(tmp_path)})
    assert land_month(LandingHarness(settings, landing_harness.months).warehouse, "green", JANUARY) is None
    assert landing_harness.records() == before
    landing_harness.check()

"""What is used, and what the caller is told, where the source has nothing."""

import pytest
from desk import JANUARY, NAME, ROWS, Desk

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.ingest import fetch_month, ingest_month
from taxi_assets.ingestion.publishing import MonthRefused
from taxi_assets.ingestion.source_files import Record


def ingest(desk: Desk) -> Record:
    ingest_month(desk.warehouse, "green", JANUARY, "a run")
    (record,) = [record for record in desk.records() if record.state == "ingested"]
    return record


def rows(desk: Desk) -> object:
    return desk.asks("SELECT count(*), bit_xor(hash(t)) FROM raw_trips AS t")


def test_the_reason_of_the_quarantine_is_not_hidden_by_the_source(desk: Desk) -> None:
    desk.put(f"refused/{NAME}")
    with pytest.raises(MonthRefused):
        ingest(desk)
    for ask in (lambda: ingest(desk), lambda: fetch_month(desk.warehouse, "green", JANUARY)):
        with pytest.raises(
            TaxiError,
            match=r"is in quarantine: .*median_duration_is_plausible.* No other is to be had: .* has no green",
        ) as caught:
            ask()
        assert "retry" not in str(caught.value)  # which would refuse the same bytes again


def test_a_file_that_waits_is_used_before_the_source_is_asked(desk: Desk) -> None:
    desk.put()
    desk.look()
    assert fetch_month(desk.warehouse, "green", JANUARY) is None


def test_a_month_held_that_the_source_lacks_is_used_and_told(desk: Desk) -> None:
    desk.put()
    ingest(desk)
    told = fetch_month(desk.warehouse, "green", JANUARY)
    assert told is not None
    assert f"green 2023-01: {NAME} is held and used, since" in told
    (desk.settings.landing / NAME).write_bytes(b"half")
    desk.look(1)
    told = fetch_month(desk.warehouse, "green", JANUARY)
    assert told is not None
    assert "its end is missing" in told
    assert (desk.settings.landing / NAME).read_bytes() == b"half"
    assert ingest(desk).state == "ingested"


def test_rows_held_of_a_file_that_is_gone_are_gone_on_with(desk: Desk) -> None:
    desk.put()
    record, held, snapshot = ingest(desk), rows(desk), desk.warehouse.snapshot()
    desk.path(record).unlink()
    published = ingest_month(desk.warehouse, "green", JANUARY)
    assert (published.rows, published.arrival and published.arrival.sha256) == (ROWS, record.sha256)
    assert published.verdict.failed_errors() == ()
    (told,) = published.refused
    assert "goes on with the rows held of" in told
    assert "has no green_tripdata_2023-01" in told
    assert (rows(desk), desk.warehouse.snapshot()) == (held, snapshot)

"""Ingestion of a month's file: repeats, damaged files, republished months and refusals."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from landing_harness import FEBRUARY, JANUARY, NAME, ROWS, LandingHarness

from taxi_assets.errors import TaxiError
from taxi_assets.files import sha256_of
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publish_month import MonthRefused
from taxi_assets.ingestion.recorded_file import DamagedFile
from taxi_assets.ingestion.retry_files import dismiss, retry
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.ingestion.unresolved_files import unresolved_files


def ingest(landing_harness: LandingHarness, run_id: str = "a run") -> SourceFile:
    ingest_month(landing_harness.warehouse, "green", JANUARY, run_id)
    (record,) = [record for record in landing_harness.records() if record.state == "ingested"]
    return record


def flip(path: Path, at: int) -> None:
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1
    path.write_bytes(content)


def rows(landing_harness: LandingHarness) -> object:
    return landing_harness.fetch("SELECT count(*), bit_xor(hash(t)) FROM raw_trips AS t")


def kept(landing_harness: LandingHarness) -> object:
    return landing_harness.fetch("SELECT count(*), bit_xor(hash(t)) FROM trip_features AS t")


def test_waiting_file_is_ingested(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    record = ingest(landing_harness, "run 7")
    assert (record.run_id, record.rows, record.reasons, record.difference) == ("run 7", ROWS, (), None)
    assert record.snapshot == landing_harness.warehouse.snapshot()
    with landing_harness.warehouse.at(record.snapshot).reading() as connection:
        assert connection.execute("SELECT count(*) FROM raw_trips").fetchall() == [(ROWS,)]
    with landing_harness.warehouse.at(record.snapshot - 1).reading() as connection:
        assert connection.execute("SELECT count(*) FROM raw_trips").fetchall() == [(0,)]
    landing_harness.check()


def test_reingestion_of_the_same_file_changes_nothing(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    first, rows_before, snapshot = ingest(landing_harness), rows(landing_harness), landing_harness.warehouse.snapshot()
    assert ingest(landing_harness, "another run") == first
    assert rows(landing_harness) == rows_before
    assert landing_harness.warehouse.snapshot() == snapshot


def test_missing_month_is_fetched(landing_harness: LandingHarness) -> None:
    source = Path(landing_harness.settings.tlc_source) / NAME
    source.write_bytes((landing_harness.months / NAME).read_bytes())
    try:
        record = ingest(landing_harness)
        assert record.sha256 == sha256_of(source)
        landing_harness.path(record).unlink()  # fetched again; the same bytes make no new record
        assert ingest(landing_harness) == record
    finally:
        source.unlink()
    assert len(landing_harness.records()) == 1
    landing_harness.check()


def test_month_without_a_file_is_a_one_line_error(landing_harness: LandingHarness) -> None:
    with pytest.raises(TaxiError, match=r"has no green_tripdata_2023-02\.parquet"):
        ingest_month(landing_harness.warehouse, "green", FEBRUARY)


def test_fetch_does_not_overwrite_an_arriving_file(landing_harness: LandingHarness) -> None:
    with (landing_harness.settings.landing / NAME).open("wb") as file:
        file.write(b"half")
        file.flush()
        with pytest.raises(TaxiError, match=r"is in the landing folder, but it is still being written"):
            ingest(landing_harness)
    assert (landing_harness.settings.landing / NAME).read_bytes() == b"half"


# Republished


@pytest.mark.slow
def test_republished_month_reports_its_differences(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    ingest(landing_harness)
    landing_harness.put(f"again/{NAME}")
    record = ingest(landing_harness)
    older = next(r for r in landing_harness.records() if r.state == "superseded")
    assert older.reasons == (f"replaced by {record.label}",)
    assert record.difference is not None
    assert record.difference["former_sha256"] == older.sha256
    before, after = (
        pq.read_table(landing_harness.months / which)["passenger_count"] for which in (NAME, f"again/{NAME}")
    )
    changed = sum(a != b for a, b in zip(before.to_pylist(), after.to_pylist(), strict=True))
    assert 0 < changed <= record.difference["rows"]["changed"] < ROWS
    assert record.difference["rows"] | {"changed": 0} == {"added": 0, "removed": 0, "changed": 0}
    landing_harness.check()


def test_added_and_removed_rows_and_columns_are_counted(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    ingest(landing_harness)
    table = pq.read_table(landing_harness.months / NAME)
    table = table.drop_columns(["ehail_fee"]).append_column("note", [["new"] * ROWS]).slice(100)
    pq.write_table(table, landing_harness.settings.landing / NAME)
    difference = ingest(landing_harness).difference
    assert difference is not None
    columns = difference["columns"]
    assert (columns["added"], columns["removed"], columns["shared"]) == (["note"], ["ehail_fee"], table.num_columns - 1)
    counted = difference["rows"]
    assert counted["removed"] - counted["added"] == 100
    assert counted["changed"] == 0  # a new column does not change a row
    statistics = difference["statistics"]
    assert statistics["rows"] == {"before": ROWS, "after": ROWS - 100}
    median = statistics["median_duration_minutes"]
    assert 0 < median["after"] < statistics["mean_duration_minutes"]["after"]


@pytest.mark.slow
def test_retry_restores_a_superseded_file(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    first, rows_before = ingest(landing_harness), rows(landing_harness)
    landing_harness.put(f"again/{NAME}")
    ingest(landing_harness)
    landing_harness.put()  # the old bytes again have no effect
    landing_harness.scan_landing()
    assert landing_harness.states() == {"superseded": 1, "ingested": 1, "quarantined": 1}
    again = retry(landing_harness.warehouse, str(first.sha256)[:12])
    assert (again.state, again.path) == ("waiting", first.path)
    ingest(landing_harness)
    assert rows(landing_harness) == rows_before
    landing_harness.check()


# Damaged


@pytest.mark.parametrize("at", [0, 4_000, -1], ids=["head", "middle", "end"])
def test_a_damaged_file_is_not_read_and_a_good_copy_is_taken(landing_harness: LandingHarness, at: int) -> None:
    landing_harness.put()
    (record,) = landing_harness.scan_landing()
    flip(landing_harness.path(record), at)
    with pytest.raises(
        DamagedFile, match=r"is damaged and is not read: its SHA-256 is .* Put a good copy into the landing folder"
    ):
        ingest(landing_harness)
    assert rows(landing_harness) == [(0, None)]
    assert landing_harness.only().state == "quarantined"
    assert "damaged in the file store" in landing_harness.only().reasons[0]
    landing_harness.check()
    landing_harness.put()
    assert ingest(landing_harness).sha256 == record.sha256
    assert rows(landing_harness)[0][0] == ROWS  # type: ignore[index]
    landing_harness.check()


def test_published_rows_stay_after_their_file_is_deleted(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    record, rows_before, kept_before = ingest(landing_harness), rows(landing_harness), kept(landing_harness)
    flip(landing_harness.path(record), 4_000)
    with pytest.raises(DamagedFile):
        ingest(landing_harness)
    assert kept(landing_harness) == kept_before
    assert landing_harness.states() == {"ingested": 1, "quarantined": 1}
    landing_harness.put()  # a good copy returns to the file store without another ingestion
    landing_harness.scan_landing()
    assert rows(landing_harness) == rows_before  # raw trips are the file's bytes
    restored = next(r for r in landing_harness.records() if r.state == "ingested")
    assert restored == record
    assert landing_harness.path(restored).is_file()
    assert unresolved_files(landing_harness.records()) == []
    landing_harness.check()


def test_landed_copy_replaces_a_damaged_file(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    (record,) = landing_harness.scan_landing()
    os.truncate(landing_harness.path(record), 100)
    landing_harness.put()
    landing_harness.scan_landing()
    assert landing_harness.states() == {"waiting": 1, "quarantined": 1}
    assert ingest(landing_harness).sha256 == record.sha256
    landing_harness.check()


def test_corrupt_new_file_is_quarantined(landing_harness: LandingHarness) -> None:
    content = bytearray((landing_harness.months / NAME).read_bytes())
    start = pq.ParquetFile(landing_harness.months / NAME).metadata.row_group(0).column(1).data_page_offset
    content[start : start + 40] = bytes(40)
    (landing_harness.settings.landing / NAME).write_bytes(content)
    with pytest.raises(TaxiError, match=r"cannot be read to its end .*: replace it"):
        ingest(landing_harness)
    assert landing_harness.only().state == "quarantined"
    assert "cannot be read to its end" in landing_harness.only().reasons[0]
    landing_harness.check()


# Refused


def test_refused_month_is_quarantined_with_its_reasons(landing_harness: LandingHarness) -> None:
    landing_harness.put(f"refused/{NAME}")
    with pytest.raises(MonthRefused) as refused:
        ingest(landing_harness)
    record = landing_harness.only()
    assert (record.state, record.reasons) == ("quarantined", refused.value.suite_result.summary())
    note = (landing_harness.settings.root / f"{record.path}.reason.txt").read_text()
    assert "median_duration_is_plausible" in note
    assert "retry" not in note  # a retry would refuse the same bytes again
    landing_harness.check()
    landing_harness.put(f"refused/{NAME}")  # the same bytes are not tried again
    landing_harness.scan_landing()
    assert landing_harness.only() == record
    assert unresolved_files(landing_harness.records()) == [record]
    landing_harness.put()  # a good file is ingested
    ingest(landing_harness)
    assert record in landing_harness.records()
    assert unresolved_files(landing_harness.records()) == []
    landing_harness.check()


def test_ingested_month_stays_when_its_successor_is_refused(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    record, rows_before = ingest(landing_harness), rows(landing_harness)
    landing_harness.put(f"refused/{NAME}")
    with pytest.raises(MonthRefused):
        ingest(landing_harness)
    assert rows(landing_harness) == rows_before
    assert record in landing_harness.records()
    (refused,) = unresolved_files(landing_harness.records())  # it came after the good one
    dismissed = dismiss(landing_harness.warehouse, str(refused.sha256)[:12])
    assert dismissed == dismiss(landing_harness.warehouse, refused.path)
    landing_harness.put(f"refused/{NAME}")
    assert dismissed in landing_harness.scan_landing()
    assert unresolved_files(landing_harness.records()) == []
    note = (landing_harness.settings.root / f"{dismissed.path}.reason.txt").read_text()
    assert "resolved: dismissed by " in note
    assert "taxi files" not in note
    landing_harness.check()


def test_retried_refused_month_is_requested_again(landing_harness: LandingHarness) -> None:
    landing_harness.put(f"refused/{NAME}")
    with pytest.raises(MonthRefused):
        ingest(landing_harness)
    before = landing_harness.only()
    record = retry(landing_harness.warehouse, NAME)
    assert (record.state, record.sha256, record.reasons) == ("waiting", before.sha256, ())
    assert record.request != before.request
    assert not list(landing_harness.settings.quarantine.iterdir())
    landing_harness.check()


# Failed retries


def test_invalid_retry_reports_the_reason(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    landing_harness.put(name="january.parquet")
    landing_harness.scan_landing()
    for text, message in (
        ("nothing", "no file is called 'nothing': see `taxi files`"),
        ("../../etc/passwd\n", r"no file is called '\.\./\.\./etc/passwd\\n'"),
        ("january.parquet", "nothing to retry: .* is quarantined"),
    ):
        with pytest.raises(TaxiError, match=message):
            retry(landing_harness.warehouse, text)
        if "january" not in text:
            with pytest.raises(TaxiError, match=message):
                dismiss(landing_harness.warehouse, text)
    ingest(landing_harness)
    for command in (retry, dismiss):
        with pytest.raises(TaxiError, match=rf"nothing to {command.__name__}: .* is ingested"):
            command(landing_harness.warehouse, NAME)


def test_ambiguous_retry_asks_for_one_file(landing_harness: LandingHarness) -> None:
    for which in (NAME, f"again/{NAME}", f"refused/{NAME}"):
        landing_harness.put(which)
        landing_harness.scan_landing()
    ingested = {"superseded": 2, "waiting": 1}
    assert landing_harness.states() == ingested
    with pytest.raises(TaxiError, match=r"2 files match .*: name one of"):
        retry(landing_harness.warehouse, NAME)
    assert landing_harness.states() == ingested

"""A month's file into the lake: once, undamaged, and the next one of the same month with what it changes."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from desk import FEBRUARY, JANUARY, NAME, ROWS, Desk

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publishing import DamagedFile, MonthRefused
from taxi_assets.ingestion.retry_files import retry
from taxi_assets.ingestion.source_files import Record
from taxi_assets.tlc.file_transfer import sha256_of


def ingest(desk: Desk, run_id: str = "a run") -> Record:
    ingest_month(desk.warehouse, "green", JANUARY, run_id)
    (record,) = [record for record in desk.records() if record.state == "ingested"]
    return record


def flip(path: Path, at: int) -> None:
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1
    path.write_bytes(content)


def rows(desk: Desk) -> object:
    return desk.asks("SELECT count(*), bit_xor(hash(t)) FROM raw_trips AS t")


def test_a_file_that_waits_is_ingested(desk: Desk) -> None:
    desk.put()
    record = ingest(desk, "run 7")
    assert (record.run_id, record.rows, record.reasons, record.difference) == ("run 7", ROWS, (), None)
    assert record.snapshot == desk.warehouse.snapshot()
    with desk.warehouse.reading(record.snapshot) as connection:
        assert connection.execute("SELECT count(*) FROM raw_trips").fetchall() == [(ROWS,)]
    with desk.warehouse.reading(record.snapshot - 1) as connection:
        assert connection.execute("SELECT count(*) FROM raw_trips").fetchall() == [(0,)]
    desk.check()


def test_again_changes_nothing_but_the_snapshot(desk: Desk) -> None:
    desk.put()
    first, held, snapshot = ingest(desk), rows(desk), desk.warehouse.snapshot()
    assert ingest(desk, "another run") == first
    assert rows(desk) == held
    assert desk.warehouse.snapshot() == snapshot + 1


def test_a_month_that_is_nowhere_is_fetched(desk: Desk) -> None:
    source = Path(desk.settings.tlc_source) / NAME
    source.write_bytes((desk.months / NAME).read_bytes())
    try:
        record = ingest(desk)
        assert record.sha256 == sha256_of(source)
        desk.path(record).unlink()  # gone from the store as well: it comes again, and is no other arrival
        assert ingest(desk) == record
    finally:
        source.unlink()
    assert len(desk.records()) == 1
    desk.check()


def test_a_month_nobody_has_is_an_error_of_one_line(desk: Desk) -> None:
    with pytest.raises(TaxiError, match=r"has no green_tripdata_2023-02\.parquet"):
        ingest_month(desk.warehouse, "green", FEBRUARY)


def test_a_file_on_its_way_is_not_written_over(desk: Desk) -> None:
    with (desk.settings.landing / NAME).open("wb") as file:
        file.write(b"half")
        file.flush()
        with pytest.raises(TaxiError, match=r"is in the landing folder, but it is still being written"):
            ingest(desk)
    assert (desk.settings.landing / NAME).read_bytes() == b"half"


# Republished


def test_a_republished_month_tells_what_it_changed(desk: Desk) -> None:
    desk.put()
    ingest(desk)
    desk.put(f"again/{NAME}")
    record = ingest(desk)
    older = next(r for r in desk.records() if r.state == "superseded")
    assert older.reasons == (f"replaced by {record.label()}",)
    assert record.difference is not None
    assert record.difference["former_sha256"] == older.sha256
    before, after = (pq.read_table(desk.months / which)["passenger_count"] for which in (NAME, f"again/{NAME}"))
    changed = sum(a != b for a, b in zip(before.to_pylist(), after.to_pylist(), strict=True))
    assert 0 < changed <= record.difference["rows"]["changed"] < ROWS
    assert record.difference["rows"] | {"changed": 0} == {"added": 0, "removed": 0, "changed": 0}
    desk.check()


def test_rows_and_columns_that_came_and_went_are_counted(desk: Desk) -> None:
    desk.put()
    ingest(desk)
    table = pq.read_table(desk.months / NAME)
    table = table.drop_columns(["ehail_fee"]).append_column("note", [["new"] * ROWS]).slice(100)
    pq.write_table(table, desk.settings.landing / NAME)
    difference = ingest(desk).difference
    assert difference is not None
    columns = difference["columns"]
    assert (columns["added"], columns["removed"], columns["shared"]) == (["note"], ["ehail_fee"], table.num_columns - 1)
    counted = difference["rows"]
    assert counted["removed"] - counted["added"] == 100
    assert counted["changed"] == 0  # a column that came is no change of a row
    statistics = difference["statistics"]
    assert statistics["rows"] == {"before": ROWS, "after": ROWS - 100}
    median = statistics["median_duration_minutes"]
    assert 0 < median["after"] < statistics["mean_duration_minutes"]["after"]


def test_the_file_before_comes_back_when_a_person_says_so(desk: Desk) -> None:
    desk.put()
    first, held = ingest(desk), rows(desk)
    desk.put(f"again/{NAME}")
    ingest(desk)
    desk.put()  # the old bytes once more are no news
    desk.look()
    assert desk.states() == {"superseded": 1, "ingested": 1, "quarantined": 1}
    again = retry(desk.warehouse, str(first.sha256)[:12])
    assert (again.state, again.path) == ("waiting", first.path)
    ingest(desk)
    assert rows(desk) == held
    desk.check()


# Damaged


@pytest.mark.parametrize("at", [0, 4_000, -1], ids=["head", "middle", "end"])
def test_a_damaged_file_is_not_read_and_a_good_copy_is_taken(desk: Desk, at: int) -> None:
    desk.put()
    (record,) = desk.look()
    flip(desk.path(record), at)
    with pytest.raises(DamagedFile, match=r"is damaged: its SHA-256 is .* Put a good copy into the landing folder"):
        ingest(desk)
    assert rows(desk) == [(0, None)]
    assert desk.only().state == "quarantined"
    assert "damaged in the store" in desk.only().reasons[0]
    desk.check()
    desk.put()
    assert ingest(desk).sha256 == record.sha256
    assert rows(desk)[0][0] == ROWS  # type: ignore[index]
    desk.check()


def test_what_was_published_outlives_its_file(desk: Desk) -> None:
    desk.put()
    record, held = ingest(desk), rows(desk)
    flip(desk.path(record), 4_000)
    with pytest.raises(DamagedFile):
        ingest(desk)
    assert rows(desk) == held
    assert desk.states() == {"ingested": 1, "quarantined": 1}
    desk.put()  # a good copy goes back into the store, without another ingestion
    desk.look()
    restored = next(r for r in desk.records() if r.state == "ingested")
    assert restored == record
    assert desk.path(restored).is_file()
    desk.check()


def test_a_copy_that_comes_by_itself_replaces_a_damaged_one(desk: Desk) -> None:
    desk.put()
    (record,) = desk.look()
    os.truncate(desk.path(record), 100)
    desk.put()
    desk.look()
    assert desk.states() == {"waiting": 1, "quarantined": 1}
    assert ingest(desk).sha256 == record.sha256
    desk.check()


def test_bytes_that_arrive_rotten_are_put_aside(desk: Desk) -> None:
    content = bytearray((desk.months / NAME).read_bytes())
    start = pq.ParquetFile(desk.months / NAME).metadata.row_group(0).column(1).data_page_offset
    content[start : start + 40] = bytes(40)
    (desk.settings.landing / NAME).write_bytes(content)
    with pytest.raises(TaxiError, match=r"cannot be read to its end .*: replace it"):
        ingest(desk)
    assert desk.only().state == "quarantined"
    assert "cannot be read to its end" in desk.only().reasons[0]
    desk.check()


# Refused


def test_a_refused_month_is_put_aside_with_the_reasons(desk: Desk) -> None:
    desk.put(f"refused/{NAME}")
    with pytest.raises(MonthRefused) as refused:
        ingest(desk)
    record = desk.only()
    assert (record.state, record.reasons) == ("quarantined", refused.value.verdict.summary())
    note = (desk.settings.root / f"{record.path}.reason.txt").read_text()
    assert "median_duration_is_plausible" in note
    assert "retry" not in note  # which would refuse the same bytes again
    desk.check()
    desk.put(f"refused/{NAME}")  # the same again is not tried again
    desk.look()
    assert desk.only() == record
    desk.put()  # a good one is
    ingest(desk)
    desk.check()


def test_a_month_that_is_held_stays_where_its_successor_is_refused(desk: Desk) -> None:
    desk.put()
    record, held = ingest(desk), rows(desk)
    desk.put(f"refused/{NAME}")
    with pytest.raises(MonthRefused):
        ingest(desk)
    assert rows(desk) == held
    assert record in desk.records()
    desk.check()


def test_a_refused_month_tried_again_is_requested_anew(desk: Desk) -> None:
    desk.put(f"refused/{NAME}")
    with pytest.raises(MonthRefused):
        ingest(desk)
    before = desk.only()
    record = retry(desk.warehouse, NAME)
    assert (record.state, record.sha256, record.reasons) == ("waiting", before.sha256, ())
    assert record.request != before.request
    assert not list(desk.settings.quarantine.iterdir())
    desk.check()


# What cannot be tried again


def test_retry_says_what_is_wrong(desk: Desk) -> None:
    desk.put()
    desk.put(name="january.parquet")
    desk.look()
    for text, told in (
        ("nothing", "no file is called 'nothing': see `taxi arrivals`"),
        ("../../etc/passwd\n", r"no file is called '\.\./\.\./etc/passwd\\n'"),
        ("january.parquet", "nothing to try again: .* is quarantined"),
    ):
        with pytest.raises(TaxiError, match=told):
            retry(desk.warehouse, text)
    ingest(desk)
    with pytest.raises(TaxiError, match=r"nothing to try again: .* is ingested"):
        retry(desk.warehouse, NAME)


def test_retry_of_one_of_several_asks_which(desk: Desk) -> None:
    for which in (NAME, f"again/{NAME}", f"refused/{NAME}"):
        desk.put(which)
        desk.look()
    ingested = {"superseded": 2, "waiting": 1}
    assert desk.states() == ingested
    with pytest.raises(TaxiError, match=r"2 files are meant by .*: name one of"):
        retry(desk.warehouse, NAME)
    assert desk.states() == ingested

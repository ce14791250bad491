"""What becomes of a file in the landing folder: taken when it is whole, once, and put where its row says."""

import os
import stat
from pathlib import Path

import pytest
from desk import JANUARY, NAME, QUICK, ROWS, Desk

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.file_stability import IMPATIENT, Pace
from taxi_assets.ingestion.scan_landing import alone, look
from taxi_assets.tlc.file_transfer import sha256_of

# Whole files


def test_a_whole_file_is_taken_at_the_second_look(desk: Desk) -> None:
    file = desk.put()
    sha256, size = sha256_of(file), file.stat().st_size
    desk.look(1)
    assert (desk.only().state, desk.only().path, desk.only().is_taken) == ("arriving", f"landing/{NAME}", False)
    assert file.is_file()
    first_seen = desk.only().first_seen_at
    desk.look(1)
    record = desk.only()
    assert record.path == f"arrived/green/2023-01/{sha256}.parquet"
    assert (record.state, record.reasons, record.request) == ("waiting", (), 1)
    assert (record.service, record.month, record.bytes, record.sha256) == ("green", JANUARY, size, sha256)
    assert (record.rows, record.schema_era, record.is_synthetic) == (ROWS, "A", True)
    assert record.first_seen_at == first_seen
    assert not file.exists()
    assert stat.S_IMODE(desk.path(record).stat().st_mode) == 0o444
    desk.check()


def test_who_asks_for_the_month_now_need_not_wait_for_a_second_look(desk: Desk) -> None:
    desk.put()
    look(desk.warehouse, IMPATIENT, {("green", JANUARY)})
    assert desk.only().is_taken


def test_looking_again_writes_nothing(desk: Desk) -> None:
    desk.put()
    (desk.settings.landing / "notes.part").write_text("…")
    desk.look()
    before, snapshot = desk.records(), desk.warehouse.snapshot()
    assert desk.look() == before
    assert desk.warehouse.snapshot() == snapshot


def test_only_the_months_asked_for_are_taken(desk: Desk) -> None:
    desk.put()
    desk.put("green_tripdata_2023-02.parquet")
    desk.look(1)
    look(desk.warehouse, IMPATIENT, {("green", JANUARY)})
    assert {r.file_name: r.is_taken for r in desk.records()} == {NAME: True, "green_tripdata_2023-02.parquet": False}


def test_at_most_so_many_are_taken_at_once(desk: Desk) -> None:
    desk.put()
    desk.put("green_tripdata_2023-02.parquet")
    pace = Pace(seconds_between=0, most_files=1)
    for taken in (0, 1, 2, 2):
        look(desk.warehouse, pace)
        assert sum(record.is_taken for record in desk.records()) == taken
    desk.check()


def test_what_there_was_no_time_to_read_is_read_at_the_next_look(desk: Desk) -> None:
    desk.put()
    desk.look(1)
    look(desk.warehouse, Pace(seconds_between=0, budget_seconds=-1))
    assert desk.only().reasons == ("it is taken, and read at the next look",)
    assert desk.look(1)[0].path.startswith("arrived/green/")
    desk.check()


def test_text_of_the_contract_is_taken(desk: Desk) -> None:
    header = "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,PULocationID,DOLocationID,congestion_surcharge\r\n"
    (desk.settings.landing / "green_tripdata_2020-04.csv").write_text(header + "2,2020-04-01,2020-04-01,74,75,0\r\n")
    desk.look()
    record = desk.only()
    assert (record.state, record.rows, record.is_synthetic, Path(record.path).suffix) == ("waiting", None, None, ".csv")
    assert record.schema_era == "2019-csv"


# Not whole yet


def test_a_file_somebody_writes_to_is_left_alone(desk: Desk) -> None:
    whole = (desk.months / NAME).read_bytes()
    path = desk.settings.landing / NAME
    with path.open("wb") as file:
        file.write(whole)  # its bytes are all there, but nobody can know
        file.flush()
        desk.look(4)
        assert desk.only().reasons == ("it is still being written: somebody has it open",)
    desk.look(1)
    assert desk.only().is_taken


def test_a_file_that_grows_between_looks_is_left_alone(desk: Desk) -> None:
    whole = (desk.months / NAME).read_bytes()
    path = desk.settings.landing / NAME
    for part in range(1, 5):
        path.write_bytes(whole[: len(whole) * part // 5])
        desk.look(1)
        assert desk.only().path == f"landing/{NAME}"
        assert "its end is missing" in desk.only().reasons[0]
    path.write_bytes(whole)
    desk.look()
    assert desk.only().is_taken


def test_neither_an_old_time_nor_a_clock_that_jumps_matters(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    file = desk.put()
    os.utime(file, (0, 0))
    monkeypatch.setattr("time.time", lambda: 10.0)
    desk.look()
    assert desk.only().is_taken


def test_looks_that_follow_too_fast_count_once(desk: Desk) -> None:
    desk.put()
    for _ in range(3):
        look(desk.warehouse, Pace(seconds_between=60))
    assert not desk.only().is_taken


def test_a_file_taken_away_again_is_forgotten(desk: Desk) -> None:
    file = desk.put()
    desk.look(1)
    file.unlink()
    assert desk.look(1) == []


def test_a_broken_file_is_put_aside_at_the_third_look(desk: Desk) -> None:
    (desk.settings.landing / NAME).write_bytes((desk.months / NAME).read_bytes()[:-9])
    assert not desk.look(2)[0].sha256
    desk.look(1)
    record = desk.only()
    assert record.state == "quarantined"
    assert record.reasons == (f"{NAME} is not a whole parquet file: replace it with TLC's own",)
    assert NAME in (desk.settings.root / f"{record.path}.reason.txt").read_text()
    assert record.reasons[0] in (desk.settings.root / f"{record.path}.reason.txt").read_text()
    desk.check()


# Others at the same time


def test_two_do_not_look_at_once(desk: Desk) -> None:
    with (
        alone(desk.settings, 1),
        pytest.raises(TaxiError, match="another process is taking files in: try again when it is done"),
    ):
        look(desk.warehouse, Pace(lock_seconds=0.01))


def test_a_file_that_cannot_be_taken_keeps_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.put()
    desk.put("green_tripdata_2023-02.parquet")
    rename = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if self == desk.settings.landing / NAME:
            raise PermissionError(1, "Operation not permitted", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    desk.look()
    assert {r.file_name: (r.is_taken, r.reasons) for r in desk.records()} == {
        NAME: (False, ("it cannot be taken (PermissionError: Operation not permitted)",)),
        "green_tripdata_2023-02.parquet": (True, ()),
    }


def test_a_landing_folder_that_is_not_there_is_no_error(desk: Desk) -> None:
    desk.settings.landing.rmdir()
    assert look(desk.warehouse, QUICK) == []

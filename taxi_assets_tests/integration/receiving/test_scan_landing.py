"""Scans take each complete file once and move it to the path that its record names."""

import os
import stat
from pathlib import Path

import pytest
from landing_harness import JANUARY, NAME, NO_WAIT, ROWS, LandingHarness

from taxi_assets.errors import TaxiError
from taxi_assets.files import sha256_of
from taxi_assets.ingestion.file_stability import IMMEDIATE, ScanPolicy
from taxi_assets.ingestion.scan_landing import file_moves_lock, scan_landing

# Complete files


def test_complete_file_is_taken_by_the_second_scan(landing_harness: LandingHarness) -> None:
    file = landing_harness.put()
    sha256, size = sha256_of(file), file.stat().st_size
    landing_harness.scan_landing(1)
    assert (landing_harness.only().state, landing_harness.only().path, landing_harness.only().is_stored) == (
        "arriving",
        f"landing/{NAME}",
        False,
    )
    assert file.is_file()
    first_seen = landing_harness.only().first_seen_at
    landing_harness.scan_landing(1)
    record = landing_harness.only()
    assert record.path == f"files/green/2023-01/{sha256}.parquet"
    assert (record.state, record.reasons, record.request) == ("waiting", (), 1)
    assert (record.service, record.month, record.bytes, record.sha256) == ("green", JANUARY, size, sha256)
    assert (record.rows, record.schema_era, record.is_synthetic) == (ROWS, "A", True)
    assert record.first_seen_at == first_seen
    assert not file.exists()
    assert stat.S_IMODE(landing_harness.path(record).stat().st_mode) == 0o444
    landing_harness.check()


def test_immediate_policy_takes_a_file_in_one_scan(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    scan_landing(landing_harness.warehouse, IMMEDIATE, {("green", JANUARY)})
    assert landing_harness.only().is_stored


def test_repeated_scan_writes_nothing(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    (landing_harness.settings.landing / "notes.part").write_text("…")
    landing_harness.scan_landing()
    before, snapshot = landing_harness.records(), landing_harness.warehouse.snapshot()
    assert landing_harness.scan_landing() == before
    assert landing_harness.warehouse.snapshot() == snapshot


def test_only_requested_months_are_taken(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    landing_harness.put("green_tripdata_2023-02.parquet")
    landing_harness.scan_landing(1)
    scan_landing(landing_harness.warehouse, IMMEDIATE, {("green", JANUARY)})
    assert {r.file_name: r.is_stored for r in landing_harness.records()} == {
        NAME: True,
        "green_tripdata_2023-02.parquet": False,
    }


def test_scan_takes_at_most_the_maximum_number_of_files(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    landing_harness.put("green_tripdata_2023-02.parquet")
    policy = ScanPolicy(seconds_between=0, max_files=1)
    for taken in (0, 1, 2, 2):
        scan_landing(landing_harness.warehouse, policy)
        assert sum(record.is_stored for record in landing_harness.records()) == taken
    landing_harness.check()


def test_files_beyond_the_time_budget_are_read_by_the_next_scan(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    landing_harness.scan_landing(1)
    scan_landing(landing_harness.warehouse, ScanPolicy(seconds_between=0, budget_seconds=-1))
    assert landing_harness.only().reasons == ("it is taken, and the next scan reads it",)
    assert landing_harness.scan_landing(1)[0].path.startswith("files/green/")
    landing_harness.check()


def test_csv_file_of_the_contract_is_taken(landing_harness: LandingHarness) -> None:
    header = "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,PULocationID,DOLocationID,congestion_surcharge\r\n"
    (landing_harness.settings.landing / "green_tripdata_2020-04.csv").write_text(
        header + "2,2020-04-01,2020-04-01,74,75,0\r\n"
    )
    landing_harness.scan_landing()
    record = landing_harness.only()
    assert (record.state, record.rows, record.is_synthetic, Path(record.path).suffix) == ("waiting", None, None, ".csv")
    assert record.schema_era == "2019-csv"


# Incomplete files


def test_file_open_for_writing_is_not_taken(landing_harness: LandingHarness) -> None:
    whole = (landing_harness.months / NAME).read_bytes()
    path = landing_harness.settings.landing / NAME
    with path.open("wb") as file:
        file.write(whole)  # the file is complete but still open
        file.flush()
        landing_harness.scan_landing(4)
        assert landing_harness.only().reasons == ("it is still being written: a process has it open",)
    landing_harness.scan_landing(1)
    assert landing_harness.only().is_stored


def test_file_that_grows_between_scans_is_not_taken(landing_harness: LandingHarness) -> None:
    whole = (landing_harness.months / NAME).read_bytes()
    path = landing_harness.settings.landing / NAME
    for part in range(1, 5):
        path.write_bytes(whole[: len(whole) * part // 5])
        landing_harness.scan_landing(1)
        assert landing_harness.only().path == f"landing/{NAME}"
        assert "its end is missing" in landing_harness.only().reasons[0]
    path.write_bytes(whole)
    landing_harness.scan_landing()
    assert landing_harness.only().is_stored


def test_file_times_and_clock_jumps_are_ignored(
    landing_harness: LandingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = landing_harness.put()
    os.utime(file, (0, 0))
    monkeypatch.setattr("time.time", lambda: 10.0)
    landing_harness.scan_landing()
    assert landing_harness.only().is_stored


def test_scans_in_quick_succession_count_once(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    for _ in range(3):
        scan_landing(landing_harness.warehouse, ScanPolicy(seconds_between=60))
    assert not landing_harness.only().is_stored


def test_file_removed_from_landing_is_forgotten(landing_harness: LandingHarness) -> None:
    file = landing_harness.put()
    landing_harness.scan_landing(1)
    file.unlink()
    assert landing_harness.scan_landing(1) == []


def test_broken_file_is_quarantined_by_the_third_scan(landing_harness: LandingHarness) -> None:
    (landing_harness.settings.landing / NAME).write_bytes((landing_harness.months / NAME).read_bytes()[:-9])
    assert not landing_harness.scan_landing(2)[0].sha256
    landing_harness.scan_landing(1)
    record = landing_harness.only()
    assert record.state == "quarantined"
    assert record.reasons == (f"{NAME} is not a whole parquet file: replace it with TLC's own",)
    assert NAME in (landing_harness.settings.root / f"{record.path}.reason.txt").read_text()
    assert record.reasons[0] in (landing_harness.settings.root / f"{record.path}.reason.txt").read_text()
    landing_harness.check()


# Concurrent scans


def test_concurrent_scans_exclude_each_other(landing_harness: LandingHarness) -> None:
    with (
        file_moves_lock(landing_harness.settings, 1),
        pytest.raises(TaxiError, match="another process is scanning the landing folder: try again when it is done"),
    ):
        scan_landing(landing_harness.warehouse, ScanPolicy(lock_seconds=0.01))


def test_file_that_cannot_be_taken_blocks_no_other(
    landing_harness: LandingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing_harness.put()
    landing_harness.put("green_tripdata_2023-02.parquet")
    rename = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if self == landing_harness.settings.landing / NAME:
            raise PermissionError(1, "Operation not permitted", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    landing_harness.scan_landing()
    assert {r.file_name: (r.is_stored, r.reasons) for r in landing_harness.records()} == {
        NAME: (False, ("it cannot be taken (PermissionError: Operation not permitted)",)),
        "green_tripdata_2023-02.parquet": (True, ()),
    }


def test_missing_landing_folder_is_no_error(landing_harness: LandingHarness) -> None:
    landing_harness.settings.landing.rmdir()
    assert scan_landing(landing_harness.warehouse, NO_WAIT) == []

"""Quarantine of invalid files, copies and superseded files, with reasons."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from landing_harness import JANUARY, NAME, LandingHarness

from taxi_assets import synthetic
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.settings import Settings

# Invalid names and content


def columns(*names: str) -> pa.Table:
    return pa.table({name: [1, 2] for name in names})


def landed(landing_harness: LandingHarness, table: pa.Table, name: str = NAME) -> str:
    """Lands the table and returns the reason of its quarantine."""
    pq.write_table(table.replace_schema_metadata({"taxi.synthetic": "yes"}), landing_harness.settings.landing / name)
    landing_harness.scan_landing()
    record = landing_harness.only()
    assert record.state == "quarantined"
    landing_harness.check()
    (reason,) = record.reasons
    return reason


def test_columns_of_other_data_are_reported(landing_harness: LandingHarness) -> None:
    assert "its columns are not those of a TLC trip file" in landed(landing_harness, columns("holiday", "country"))


def test_a_missing_column_is_named(landing_harness: LandingHarness) -> None:
    table = pq.read_table(landing_harness.months / NAME).drop_columns(["PULocationID"])
    assert "pickup_zone_id" in landed(landing_harness, table)


def test_columns_of_another_service_suggest_its_file_name(landing_harness: LandingHarness) -> None:
    reason = landed(landing_harness, pq.read_table(landing_harness.months / NAME), "yellow_tripdata_2023-01.parquet")
    assert reason.startswith("its columns are those of green, not of yellow: name it green_tripdata_2023-01.parquet")


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("green_tripdata_2023-01 (1).parquet", "green_tripdata_2023-01.parquet"),
        ("Green_Tripdata_2023-01.PARQUET", "green_tripdata_2023-01.parquet"),
        ("copy of yellow 202301.csv", "yellow_tripdata_2023-01.parquet"),  # its content is Parquet despite the name
        ("january.parquet", "green_tripdata_YYYY-MM.parquet, with its service and month"),
        ("green_tripdata_2023-13.parquet", "green_tripdata_YYYY-MM.parquet, with its service and month"),
    ],
)
def test_wrong_file_name_suggests_the_right_one(landing_harness: LandingHarness, name: str, right: str) -> None:
    landing_harness.put(name=name)
    landing_harness.scan_landing()
    assert landing_harness.only().state == "quarantined"
    assert f"name it {right}" in landing_harness.only().reasons[0]


@pytest.mark.parametrize(
    ("name", "start", "reason"),
    [
        ("green_tripdata_2023-01.csv.gz", b"\x1f\x8b\x08\0", "it is compressed with gzip: unpack it, and put its"),
        ("green_tripdata_2023-01.zip", b"PK\x03\x04", "it is a zip archive: unpack it, and put its"),
        ("green_tripdata_2023-01.xlsx", b"PK\x03\x04[Content_Types].xml", "it is an Excel workbook: save it as CSV"),
        ("green_tripdata_2008-12.csv", b"VendorID\n", "TLC has published no month before 2009-01: check the month"),
        ("green_tripdata_1999-01.parquet", b"PAR1", "TLC has published no month before 2009-01: check the month"),
    ],
)
def test_file_without_a_valid_name_is_rejected_with_the_reason(
    landing_harness: LandingHarness, name: str, start: bytes, reason: str
) -> None:
    (landing_harness.settings.landing / name).write_bytes(start)
    landing_harness.scan_landing()
    assert landing_harness.only().state == "quarantined"
    assert landing_harness.only().reasons[0].startswith(reason)
    assert "name it" not in landing_harness.only().reasons[0]


def test_misnamed_csv_file_suggests_a_csv_name(landing_harness: LandingHarness) -> None:
    (landing_harness.settings.landing / "copy of yellow 202301.csv").write_bytes(b"VendorID,x\n1,2\n")
    landing_harness.scan_landing()
    assert "name it yellow_tripdata_2023-01.csv" in landing_harness.only().reasons[0]


def test_csv_named_parquet_suggests_a_csv_name(landing_harness: LandingHarness) -> None:
    (landing_harness.settings.landing / NAME).write_bytes(b"lpep_pickup_datetime,PULocationID\n1,2\n")
    landing_harness.scan_landing(3)
    right = NAME.replace(".parquet", ".csv")
    assert landing_harness.only().reasons[0].startswith(f"{NAME} is text, not parquet: name it {right}")


def test_parquet_named_csv_is_read_as_parquet(landing_harness: LandingHarness) -> None:
    landing_harness.put(name=NAME.replace(".parquet", ".csv"))
    publication = ingest_month(landing_harness.warehouse, "green", JANUARY)
    assert publication.tables["raw_trips"].rows == pq.read_metadata(landing_harness.months / NAME).num_rows


@pytest.mark.parametrize("name", ["README.md", "notes.txt", "LICENSE", "Green taxis.docx"])
def test_other_file_kinds_are_not_suggested_a_parquet_name(landing_harness: LandingHarness, name: str) -> None:
    (landing_harness.settings.landing / name).write_text("What lies here.\n")
    landing_harness.scan_landing(3)
    (reason,) = landing_harness.only().reasons
    assert reason.startswith("it is not a trip file")
    assert "name it" not in reason
    note = (landing_harness.settings.root / f"{landing_harness.only().path}.reason.txt").read_text()
    assert "retry" not in note  # a retry would refuse it


@pytest.mark.local_lake
def test_the_command_in_the_reason_runs_as_printed(landing_harness: LandingHarness, tmp_path: Path) -> None:
    """The command also works in a shell, for any file name."""
    name = "green_tripdata_2023-01 (1) $(touch pwned) 'x'.parquet"
    landing_harness.put(name=name)
    (landing_harness.settings.landing / NAME).write_bytes(b"")
    landing_harness.scan_landing(3)
    notes = sorted(landing_harness.settings.quarantine.glob("*.reason.txt"))
    commands = [line.removeprefix("Try again: ") for note in notes for line in note.read_text().splitlines()[-1:]]
    (command,) = [command for command in commands if command.startswith("taxi files retry ")]
    taxi = Path(sys.executable).with_name("taxi")
    environment = {"PATH": f"{taxi.parent}:{os.environ['PATH']}", "TAXI_HOME": str(landing_harness.settings.home)}
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**environment, "TAXI_DATA_KIND": "synthetic"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "is quarantined again: green_tripdata_2023-01.parquet is not a whole parquet file" in done.stdout
    first_lines = {note.read_text().splitlines()[0] for note in notes}
    assert first_lines == {shlex.quote(name), NAME}


def test_unsupported_service_is_refused_with_the_reason(landing_harness: LandingHarness) -> None:
    synthetic.write_month(landing_harness.settings.landing, "fhv", JANUARY, 100, 7)
    landing_harness.scan_landing()
    assert "the platform takes green, yellow and fhvhv" in landing_harness.only().reasons[0]


def test_months_of_the_other_data_kind_are_quarantined(landing_harness: LandingHarness) -> None:
    real = Settings(home=landing_harness.settings.home, data_kind="real")
    real.landing.mkdir(parents=True, exist_ok=True)
    shutil.copy(landing_harness.months / NAME, real.landing)
    other = LandingHarness(real, landing_harness.months)
    other.scan_landing()
    assert other.only().reasons == (
        "it is a synthetic month in the landing folder of real months: put it into that of synthetic months",
    )


# The same bytes, other bytes


def test_duplicate_file_is_quarantined(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    landing_harness.scan_landing()
    for _ in range(2):  # repeats have no effect
        landing_harness.put()
        landing_harness.scan_landing()
        first, second = sorted(landing_harness.records(), key=lambda record: record.path)
        assert (first.state, second.state) == ("waiting", "quarantined")
        assert second.reasons == (f"it has the same bytes as {first.label}, which is waiting: there is nothing to do",)
        landing_harness.check()


def test_ingested_file_named_as_another_month_is_quarantined(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    ingest_month(landing_harness.warehouse, "green", JANUARY)
    landing_harness.put(NAME, "green_tripdata_2023-05.parquet")
    landing_harness.scan_landing()
    assert landing_harness.states() == {"ingested": 1, "quarantined": 1}
    landing_harness.check()


def test_newer_file_supersedes_a_waiting_one(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    landing_harness.scan_landing()
    landing_harness.put(f"again/{NAME}")
    landing_harness.scan_landing()
    older, newer = landing_harness.records()
    assert (older.state, newer.state) == ("superseded", "waiting")
    assert older.reasons == (f"replaced by {newer.label} before it was ingested",)
    assert newer.request == 2
    landing_harness.check()


def test_removed_waiting_file_is_taken_when_landed_again(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    (record,) = landing_harness.scan_landing()
    landing_harness.path(record).unlink()
    assert "is gone from the file store" in landing_harness.scan_landing(1)[0].reasons[0]
    landing_harness.put()
    (again,) = landing_harness.scan_landing()
    assert (again.state, again.path) == ("waiting", record.path)
    assert again.request != record.request
    landing_harness.check()


def test_file_removed_from_quarantine_is_forgotten(landing_harness: LandingHarness) -> None:
    landing_harness.put(name="january.parquet")
    (record,) = landing_harness.scan_landing()
    landing_harness.path(record).unlink()
    assert landing_harness.scan_landing() == []
    assert not list(landing_harness.settings.quarantine.iterdir())


def test_file_store_is_recorded_again_after_the_warehouse_was_deleted(
    new_landing_harness: Callable[[str], LandingHarness],
) -> None:
    landing_harness = new_landing_harness("home")
    landing_harness.put()
    landing_harness.put("green_tripdata_2023-02.parquet")
    landing_harness.put(name="january.parquet")
    before = {(r.path, r.state) for r in landing_harness.scan_landing()}
    shutil.rmtree(landing_harness.settings.warehouse)
    assert {(r.path, r.state) for r in landing_harness.scan_landing(1)} == before
    landing_harness.check()


def test_file_store_on_another_disk_receives_copies(
    landing_harness: LandingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = landing_harness.put()
    os.utime(file, ns=(5, 5))
    rename = Path.replace

    def across(self: Path, target: Path) -> Path:
        if self.parent == landing_harness.settings.landing:
            raise OSError(18, "Invalid cross-device link", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", across)
    landing_harness.scan_landing()
    assert not file.exists()
    assert landing_harness.path(landing_harness.only()).stat().st_mtime_ns == 5
    landing_harness.check()

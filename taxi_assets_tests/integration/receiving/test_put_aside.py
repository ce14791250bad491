"""Files no month can be made of, copies and successors: where they go, and why."""

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
from desk import JANUARY, NAME, Desk

from taxi_assets import synthetic
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.settings import Settings

# Names and content that will not do


def columns(*names: str) -> pa.Table:
    return pa.table({name: [1, 2] for name in names})


def landed(desk: Desk, table: pa.Table, name: str = NAME) -> str:
    """The reason why such a file is put aside."""
    pq.write_table(table.replace_schema_metadata({"taxi.synthetic": "yes"}), desk.settings.landing / name)
    desk.look()
    record = desk.only()
    assert record.state == "quarantined"
    desk.check()
    (reason,) = record.reasons
    return reason


def test_columns_of_no_trips_are_told(desk: Desk) -> None:
    assert "its columns are not those of a trip file of TLC" in landed(desk, columns("holiday", "country"))


def test_a_missing_column_is_named(desk: Desk) -> None:
    table = pq.read_table(desk.months / NAME).drop_columns(["PULocationID"])
    assert "pickup_zone_id" in landed(desk, table)


def test_columns_of_another_service_tell_the_right_name(desk: Desk) -> None:
    reason = landed(desk, pq.read_table(desk.months / NAME), "yellow_tripdata_2023-01.parquet")
    assert reason.startswith("its columns are not those of yellow: call it green_tripdata_2023-01.parquet")


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("green_tripdata_2023-01 (1).parquet", "green_tripdata_2023-01.parquet"),
        ("Green_Tripdata_2023-01.PARQUET", "green_tripdata_2023-01.parquet"),
        ("copy of yellow 202301.csv", "yellow_tripdata_2023-01.parquet"),  # which it is, whatever its name says
        ("january.parquet", "green_tripdata_YYYY-MM.parquet, with its service and month"),
        ("green_tripdata_2023-13.parquet", "green_tripdata_YYYY-MM.parquet, with its service and month"),
    ],
)
def test_a_wrong_name_is_told_the_right_one(desk: Desk, name: str, right: str) -> None:
    desk.put(name=name)
    desk.look()
    assert desk.only().state == "quarantined"
    assert f"call it {right}" in desk.only().reasons[0]


@pytest.mark.parametrize(
    ("name", "start", "reason"),
    [
        ("green_tripdata_2023-01.csv.gz", b"\x1f\x8b\x08\0", "it is compressed with gzip: unpack it, and put the"),
        ("green_tripdata_2023-01.zip", b"PK\x03\x04", "it is a zip archive: unpack it, and put the"),
        ("green_tripdata_2023-01.xlsx", b"PK\x03\x04[Content_Types].xml", "it is an Excel workbook: save it as CSV"),
        ("green_tripdata_2008-12.csv", b"VendorID\n", "TLC has published no month before 2009-01: check the month"),
        ("green_tripdata_1999-01.parquet", b"PAR1", "TLC has published no month before 2009-01: check the month"),
    ],
)
def test_what_no_other_name_makes_a_month_is_told_so(desk: Desk, name: str, start: bytes, reason: str) -> None:
    (desk.settings.landing / name).write_bytes(start)
    desk.look()
    assert desk.only().state == "quarantined"
    assert desk.only().reasons[0].startswith(reason)
    assert "call it" not in desk.only().reasons[0]


def test_text_under_a_wrong_name_is_told_the_name_of_text(desk: Desk) -> None:
    (desk.settings.landing / "copy of yellow 202301.csv").write_bytes(b"VendorID,x\n1,2\n")
    desk.look()
    assert "call it yellow_tripdata_2023-01.csv" in desk.only().reasons[0]


def test_text_named_parquet_is_told_its_name(desk: Desk) -> None:
    (desk.settings.landing / NAME).write_bytes(b"lpep_pickup_datetime,PULocationID\n1,2\n")
    desk.look(3)
    right = NAME.replace(".parquet", ".csv")
    assert desk.only().reasons[0].startswith(f"{NAME} is text, not parquet: name it {right}")


def test_parquet_named_csv_is_taken_for_what_it_is(desk: Desk) -> None:
    desk.put(name=NAME.replace(".parquet", ".csv"))
    publication = ingest_month(desk.warehouse, "green", JANUARY)
    assert publication.rows == pq.read_metadata(desk.months / NAME).num_rows


@pytest.mark.parametrize("name", ["README.md", "notes.txt", "LICENSE", "Green taxis.docx"])
def test_what_is_no_data_is_not_told_to_become_a_parquet(desk: Desk, name: str) -> None:
    (desk.settings.landing / name).write_text("What lies here.\n")
    desk.look(3)
    (reason,) = desk.only().reasons
    assert reason.startswith("it is no trip file")
    assert "call it" not in reason
    note = (desk.settings.root / f"{desk.only().path}.reason.txt").read_text()
    assert "retry" not in note  # which would refuse it


def test_the_command_in_the_reason_runs_as_printed(desk: Desk, tmp_path: Path) -> None:
    """In a shell too, whatever the name is."""
    name = "green_tripdata_2023-01 (1) $(touch pwned) 'x'.parquet"
    desk.put(name=name)
    (desk.settings.landing / NAME).write_bytes(b"")
    desk.look(3)
    notes = sorted(desk.settings.quarantine.glob("*.reason.txt"))
    commands = [line.removeprefix("Try again: ") for note in notes for line in note.read_text().splitlines()[-1:]]
    (command,) = [command for command in commands if command.startswith("taxi arrivals retry ")]
    taxi = Path(sys.executable).with_name("taxi")
    environment = {"PATH": f"{taxi.parent}:{os.environ['PATH']}", "TAXI_HOME": str(desk.settings.home)}
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**environment, "TAXI_DATA": "synthetic"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "is quarantined again: green_tripdata_2023-01.parquet is not a whole parquet file" in done.stdout
    first_lines = {note.read_text().splitlines()[0] for note in notes}
    assert first_lines == {shlex.quote(name), NAME}


def test_a_service_that_is_refused_says_why(desk: Desk) -> None:
    synthetic.write_month(desk.settings.landing, "fhv", JANUARY, 100, 7)
    desk.look()
    assert "the platform takes green, yellow and fhvhv" in desk.only().reasons[0]


def test_months_of_the_other_kind_are_put_aside(desk: Desk) -> None:
    real = Settings(home=desk.settings.home, data="real")
    real.landing.mkdir(parents=True, exist_ok=True)
    shutil.copy(desk.months / NAME, real.landing)
    other = Desk(real, desk.months)
    other.look()
    assert other.only().reasons == (
        "it is a synthetic month and these are real ones: put it into the landing folder of the synthetic ones",
    )


# The same bytes, other bytes


def test_the_same_bytes_again_are_put_aside(desk: Desk) -> None:
    desk.put()
    desk.look()
    for _ in range(2):  # however often they come
        desk.put()
        desk.look()
        first, second = sorted(desk.records(), key=lambda record: record.path)
        assert (first.state, second.state) == ("waiting", "quarantined")
        assert second.reasons == (f"it has the same bytes as {first.label()}, which is waiting: nothing is to be done",)
        desk.check()


def test_ingested_bytes_under_another_month_are_put_aside(desk: Desk) -> None:
    desk.put()
    ingest_month(desk.warehouse, "green", JANUARY)
    desk.put(NAME, "green_tripdata_2023-05.parquet")
    desk.look()
    assert desk.states() == {"ingested": 1, "quarantined": 1}
    desk.check()


def test_a_newer_file_of_a_month_overtakes_one_that_waits(desk: Desk) -> None:
    desk.put()
    desk.look()
    desk.put(f"again/{NAME}")
    desk.look()
    older, newer = desk.records()
    assert (older.state, newer.state) == ("superseded", "waiting")
    assert older.reasons == (f"replaced by {newer.label()} before it was ingested",)
    assert newer.request == 2
    desk.check()


def test_a_waiting_file_a_person_removed_comes_again_with_its_bytes(desk: Desk) -> None:
    desk.put()
    (record,) = desk.look()
    desk.path(record).unlink()
    assert "is gone from the store" in desk.look(1)[0].reasons[0]
    desk.put()
    (again,) = desk.look()
    assert (again.state, again.path) == ("waiting", record.path)
    assert again.request != record.request
    desk.check()


def test_a_file_a_person_removed_from_quarantine_is_forgotten(desk: Desk) -> None:
    desk.put(name="january.parquet")
    (record,) = desk.look()
    desk.path(record).unlink()
    assert desk.look() == []
    assert not list(desk.settings.quarantine.iterdir())


def test_where_the_lake_was_removed_the_store_is_taken_in_anew(new_desk: Callable[[str], Desk]) -> None:
    desk = new_desk("home")
    desk.put()
    desk.put("green_tripdata_2023-02.parquet")
    desk.put(name="january.parquet")
    before = {(r.path, r.state) for r in desk.look()}
    shutil.rmtree(desk.settings.warehouse)
    assert {(r.path, r.state) for r in desk.look(1)} == before
    desk.check()


def test_a_store_on_another_disk_gets_copies(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    file = desk.put()
    os.utime(file, ns=(5, 5))
    rename = Path.replace

    def across(self: Path, target: Path) -> Path:
        if self.parent == desk.settings.landing:
            raise OSError(18, "Invalid cross-device link", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", across)
    desk.look()
    assert not file.exists()
    assert desk.path(desk.only()).stat().st_mtime_ns == 5
    desk.check()

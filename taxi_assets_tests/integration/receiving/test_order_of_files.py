"""Files of a month that follow each other closely, or under a wrong name: the right one is ingested, none is lost."""

import shutil
from collections.abc import Callable

import pytest
from desk import FEBRUARY, JANUARY, NAME, Desk

from taxi_assets.ingestion.file_stability import IMPATIENT
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publishing import MonthRefused
from taxi_assets.ingestion.retry_files import retry
from taxi_assets.ingestion.scan_landing import look
from taxi_assets.tlc.file_transfer import sha256_of
from taxi_assets.warehouse import fault_points

LATER = f"again/{NAME}"


class Killed(BaseException):
    """The process is no more."""


def kill_when_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(moment: str) -> None:
        if moment == "taken":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(fault_points, "reached", reached)
        with pytest.raises(Killed):
            look(desk.warehouse, IMPATIENT)


@pytest.mark.parametrize("attempt", range(4))  # by chance the right order comes one time in two
def test_of_two_files_a_kill_left_the_later_one_counts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, attempt: int
) -> None:
    desk.put()
    kill_when_taken(desk, monkeypatch)
    newest = sha256_of(desk.put(LATER))
    look(desk.warehouse, IMPATIENT)
    assert {r.sha256 == newest: r.state for r in desk.records()} == {True: "waiting", False: "superseded"}


def test_good_bytes_are_taken_again_though_a_copy_was_put_aside(desk: Desk) -> None:
    for _ in range(2):
        desk.put()
        desk.look()
    (waiting,) = [record for record in desk.records() if record.state == "waiting"]
    desk.path(waiting).unlink()
    desk.look()
    desk.put()
    assert {record.state for record in desk.look() if record.is_taken} == {"waiting"}
    ingest_month(desk.warehouse, "green", JANUARY)
    desk.check()


def test_the_copy_is_tried_again_where_the_stores_file_is_gone(desk: Desk) -> None:
    for _ in range(2):
        desk.put()
        desk.look()
    (waiting,) = [record for record in desk.records() if record.state == "waiting"]
    desk.path(waiting).unlink()
    assert retry(desk.warehouse, str(waiting.sha256)).state == "waiting"
    desk.look(1)
    desk.check()


def test_a_month_is_taken_though_its_bytes_wait_under_a_wrong_name(desk: Desk) -> None:
    desk.put(name="green_tripdata_2023-02.parquet")
    desk.look()
    desk.put()
    desk.look()
    with pytest.raises(MonthRefused):
        ingest_month(desk.warehouse, "green", FEBRUARY)
    ingest_month(desk.warehouse, "green", JANUARY)
    assert desk.states() == {"ingested": 1, "quarantined": 1}


def refuse(desk: Desk) -> None:
    with pytest.raises(MonthRefused):
        ingest_month(desk.warehouse, "green", JANUARY)


def remove(desk: Desk) -> None:
    (waiting,) = [record for record in desk.records() if record.state == "waiting"]
    desk.path(waiting).unlink()
    desk.look()


@pytest.mark.parametrize("lose", [refuse, remove])
def test_a_good_file_waits_again_when_its_successor_is_lost(desk: Desk, lose: Callable[[Desk], None]) -> None:
    good = sha256_of(desk.put())
    desk.look()
    desk.put(f"refused/{NAME}")
    desk.look()
    lose(desk)
    (waiting,) = [record for record in desk.records() if record.state == "waiting"]
    assert waiting.sha256 == good
    ingest_month(desk.warehouse, "green", JANUARY)
    assert [r.sha256 for r in desk.records() if r.state == "ingested"] == [good]


def test_a_file_named_as_a_reason_is_kept(desk: Desk) -> None:
    shutil.copy(desk.months / NAME, desk.settings.landing / "x.reason.txt")
    desk.look(3)
    desk.check()
    assert desk.path(desk.only()).is_file()

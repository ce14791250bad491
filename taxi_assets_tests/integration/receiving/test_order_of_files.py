"""Several files of a month, some with a wrong name: the right one is ingested and none is lost."""

import shutil
from collections.abc import Callable

import pytest
from landing_harness import FEBRUARY, JANUARY, NAME, LandingHarness

from taxi_assets.files import sha256_of
from taxi_assets.ingestion.file_stability import IMMEDIATE
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publish_month import MonthRefused
from taxi_assets.ingestion.retry_files import retry
from taxi_assets.ingestion.scan_landing import scan_landing
from taxi_assets.warehouse import fault_points

LATER = f"again/{NAME}"


class Killed(BaseException):
    """Stands for a killed process."""


def kill_when_taken(landing_harness: LandingHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault_point(point_name: str) -> None:
        if point_name == "taken":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(fault_points, "fault_point", fault_point)
        with pytest.raises(Killed):
            scan_landing(landing_harness.warehouse, IMMEDIATE)


@pytest.mark.parametrize("attempt", range(4))  # a random order is right half of the time
def test_later_of_two_files_after_a_kill_is_used(
    landing_harness: LandingHarness, monkeypatch: pytest.MonkeyPatch, attempt: int
) -> None:
    landing_harness.put()
    kill_when_taken(landing_harness, monkeypatch)
    newest = sha256_of(landing_harness.put(LATER))
    scan_landing(landing_harness.warehouse, IMMEDIATE)
    assert {r.sha256 == newest: r.state for r in landing_harness.records()} == {True: "waiting", False: "superseded"}


@pytest.mark.slow
def test_valid_file_is_taken_after_its_copy_was_quarantined(landing_harness: LandingHarness) -> None:
    for _ in range(2):
        landing_harness.put()
        landing_harness.scan_landing()
    (waiting,) = [record for record in landing_harness.records() if record.state == "waiting"]
    landing_harness.path(waiting).unlink()
    landing_harness.scan_landing()
    landing_harness.put()
    assert {record.state for record in landing_harness.scan_landing() if record.is_stored} == {"waiting"}
    ingest_month(landing_harness.warehouse, "green", JANUARY)
    landing_harness.check()


def test_quarantined_copy_is_retried_when_the_stored_file_is_missing(landing_harness: LandingHarness) -> None:
    for _ in range(2):
        landing_harness.put()
        landing_harness.scan_landing()
    (waiting,) = [record for record in landing_harness.records() if record.state == "waiting"]
    landing_harness.path(waiting).unlink()
    assert retry(landing_harness.warehouse, str(waiting.sha256)).state == "waiting"
    landing_harness.scan_landing(1)
    landing_harness.check()


@pytest.mark.slow
def test_file_is_taken_while_its_misnamed_copy_waits(landing_harness: LandingHarness) -> None:
    landing_harness.put(name="green_tripdata_2023-02.parquet")
    landing_harness.scan_landing()
    landing_harness.put()
    landing_harness.scan_landing()
    with pytest.raises(MonthRefused):
        ingest_month(landing_harness.warehouse, "green", FEBRUARY)
    ingest_month(landing_harness.warehouse, "green", JANUARY)
    assert landing_harness.states() == {"ingested": 1, "quarantined": 1}


def refuse(landing_harness: LandingHarness) -> None:
    with pytest.raises(MonthRefused):
        ingest_month(landing_harness.warehouse, "green", JANUARY)


def remove(landing_harness: LandingHarness) -> None:
    (waiting,) = [record for record in landing_harness.records() if record.state == "waiting"]
    landing_harness.path(waiting).unlink()
    landing_harness.scan_landing()


@pytest.mark.slow
@pytest.mark.parametrize("lose", [refuse, remove])
def test_superseded_file_waits_again_after_its_successor_is_removed(
    landing_harness: LandingHarness, lose: Callable[[LandingHarness], None]
) -> None:
    good = sha256_of(landing_harness.put())
    landing_harness.scan_landing()
    landing_harness.put(f"refused/{NAME}")
    landing_harness.scan_landing()
    lose(landing_harness)
    (waiting,) = [record for record in landing_harness.records() if record.state == "waiting"]
    assert waiting.sha256 == good
    ingest_month(landing_harness.warehouse, "green", JANUARY)
    assert [r.sha256 for r in landing_harness.records() if r.state == "ingested"] == [good]


def test_file_named_like_a_reason_file_is_kept(landing_harness: LandingHarness) -> None:
    shutil.copy(landing_harness.months / NAME, landing_harness.settings.landing / "x.reason.txt")
    landing_harness.scan_landing(3)
    landing_harness.check()
    assert landing_harness.path(landing_harness.only()).is_file()

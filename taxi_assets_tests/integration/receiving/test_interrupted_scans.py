"""A scan interrupted at any fault point is completed by the next. (The stress tests use real kills.)"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import pytest
from landing_harness import JANUARY, NAME, LandingHarness

from taxi_assets.ingestion.file_stability import IMMEDIATE
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publish_month import MonthRefused
from taxi_assets.ingestion.scan_landing import scan_landing
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.fault_points import FAULT_POINTS


class Killed(BaseException):
    """Stands for a killed process."""


@contextmanager
def killed_at(point_name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Raises `Killed` at the fault point, and yields a list of the fault points reached."""
    came: list[str] = []

    def fault_point(name: str) -> None:
        if name == point_name and not came:
            came.append(name)
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(fault_points, "fault_point", fault_point)
        try:
            yield came
        except Killed:
            assert came


def good(landing_harness: LandingHarness) -> None:
    landing_harness.put()
    ingest_month(landing_harness.warehouse, "green", JANUARY)


def republished(landing_harness: LandingHarness) -> None:
    good(landing_harness)
    landing_harness.put(f"again/{NAME}")
    ingest_month(landing_harness.warehouse, "green", JANUARY)


def refused(landing_harness: LandingHarness) -> None:
    landing_harness.put(f"refused/{NAME}")
    with pytest.raises(MonthRefused):
        ingest_month(landing_harness.warehouse, "green", JANUARY)


def misnamed(landing_harness: LandingHarness) -> None:
    landing_harness.put(name="january.parquet")
    landing_harness.scan_landing()


def finish(landing_harness: LandingHarness) -> None:
    """Scans and ingests, as the sensor and its runs do."""
    landing_harness.scan_landing(3)
    while any(record.state == "waiting" and record.is_stored for record in landing_harness.records()):
        try:
            ingest_month(landing_harness.warehouse, "green", JANUARY)
        except MonthRefused:
            continue
    scan_landing(landing_harness.warehouse, IMMEDIATE)


def state(landing_harness: LandingHarness) -> tuple[list[SourceFile], object]:
    lasting = [
        replace(r, first_seen_at=datetime.min, snapshot=None, request=r.request and 1)
        for r in landing_harness.records()
    ]
    return sorted(lasting, key=lambda r: r.path), landing_harness.fetch(
        "SELECT count(*), bit_xor(hash(t)) FROM raw_trips AS t"
    )


SCENARIOS: dict[str, Callable[[LandingHarness], None]] = {
    "good": good,
    "republished": republished,
    "refused": refused,
    "misnamed": misnamed,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario", ["misnamed", *(pytest.param(name, marks=pytest.mark.slow) for name in SCENARIOS if name != "misnamed")]
)
def test_next_scan_completes_an_interrupted_one(
    landing_harness: LandingHarness, monkeypatch: pytest.MonkeyPatch, scenario: str
) -> None:
    SCENARIOS[scenario](landing_harness)
    finish(landing_harness)
    uninterrupted, met = state(landing_harness), set()
    for point_name in FAULT_POINTS:
        landing_harness.empty()
        with killed_at(point_name, monkeypatch) as came:
            SCENARIOS[scenario](landing_harness)
        met |= set(came)
        finish(landing_harness)
        if scenario == "republished" and len(landing_harness.records()) == 1:  # killed before the second file landed
            landing_harness.put(f"again/{NAME}")
            finish(landing_harness)
        assert state(landing_harness) == uninterrupted, point_name
        landing_harness.check()
    assert met >= {"listed", "taken", "inspected", "recorded", "moved", "scanned"}


def test_every_fault_point_is_reached(landing_harness: LandingHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[str] = []
    monkeypatch.setattr(fault_points, "fault_point", came.append)
    good(landing_harness)
    refused(landing_harness)
    assert set(came) == set(FAULT_POINTS)
    assert [m for m in came if m in ("checked", "filled", "audited", "published")][:4] == [
        "checked",
        "filled",
        "audited",
        "published",
    ]

"""Cut off at any moment and looked at again: as if it had never been. (With real kills: see the campaigns.)"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import pytest
from desk import JANUARY, NAME, Desk

from taxi_assets.ingestion.file_stability import IMPATIENT
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publishing import MonthRefused
from taxi_assets.ingestion.scan_landing import look
from taxi_assets.ingestion.source_files import Record
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.fault_points import MOMENTS


class Killed(BaseException):
    """The process is no more."""


@contextmanager
def killed_at(moment: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """End whatever is done in the block when the moment comes; tells whether it came."""
    came: list[str] = []

    def reached(name: str) -> None:
        if name == moment and not came:
            came.append(name)
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(fault_points, "reached", reached)
        try:
            yield came
        except Killed:
            assert came


def good(desk: Desk) -> None:
    desk.put()
    ingest_month(desk.warehouse, "green", JANUARY)


def republished(desk: Desk) -> None:
    good(desk)
    desk.put(f"again/{NAME}")
    ingest_month(desk.warehouse, "green", JANUARY)


def refused(desk: Desk) -> None:
    desk.put(f"refused/{NAME}")
    with pytest.raises(MonthRefused):
        ingest_month(desk.warehouse, "green", JANUARY)


def misnamed(desk: Desk) -> None:
    desk.put(name="january.parquet")
    desk.look()


def finish(desk: Desk) -> None:
    """What the sensor and its runs do."""
    desk.look(3)
    while any(record.state == "waiting" and record.is_taken for record in desk.records()):
        try:
            ingest_month(desk.warehouse, "green", JANUARY)
        except MonthRefused:
            continue
    look(desk.warehouse, IMPATIENT)


def state(desk: Desk) -> tuple[list[Record], object]:
    lasting = [replace(r, first_seen_at=datetime.min, snapshot=None, request=r.request and 1) for r in desk.records()]
    return sorted(lasting, key=lambda r: r.path), desk.asks("SELECT count(*), bit_xor(hash(t)) FROM raw_trips AS t")


STORIES: dict[str, Callable[[Desk], None]] = {
    "good": good,
    "republished": republished,
    "refused": refused,
    "misnamed": misnamed,
}


@pytest.mark.parametrize(
    "story", ["misnamed", *(pytest.param(name, marks=pytest.mark.slow) for name in STORIES if name != "misnamed")]
)
def test_whatever_is_cut_off_is_finished_by_the_next_look(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, story: str
) -> None:
    STORIES[story](desk)
    finish(desk)
    undisturbed, met = state(desk), set()
    for moment in MOMENTS:
        desk.empty()
        with killed_at(moment, monkeypatch) as came:
            STORIES[story](desk)
        met |= set(came)
        finish(desk)
        if story == "republished" and len(desk.records()) == 1:  # killed before the second file was put there
            desk.put(f"again/{NAME}")
            finish(desk)
        assert state(desk) == undisturbed, moment
        desk.check()
    assert met >= {"seen", "taken", "examined", "recorded", "moved", "settled"}


def test_every_moment_comes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[str] = []
    monkeypatch.setattr(fault_points, "reached", came.append)
    good(desk)
    refused(desk)
    assert set(came) == set(MOMENTS)
    assert [m for m in came if m in ("checked", "filled", "audited", "published")][:4] == [
        "checked",
        "filled",
        "audited",
        "published",
    ]

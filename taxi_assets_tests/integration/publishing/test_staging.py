"""A month is staged without the lock of publishers, and staged again if what it depends on changed meanwhile."""

from collections.abc import Callable

import pytest
from month_content import JANUARY, content, fetch

from taxi_assets.ingestion.publish_month import publish_month, publish_zones
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.catalogue import publish_lock
from taxi_assets.warehouse.connection import Warehouse


@pytest.fixture
def january(warehouse: Warehouse, synthetic_source) -> SourceFile:
    publish_zones(warehouse, *synthetic_source.zone_files)
    return synthetic_source.land(warehouse.settings, JANUARY)


def after_staging(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> list[str]:
    """Calls the action when a month is staged for the first time; the times that one is staged."""
    staged: list[str] = []

    def at(name: str) -> None:
        if name == "audited":
            staged.append(name)
            if len(staged) == 1:
                action()

    monkeypatch.setattr(fault_points, "fault_point", at)
    return staged


def test_others_publish_while_a_month_is_staged(
    warehouse: Warehouse, january: SourceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish() -> None:
        with publish_lock(warehouse.settings, timeout=0.01):
            pass
        with warehouse.publishing("a drift report") as connection:
            connection.execute("INSERT INTO drift_reports (month, psi) VALUES (DATE '2022-12-01', 0.5)")

    staged = after_staging(monkeypatch, publish)
    publish_month(warehouse, january)
    assert len(staged) == 1
    assert fetch(warehouse, "SELECT psi FROM drift_reports") == [(0.5,)]
    assert content(warehouse)


def test_a_month_is_staged_again_if_the_zones_changed_meanwhile(
    warehouse: Warehouse, january: SourceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename_a_zone() -> None:
        with warehouse.publishing("zones") as connection:
            connection.execute("UPDATE taxi_zones SET zone = 'renamed' WHERE zone_id = 1")

    staged = after_staging(monkeypatch, rename_a_zone)
    publish_month(warehouse, january)
    assert len(staged) == 2
    ingested = fetch(warehouse, "SELECT inputs FROM published_months")
    staged.clear()
    monkeypatch.setattr(fault_points, "fault_point", staged.append)
    publish_month(warehouse, january)
    assert fetch(warehouse, "SELECT inputs FROM published_months") == ingested

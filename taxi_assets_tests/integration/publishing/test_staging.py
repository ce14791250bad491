"""Months are staged without the lock of publishers, and again if what they depend on has changed."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from threading import Thread

import pyarrow.parquet as pq
import pytest
from duckdb import DuckDBPyConnection
from month_content import JANUARY, ROWS, content, fetch

from taxi_assets.ingestion import publish_month as publish_month_module
from taxi_assets.ingestion.file_stability import IMMEDIATE
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publish_month import publish_month, publish_zones
from taxi_assets.ingestion.scan_landing import scan_landing
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.settings import Settings
from taxi_assets.warehouse import catalogue, fault_points
from taxi_assets.warehouse.catalogue import publish_lock, tables_marker
from taxi_assets.warehouse.connection import Warehouse, transaction
from taxi_assets.warehouse.maintenance import maintain


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


def test_maintenance_waits_for_a_staged_month(
    warehouse: Warehouse, january: SourceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(warehouse.settings.root / january.path, (0, 0))  # a link to it is as old
    started: list[Thread] = []

    def start_maintenance() -> None:
        arguments = (warehouse, (), timedelta(days=30), datetime.now(UTC))
        started.append(Thread(target=maintain, args=arguments))
        started[0].start()
        started[0].join(0.2)
        assert started[0].is_alive()

    after_staging(monkeypatch, start_maintenance)
    publish_month(warehouse, january)
    started[0].join(60)
    assert not started[0].is_alive()
    assert fetch(warehouse, "SELECT count(*) FROM raw_trips") == [(ROWS,)]


def test_a_month_keeps_its_newer_file(
    warehouse: Warehouse, january: SourceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def land_newer_file() -> None:
        pq.write_table(rows.slice(1), warehouse.settings.landing / january.file_name)
        scan_landing(warehouse, IMMEDIATE)

    rows = pq.read_table(warehouse.settings.root / january.path)
    scan_landing(warehouse, IMMEDIATE)
    staged = after_staging(monkeypatch, land_newer_file)
    published = ingest_month(warehouse, "green", JANUARY)
    assert len(staged) == 2
    assert published.source_file.sha256 != january.sha256
    assert fetch(warehouse, "SELECT count(*) FROM raw_trips") == [(ROWS - 1,)]
    states = fetch(warehouse, "SELECT sha256 = ?, state FROM source_files ORDER BY ALL", january.sha256)
    assert states == [(False, "ingested"), (True, "superseded")]


def test_a_newer_file_stays_that_was_published_while_an_older_one_was_read(
    warehouse: Warehouse, january: SourceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pq.read_table(warehouse.settings.root / january.path)
    scan_landing(warehouse, IMMEDIATE)
    checked: list[str] = []

    def publish_newer_file(name: str) -> None:
        if name == "checked":
            checked.append(name)
            if len(checked) == 1:
                pq.write_table(rows.slice(1), warehouse.settings.landing / january.file_name)
                ingest_month(warehouse, "green", JANUARY)

    monkeypatch.setattr(fault_points, "fault_point", publish_newer_file)
    assert ingest_month(warehouse, "green", JANUARY).is_unchanged
    assert fetch(warehouse, "SELECT count(*) FROM raw_trips") == [(ROWS - 1,)]


def test_the_second_publisher_of_a_new_month_finds_it_published(
    warehouse: Warehouse, january: SourceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish_from_another_home() -> None:
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(publish_month_module, "staging_lock", lambda _: nullcontext())
            ingest_month(warehouse, "green", JANUARY)

    scan_landing(warehouse, IMMEDIATE)
    staged = after_staging(monkeypatch, publish_from_another_home)
    assert ingest_month(warehouse, "green", JANUARY).is_unchanged
    assert len(staged) == 2
    commits = fetch(warehouse, "SELECT count(*) FROM lake.snapshots() WHERE commit_message = 'green 2023-01'")
    assert commits == [(1,)]


def test_a_commit_that_is_interrupted_keeps_its_files(
    warehouse: Warehouse, january: SourceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def interrupted(connection: DuckDBPyConnection, message: str, run_id: str | None) -> Iterator[None]:
        with transaction(connection, message, run_id):
            yield
        raise KeyboardInterrupt  # DuckDB raises for a signal that came during a statement when it has ended

    monkeypatch.setattr(publish_month_module, "transaction", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish_month(warehouse, january)
    assert fetch(warehouse, "SELECT count(*), count(trip_distance_miles) FROM raw_trips") == [(ROWS, ROWS)]


def test_a_publisher_does_not_wait_for_itself_after_another_release_has_changed_the_tables(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def lock(settings: Settings, timeout: float = -1) -> Iterator[None]:
        with publish_lock(settings, timeout):
            tables_marker(settings).write_text("those of another release")
            yield

    warehouse.snapshot()
    monkeypatch.setattr(catalogue, "publish_lock", lock)
    with warehouse.exclusive_connection() as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]

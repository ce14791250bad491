"""On a full disk, reads use a copy of DuckLake's catalogue. (The stress tests use a full disk.)"""

import shutil
from collections import namedtuple
from pathlib import Path

import duckdb
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.warehouse import connection as lake_warehouse
from taxi_assets.warehouse import full_disk
from taxi_assets.warehouse.connection import Warehouse

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def full(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A warehouse with one row, on a disk that reports it is full."""
    with warehouse.publishing("a decision") as connection:
        connection.execute("INSERT INTO promotions BY NAME SELECT 7 AS model_version")
    monkeypatch.setattr(full_disk.shutil, "disk_usage", lambda _: Usage(1, 1, 0))
    return warehouse


def test_published_rows_are_read_and_nothing_is_written(full: Warehouse) -> None:
    before = sorted(full.settings.warehouse.iterdir())
    lake_warehouse._databases.clear()
    with full.reading() as connection:
        assert connection.execute("SELECT model_version FROM promotions").fetchall() == [(7,)]
        assert sorted(full.settings.warehouse.iterdir()) == before
    assert full.snapshot() > 0


def test_earlier_snapshot_is_read(full: Warehouse) -> None:
    first = full.snapshots()[0]
    with full.at(first).reading() as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]


def test_nothing_is_written_into_the_copy(full: Warehouse) -> None:
    with full.reading() as connection, pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("DELETE FROM promotions")


def test_a_disk_with_room_needs_no_copy(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_warehouse, "readable_copy", None)
    assert warehouse.snapshot() > 0
    assert full_disk.has_room(warehouse.settings.home)


def test_the_log_is_copied_with_the_catalogue(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.sqlite"
    catalog.write_text("old")
    catalog.with_name("catalog.sqlite-wal").write_text("new")
    with full_disk.readable_copy(catalog) as copy:
        assert {path.name: path.read_text() for path in copy.parent.iterdir()} == {
            "catalog.sqlite": "old",
            "catalog.sqlite-wal": "new",
        }
    assert not copy.parent.exists()


def test_catalogue_changed_during_the_copy_is_a_one_line_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = tmp_path / "catalog.sqlite"
    catalog.write_text("")

    def copy_and_change(source: Path, folder: Path) -> None:
        catalog.write_text(catalog.read_text() + "x")

    monkeypatch.setattr(shutil, "copy", copy_and_change)
    with pytest.raises(TaxiError, match="make room"), full_disk.readable_copy(catalog):
        pass


def test_no_disk_with_room_is_a_one_line_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(source: Path, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "catalog.sqlite").write_text("")
    monkeypatch.setattr(shutil, "copy", no_room)
    with (
        pytest.raises(TaxiError, match=r"No space left.*make room"),
        full_disk.readable_copy(tmp_path / "catalog.sqlite"),
    ):
        pass

"""Homes of other DuckLake or Dagster releases: older ones are upgraded, newer ones refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from taxi_assets.defs.instance import open_instance
from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings
from taxi_assets.warehouse import connection as lake
from taxi_assets.warehouse.catalogue_version import DUCKLAKE_VERSION
from taxi_assets.warehouse.connection import Warehouse


def change(database: Path, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement, values)


def value(database: Path, query: str) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute(query).fetchone()[0])


@pytest.fixture
def catalogue(warehouse: Warehouse) -> Path:
    """The catalogue of a DuckLake with one zone, with all connections closed."""
    with warehouse.publishing("a zone") as connection:
        connection.execute("INSERT INTO taxi_zones BY NAME SELECT 1 AS zone_id")
    close_connections(warehouse.settings)
    return warehouse.settings.warehouse / "catalog.sqlite"


def close_connections(settings: Settings) -> None:
    """Closes this process's connections to the DuckLake."""
    for key in [key for key in lake._databases if key[2] == settings]:
        lake._databases.pop(key).close()


def ducklake_version(catalogue: Path) -> str:
    return value(catalogue, "SELECT value FROM ducklake_metadata WHERE key = 'version'")


def set_version(catalogue: Path, version: str) -> None:
    change(catalogue, "UPDATE ducklake_metadata SET value = ? WHERE key = 'version'", version)


def test_catalogue_version_equals_the_extensions_version(catalogue: Path) -> None:
    assert ducklake_version(catalogue) == DUCKLAKE_VERSION


def test_older_ducklake_is_migrated_and_its_catalogue_is_backed_up(
    warehouse: Warehouse, catalogue: Path, caplog: pytest.LogCaptureFixture
) -> None:
    set_version(catalogue, "0.4")
    with warehouse.reading() as connection:
        assert connection.execute("SELECT zone_id FROM taxi_zones").fetchall() == [(1,)]
    assert ducklake_version(catalogue) == DUCKLAKE_VERSION
    kept = catalogue.with_name("catalog.sqlite.ducklake-0.4")
    assert ducklake_version(kept) == "0.4"
    (line,) = [record.getMessage() for record in caplog.records]
    assert (
        line == f"migrating the warehouse from DuckLake 0.4 to {DUCKLAKE_VERSION}; its old catalogue is kept as {kept}"
    )
    with warehouse.publishing("another") as connection:
        connection.execute("INSERT INTO taxi_zones BY NAME SELECT 2 AS zone_id")


def test_failed_migration_leaves_the_catalogue_and_names_its_copy(warehouse: Warehouse, catalogue: Path) -> None:
    set_version(catalogue, "0.2")  # version 0.2 had other tables
    with pytest.raises(TaxiError, match=r"cannot be migrated from DuckLake 0.2 .*is kept as .*ducklake-0.2$") as error:
        warehouse.snapshot()
    assert "\n" not in str(error.value)
    assert ducklake_version(catalogue) == ducklake_version(catalogue.with_name("catalog.sqlite.ducklake-0.2")) == "0.2"


@pytest.mark.parametrize("version", ["1.1", "2.0", "1.0.1", "10.0"])
def test_newer_ducklake_is_refused_in_one_line_and_unchanged(
    warehouse: Warehouse, catalogue: Path, version: str
) -> None:
    set_version(catalogue, version)
    before = catalogue.read_bytes()
    with pytest.raises(TaxiError, match=f"is of DuckLake {version}, made by a later release: install that") as error:
        warehouse.snapshot()
    assert "\n" not in str(error.value)
    assert catalogue.read_bytes() == before


def test_file_that_is_not_a_catalogue_is_refused(settings: Settings) -> None:
    settings.warehouse.mkdir(parents=True)
    (settings.warehouse / "catalog.sqlite").write_bytes(b"no database at all, but long enough to be read as one" * 99)
    with pytest.raises(TaxiError, match=r"is not a DuckLake catalogue .*: move it away"):
        Warehouse(settings).snapshot()


@pytest.fixture
def dagster_home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", "")
    open_instance(settings).dispose()
    return settings.dagster_home


@pytest.mark.parametrize("name", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"])
def test_newer_dagster_databases_are_refused_in_one_line_and_unchanged(
    settings: Settings, dagster_home: Path, name: str
) -> None:
    change(dagster_home / name, "UPDATE alembic_version SET version_num = 'fromthefuture'")
    (dagster_home / "ready").write_text("Dagster 9.9.9\n")
    with pytest.raises(TaxiError, match=f"{name}' is of schema fromthefuture, made by a later release: ins") as error:
        open_instance(settings)
    assert "\n" not in str(error.value)
    assert value(dagster_home / name, "SELECT version_num FROM alembic_version") == "fromthefuture"


def test_older_dagster_databases_are_upgraded_and_backed_up(
    settings: Settings, dagster_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database, query = dagster_home / "history" / "runs.db", "SELECT version_num FROM alembic_version"
    head, older = value(database, query), _revision_before(value(database, query))
    change(database, "UPDATE alembic_version SET version_num = ?", older)
    (dagster_home / "ready").unlink()
    with open_instance(settings) as instance:
        assert instance.get_runs() == []
    assert value(database, query) == head
    (kept,) = dagster_home.glob("before-dagster-*")
    assert value(kept / "history" / "runs.db", query) == older
    assert any(str(kept) in record.getMessage() for record in caplog.records)


def _revision_before(head: str) -> str:
    import dagster
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(dagster.__file__).parent / "_core" / "storage" / "alembic"))
    return str(scripts.get_revision(head).down_revision)


def test_current_databases_are_not_checked_again(settings: Settings, dagster_home: Path) -> None:
    change(dagster_home / "history" / "runs.db", "UPDATE alembic_version SET version_num = 'fromthefuture'")
    open_instance(settings).dispose()
    (dagster_home / "ready").unlink()
    with pytest.raises(TaxiError, match="made by a later release"):
        open_instance(settings)

"""A catalogue in PostgreSQL holds what one in SQLite does, behind a lock of all machines."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from filelock import Timeout
from lake_listing import files_of
from postgres_server import PASSWORD, PostgresServer
from pydantic import PostgresDsn, Secret
from shared_lake import content, put_month, settings_at, warehouse_at

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.catalogue import publish_lock
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.maintenance import maintain

pytestmark = pytest.mark.usefixtures("own_password")
MONTHS = tuple(Month(2021, 1).plus(number) for number in range(36))
NEW = Month(2024, 1)
WRITERS = 8


def test_months_are_published_replaced_and_read_at_a_snapshot(lake: Warehouse) -> None:
    with lake.publishing("first") as connection:
        put_month(connection, NEW, 500)
    snapshot = lake.snapshot()
    with lake.publishing("second") as connection:
        put_month(connection, NEW, 300)
    assert [rows for _, rows, _ in content(lake)] == [300]
    assert [rows for _, rows, _ in content(lake.at(snapshot))] == [500]


def test_a_failed_publication_leaves_nothing(lake: Warehouse) -> None:
    before = lake.snapshot()

    def fail() -> None:
        with lake.publishing("wrong") as connection:
            put_month(connection, NEW, 500)
            raise TaxiError("in between")

    with pytest.raises(TaxiError, match="in between"):
        fail()
    assert (content(lake), lake.snapshot()) == ([], before)


def test_maintenance_keeps_the_content(lake: Warehouse) -> None:
    for rows in (500, 300):
        with lake.publishing("a month") as connection:
            put_month(connection, NEW, rows)
    before = content(lake)
    for days in (40, 80):
        maintain(lake, (), timedelta(days=30), datetime.now(UTC) + timedelta(days=days))
    assert content(lake) == before
    assert len(files_of(lake, "kept_trips")) == 1


def test_a_second_publisher_waits_and_sensors_do_not_block(lake: Warehouse) -> None:
    lake.snapshot()

    def publish_second() -> None:
        with publish_lock(lake.settings, timeout=0.01):
            raise AssertionError("the lock was free")

    with lake.exclusive_connection(), pytest.raises(Timeout):
        publish_second()
    with publish_lock(lake.settings, timeout=0.01):
        pass


def test_statements_cannot_read_files_outside(lake: Warehouse) -> None:
    with lake.reading() as connection, pytest.raises(duckdb.PermissionException):
        connection.execute("SELECT * FROM read_text('/etc/passwd')")


@pytest.mark.slow
def test_the_password_is_shown_nowhere(server: PostgresServer, tmp_path: Path) -> None:
    lake = warehouse_at(tmp_path / "home", server.url)
    with lake.reading() as connection:
        shown = connection.execute("SELECT * FROM duckdb_databases()").fetchall()
    assert PASSWORD not in f"{shown} {lake} {lake.settings!r} {lake.settings.model_dump_json()}"
    for url in (
        server.url.replace(str(server.port), str(free_port())),
        server.url.replace("taxi:", "stranger:"),
        server.url + "_absent",
    ):
        other = Settings(home=tmp_path / "other", catalog=Secret[PostgresDsn](PostgresDsn(url)))
        with pytest.raises(TaxiError, match="TAXI_CATALOG") as refused:
            Warehouse(other).snapshot()
        assert PASSWORD not in str(refused.value)


@pytest.mark.slow
def test_a_home_at_another_path_is_refused(server: PostgresServer, tmp_path: Path) -> None:
    lake = warehouse_at(tmp_path / "home", server.url)
    lake.snapshot()
    other = lake.settings.model_copy(update={"home": tmp_path / "other"})
    with pytest.raises(TaxiError, match=r"TAXI_CATALOG.*DATA_PATH"):
        Warehouse(other).snapshot()


def test_missing_packages_are_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    catalog = Secret[PostgresDsn](PostgresDsn("postgres://taxi:secret-word@127.0.0.1:9/lake"))
    with pytest.raises(TaxiError, match="run `make env-scale`") as refused:
        Warehouse(Settings(home=tmp_path, catalog=catalog)).snapshot()
    assert "secret-word" not in str(refused.value)


# Eight processes, of which some are killed, and a server that crashes


def start(lake: Warehouse, months: list[Month], url: str) -> "subprocess.Popen[str]":
    command = [sys.executable, __file__, str(lake.settings.home), url, *map(str, months)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # the servers' modules are in other folders
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_eight_processes_that_are_killed_lose_and_double_nothing(server: PostgresServer, tmp_path: Path) -> None:
    local = warehouse_at(tmp_path / "local", None)
    with local.publishing("all") as connection:
        for number, month in enumerate((*MONTHS, NEW)):
            put_month(connection, month, 300 + number)
    lake = warehouse_at(tmp_path / "home", server.url)
    lake.snapshot()
    shares = [[*MONTHS[number::WRITERS], NEW] for number in range(WRITERS)]
    processes = [start(lake, share, server.url) for share in shares]
    assert processes[0].stdout
    acknowledged = [processes[0].stdout.readline().strip()]
    processes[1].kill()
    processes[2].kill()
    server.stop("immediate")
    server.start()
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    acknowledged += [line for output in outputs for line in output.split()]
    have = {f"{month:%Y-%m}": rows for month, rows, _ in content(lake)}
    assert {month: have.get(month) for month in acknowledged} == {
        f"{month:%Y-%m}": rows for month, rows, _ in content(local) if f"{month:%Y-%m}" in acknowledged
    }
    again = [start(lake, share, server.url) for share in shares]
    for process in again:
        errors = process.communicate(timeout=300)[1]
        assert process.returncode == 0, errors
    assert content(lake) == content(local)


def _publish(home: str, url: str, *months: str) -> None:
    lake = Warehouse(settings_at(Path(home), url))
    for text in months:
        month = Month.parse(text)
        with lake.publishing(text) as connection:
            put_month(connection, month, 300 + (*MONTHS, NEW).index(month))
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _publish(*sys.argv[1:])

"""Two workers that share only PostgreSQL, S3 and Redis ingest months; one of them is killed."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import dagster as dg
import psutil
import pytest
import redis_server
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from postgres_server import PASSWORD, PostgresServer
from pydantic import RedisDsn, Secret
from sample_lake import ZONE_FILES
from table_digests import table_digests

from benchmarks.bench_workers import enqueue_months
from taxi_assets import synthetic
from taxi_assets.defs.instance import open_instance
from taxi_assets.defs.instance_configuration import write_configuration
from taxi_assets.defs.run_processes import WORKER_TAG
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.file_stability import IMMEDIATE
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publish_month import publish_zones
from taxi_assets.ingestion.scan_landing import list_source_files, scan_landing
from taxi_assets.months import Month
from taxi_assets.settings import WORKSPACE, Settings
from taxi_assets.warehouse.catalogue import publish_lock
from taxi_assets.warehouse.connection import Warehouse

MONTHS = tuple(Month(2023, 1).plus(number) for number in range(4))


def wait_until(is_true: Callable[[], object], seconds: float = 150) -> None:
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until
        threading.Event().wait(0.3)


@pytest.fixture
def receiver(
    tmp_path: Path, server: PostgresServer, data_path: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """A home that accepts files, on an empty database, with a queue of runs; sensors are off."""
    if redis_server.missing():
        pytest.skip(redis_server.missing())
    for name in ("DAGSTER_HOME", "DAGSTER_STORAGE_URL"):
        monkeypatch.setenv(name, "")
    server.execute("CREATE DATABASE workers")
    url = server.url.replace("/postgres", "/workers")
    with redis_server.redis_server() as broker:
        variables = {
            **{f"TAXI_{name}": url for name in ("CATALOG", "DAGSTER_STORAGE")},
            "TAXI_DATA_PATH": data_path,
            "TAXI_SHARED_FILES": f"{data_path}-files",
            "TAXI_RUN_BROKER": broker,
            "TAXI_MAX_CONCURRENT_RUNS": "2",
            "TAXI_HOME": str(tmp_path / "receiver"),
            "TAXI_ENV": "test",
            "TAXI_DATA_KIND": "synthetic",
            "TAXI_THREADS": "1",
            "TAXI_MEMORY_LIMIT": "1GB",
            "TAXI_TLC_SOURCE": str(tmp_path),
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield Settings()
    server.execute("DROP DATABASE workers WITH (FORCE)")


@contextmanager
def process(log: Path, environment: Mapping[str, str], *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs a program in a process group of its own, which is killed at the end."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield started
    finally:
        kill(started)


def worker(log: Path) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """A worker whose home is beside its log."""
    home = log.with_suffix("")
    return process(log, {"TAXI_HOME": str(home)}, sys.executable, "-m", "taxi_assets", "worker")


def kill(started: "subprocess.Popen[bytes]") -> None:
    """Kills a program and its children, as the end of their machine does."""
    with_children = [started.pid]
    if psutil.pid_exists(started.pid):
        with_children += [child.pid for child in psutil.Process(started.pid).children(recursive=True)]
    for pid in with_children:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
    started.wait()


def months_in(folder: Path) -> Path:
    folder.mkdir()
    synthetic.write_zones(folder, 7)
    for month in MONTHS:
        synthetic.write_month(folder, "green", month, 2_000, 7)
    return folder


def receive(lake: Warehouse, folder: Path) -> None:
    lake.settings.landing.mkdir(parents=True)
    for path in folder.iterdir():
        shutil.copy(path, lake.settings.landing)
    publish_zones(lake, *(folder / name for name in ZONE_FILES))
    scan_landing(lake, IMMEDIATE)


def pid_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> int | None:
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        metadata = entry.dagster_event.engine_event_data.metadata if entry.dagster_event else {}
        if "pid" in metadata:
            return int(str(metadata["pid"].value))
    return None


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("own_password")
def test_months_of_a_killed_worker_are_published_once(receiver: Settings, tmp_path: Path) -> None:
    folder = months_in(tmp_path / "months")
    lake = Warehouse(receiver)
    receive(lake, folder)
    programs = ExitStack()
    with open_instance(receiver) as instance, programs:
        enqueue_months(instance, MONTHS)
        worker_logs = [tmp_path / "worker-1.log", tmp_path / "worker-2.log"]
        workers = [programs.enter_context(worker(log)) for log in worker_logs]
        daemon = (str(Path(sys.executable).with_name("dagster-daemon")), "run", "-w", str(WORKSPACE))
        programs.enter_context(process(tmp_path / "daemon.log", {}, *daemon))

        def started() -> list[dg.DagsterRun]:
            return list(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])))

        with publish_lock(receiver):  # the runs begin, and wait
            wait_until(lambda: len(started()) == len(workers))
            lost = started()[0]
            assert WORKER_TAG in lost.tags
            pid = pid_of(instance, lost)
            owners = {child.pid: worker for worker in workers for child in psutil.Process(worker.pid).children()}
            kill(owners[pid])
        # Until the run that replaces the lost one is there, no run may be unfinished.
        wait_until(lambda: len(instance.get_runs()) > len(MONTHS) and not unfinished(instance), 300)
        runs = instance.get_runs()
        shown = "".join(path.read_text() for path in receiver.dagster_home.rglob("*") if path.is_file())
        shown += "".join(log.read_text() for log in worker_logs) + str(instance.info_str())
    ended = {run.run_id: run.status for run in runs}
    assert ended.pop(lost.run_id) == dg.DagsterRunStatus.FAILURE
    assert set(ended.values()) == {dg.DagsterRunStatus.SUCCESS}
    assert len(ended) == len(MONTHS)
    assert {row.state for row in list_source_files(lake)} == {"ingested"}
    for secret in (PASSWORD, redis_server.PASSWORD):
        assert secret not in shown
    tables, expected = table_digests(lake), local_digests(receiver, tmp_path / "local", folder)
    for digests in (tables, expected):  # it has results of checks, which compare a month with those before it
        digests.pop("published_months")
    assert tables == expected


def local_digests(receiver: Settings, home: Path, folder: Path) -> dict[str, str]:
    """The digests of a lake of one machine with the same files."""
    stores = dict.fromkeys(("catalog", "data_path", "dagster_storage", "shared_files", "run_broker"))
    local = Warehouse(receiver.model_copy(update={"home": home, **stores}))
    receive(local, folder)
    for month in MONTHS:
        ingest_month(local, "green", month)
    return table_digests(local)


def test_workers_need_stores_that_are_shared(tmp_path: Path) -> None:
    broker = Secret[RedisDsn](RedisDsn("redis://:secret-word@127.0.0.1:9/0"))
    settings = Settings(home=tmp_path, data_kind="synthetic", run_broker=broker)
    settings.dagster_home.mkdir(parents=True)
    with pytest.raises(TaxiError, match=r"TAXI_CATALOG.*TAXI_SHARED_FILES") as refused:
        write_configuration(settings)
    assert "secret-word" not in str(refused.value)


def test_the_number_of_runs_at_once_is_written_unless_a_person_changed_the_file(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, data_kind="synthetic", run_broker=None, dagster_storage=None)
    path = settings.dagster_home / "dagster.yaml"
    path.parent.mkdir(parents=True)
    for runs in (1, 3, 1):
        write_configuration(settings.model_copy(update={"max_concurrent_runs": runs}))
        assert f"max_concurrent_runs: {runs}\n" in path.read_text()
    own = path.read_text() + "sensors:\n  use_threads: true\n"
    path.write_text(own)
    write_configuration(settings.model_copy(update={"max_concurrent_runs": 3}))
    assert path.read_text() == own


def unfinished(instance: dg.DagsterInstance) -> int:
    return instance.get_runs_count(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))

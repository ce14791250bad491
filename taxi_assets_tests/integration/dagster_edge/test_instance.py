"""The Dagster instance of a home, and its handling of runs whose process died."""

import json
import os
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from queue import Queue

import dagster as dg
import psutil
import pytest
from dagster._core.events import DagsterEvent, EngineEventData
from dagster._daemon.types import DaemonHeartbeat
from platform_harness import PlatformHarness

from taxi_assets.defs.event_log import PooledSqliteEventLogStorage
from taxi_assets.defs.instance import last_run, last_runs, open_instance
from taxi_assets.defs.run_processes import PROCESS_TAG, close_abandoned_runs, close_dead_runs, process_tag
from taxi_assets.registry import tracking
from taxi_assets.registry.database import client
from taxi_assets.settings import Settings

DEAD_TAG = "import os; from taxi_assets.defs.run_processes import process_tag; print(process_tag())"


@dg.op
def nothing() -> None: ...


@dg.job
def some_job() -> None:
    nothing()


@pytest.fixture(autouse=True)
def _home_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("DAGSTER_STORAGE_URL", "")


@pytest.fixture
def local_settings(tmp_path: Path) -> Settings:
    """A home whose storage is in its files."""
    return Settings(home=tmp_path / "home", data_kind="synthetic")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def settings(request: pytest.FixtureRequest, local_settings: Settings) -> Settings:
    """A home without runs, on each kind of storage."""
    if request.param == "sqlite":
        return local_settings
    server = request.getfixturevalue("server")
    server.execute("DROP SCHEMA IF EXISTS taxi_dagster_synthetic CASCADE")
    return local_settings.model_copy(update={"dagster_storage": server.secret})


def begin(instance: dg.DagsterInstance, process: str | None) -> dg.DagsterRun:
    tags = {PROCESS_TAG: process} if process else {}
    return instance.create_run_for_job(some_job, status=dg.DagsterRunStatus.STARTED, tags=tags)


@cache
def dead_process() -> str:
    done = subprocess.run([sys.executable, "-c", DEAD_TAG], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found.status


def test_instance_is_in_the_home_and_runs_one_run_at_a_time(settings: Settings) -> None:
    with open_instance(settings) as instance:
        assert Path(instance.root_directory) == settings.dagster_home
        assert instance.get_settings("concurrency") == {"runs": {"max_concurrent_runs": 1}}


def test_event_log_follows_a_home_that_is_moved(local_settings: Settings, tmp_path: Path) -> None:
    with open_instance(local_settings) as instance:
        assert isinstance(instance.event_log_storage, PooledSqliteEventLogStorage)
        run = begin(instance, None)
        instance.report_engine_event("before the move", run)
    moved = local_settings.model_copy(update={"home": tmp_path / "moved"})
    local_settings.home.rename(moved.home)
    with open_instance(moved) as instance:
        assert [entry.message for entry in instance.all_logs(run.run_id)] == ["before the move"]


def test_events_are_seen_while_the_run_goes_on(settings: Settings) -> None:
    seen: Queue[str] = Queue()
    with open_instance(settings) as instance:
        run = begin(instance, None)
        instance.watch_event_logs(run.run_id, None, lambda entry, _: seen.put(entry.message))
        for number in range(2):
            instance.report_engine_event(f"event {number}", run)
            assert seen.get(timeout=10) == f"event {number}"


@pytest.mark.slow
def test_few_files_of_the_event_log_are_open_at_once(local_settings: Settings) -> None:
    with open_instance(local_settings) as instance:
        runs = [begin(instance, None) for _ in range(12)]
        for run in runs:
            instance.report_engine_event("first", run)
        for run in runs:
            instance.report_engine_event("second", run)
        files = {file.path for file in psutil.Process().open_files() if file.path.startswith(str(local_settings.home))}
        assert len([path for path in files if path.endswith(".db") and "/runs/" in path]) <= 8
        assert all(len(instance.all_logs(run.run_id)) == 2 for run in runs)
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled  # else the first page asks for an email address for a newsletter
        assert instance.run_monitoring_enabled
    assert os.environ["DAGSTER_HOME"] == str(local_settings.dagster_home)


def test_changed_configuration_is_kept(settings: Settings) -> None:
    open_instance(settings).dispose()
    configuration = settings.dagster_home / "dagster.yaml"
    configuration.write_text(configuration.read_text().replace("enabled: true", "enabled: false"))
    with open_instance(settings) as instance:
        assert not instance.run_monitoring_enabled


def test_runs_persist_after_the_process(settings: Settings) -> None:
    with open_instance(settings) as instance:
        run = begin(instance, None)
    with open_instance(settings) as instance:
        assert instance.get_run_by_id(run.run_id)


def test_the_run_of_a_dead_process_is_failed_in_dagster_and_mlflow(settings: Settings) -> None:
    with open_instance(settings) as instance:
        run = begin(instance, dead_process())
        mlflow_run_id = tracking.open_run(settings, run.run_id, "train_month", {})
        assert close_abandoned_runs(settings, instance) == [run.run_id]
        assert status(instance, run) == dg.DagsterRunStatus.FAILURE
        assert client(settings).get_run(mlflow_run_id).info.status == "FAILED"
        assert close_abandoned_runs(settings, instance) == []


def test_run_of_a_living_process_is_unchanged(settings: Settings) -> None:
    with open_instance(settings) as instance:
        run = begin(instance, process_tag())
        assert close_abandoned_runs(settings, instance) == []
        assert status(instance, run) == dg.DagsterRunStatus.STARTED


def test_reused_process_id_is_another_process(settings: Settings) -> None:
    number, _, created = process_tag().partition("@")
    with open_instance(settings) as instance:
        run = begin(instance, f"{number}@{float(created) - 60}")
        assert close_abandoned_runs(settings, instance) == [run.run_id]


# Runs launched by the daemon, which record their process id in the event log


def daemon_run(
    instance: dg.DagsterInstance,
    pid: int | None,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
    logged_at: float | None = None,
    **tags: str,
) -> dg.DagsterRun:
    """A run as the daemon launches it. Like Dagster's run worker, it first logs its process id."""
    run = instance.create_run_for_job(some_job, status=status, tags=tags)
    if pid:
        tags = EngineEventData.in_process(pid)
        event = DagsterEvent("ENGINE_EVENT", "some_job", event_specific_data=tags, message="Started process for run")
        instance.report_dagster_event(event, run.run_id, timestamp=logged_at)
    return run


def dead_pid() -> int:
    return int(dead_process().partition("@")[0])


def test_the_run_of_a_dead_worker_is_failed(settings: Settings) -> None:
    with open_instance(settings) as instance:
        dead, lives = daemon_run(instance, dead_pid()), daemon_run(instance, os.getpid())
        assert close_dead_runs(instance, no_launcher=True) == [dead.run_id]
        assert status(instance, dead) == dg.DagsterRunStatus.FAILURE
        assert status(instance, lives) == dg.DagsterRunStatus.STARTED


def test_worker_whose_process_id_was_reused_is_dead(settings: Settings) -> None:
    with open_instance(settings) as instance:
        run = daemon_run(instance, os.getpid(), logged_at=psutil.Process().create_time() - 60)
        shown = last_run(settings)
        assert shown
        if settings.dagster_storage:  # it may be a process of another machine
            assert shown["status"] == "STARTED"
        else:
            assert (shown["status"], "`make up` closes it" in shown["why"]) == ("INTERRUPTED", True)
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "SENSOR", "a daemon", []))  # it will close the run
        assert {each["status"] for each in last_runs(settings, 9)} == {"STARTED"}
        assert close_dead_runs(instance) == [run.run_id]


@pytest.mark.slow
def test_canceling_run_of_a_dead_worker_is_canceled_in_mlflow(settings: Settings) -> None:
    with open_instance(settings) as instance:
        run = daemon_run(instance, dead_pid(), dg.DagsterRunStatus.CANCELING)
        mlflow_run_id = tracking.open_run(settings, run.run_id, "train_month", {})
        assert close_abandoned_runs(settings, instance) == [run.run_id]
        assert status(instance, run) == dg.DagsterRunStatus.CANCELED
        assert client(settings).get_run(mlflow_run_id).info.status == "KILLED"


def test_starting_run_is_dead_once_its_code_server_is(settings: Settings, tmp_path: Path) -> None:
    address = str(tmp_path / "server.sock")
    tags = {".dagster/grpc_info": json.dumps({"host": "localhost", "socket": address})}
    with open_instance(settings) as instance, socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        run = daemon_run(instance, None, dg.DagsterRunStatus.STARTING, **tags)
        assert close_dead_runs(instance) == []
        server.close()
        assert close_dead_runs(instance) == [run.run_id]


def test_run_without_a_process_is_dead_only_without_a_daemon(settings: Settings) -> None:
    with open_instance(settings) as instance:
        run = daemon_run(instance, None, dg.DagsterRunStatus.STARTING)
        assert close_dead_runs(instance) == []
        assert close_dead_runs(instance, no_launcher=True) == [run.run_id]


def test_home_without_an_instance_stays_without(local_settings: Settings) -> None:
    assert last_run(local_settings) is None
    assert not local_settings.dagster_home.exists()


def test_new_instance_has_no_last_run(settings: Settings) -> None:
    open_instance(settings).dispose()
    assert last_run(settings) is None


def test_last_run_is_reported(platform: PlatformHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(platform.settings.dagster_home))
    tags, run = last_run(platform.settings), platform.last_run()
    assert tags
    assert tags.items() >= {"job": run.job_name, "status": run.status.value, "run_id": run.run_id}.items()

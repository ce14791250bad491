"""The persisted instance of a home, and what it does about runs whose process died."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from town import Town

from taxi_assets.defs.instance import PROCESS_TAG, close_abandoned, last_run, open_instance, process_tag
from taxi_assets.mlflow_store import tracking
from taxi_assets.mlflow_store.mlflow_database import client
from taxi_assets.settings import Settings

DEAD_TAG = "import os; from taxi_assets.defs.instance import process_tag; print(process_tag())"


@dg.op
def nothing() -> None: ...


@dg.job
def some_job() -> None:
    nothing()


@pytest.fixture(autouse=True)
def _home_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")


def begin(instance: dg.DagsterInstance, process: str | None) -> dg.DagsterRun:
    tags = {PROCESS_TAG: process} if process else {}
    return instance.create_run_for_job(some_job, status=dg.DagsterRunStatus.STARTED, tags=tags)


def dead_process() -> str:
    done = subprocess.run([sys.executable, "-c", DEAD_TAG], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found.status


def test_it_lives_in_the_home_and_runs_one_run_at_a_time(settings: Settings) -> None:
    with open_instance(settings) as instance:
        assert Path(instance.root_directory) == settings.dagster_home
        assert instance.get_settings("concurrency") == {"runs": {"max_concurrent_runs": 1}}
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled  # else the first page asks for an address to send news to
        assert instance.run_monitoring_enabled
    assert os.environ["DAGSTER_HOME"] == str(settings.dagster_home)


def test_a_configuration_a_person_changed_is_kept(settings: Settings) -> None:
    open_instance(settings).dispose()
    (settings.dagster_home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with open_instance(settings) as instance:
        assert not instance.run_monitoring_enabled


def test_what_was_run_is_there_after_the_process(settings: Settings) -> None:
    with open_instance(settings) as instance:
        run = begin(instance, None)
    with open_instance(settings) as instance:
        assert instance.get_run_by_id(run.run_id)


def test_the_run_of_a_dead_process_is_failed_in_dagster_and_mlflow(settings: Settings) -> None:
    with open_instance(settings) as instance:
        run = begin(instance, dead_process())
        mlflow_run_id = tracking.open_run(settings, run.run_id, "month", {})
        assert close_abandoned(settings, instance) == [run.run_id]
        assert status(instance, run) == dg.DagsterRunStatus.FAILURE
        assert client(settings).get_run(mlflow_run_id).info.status == "FAILED"
        assert close_abandoned(settings, instance) == []


def test_the_run_of_a_living_process_is_left_alone(settings: Settings) -> None:
    with open_instance(settings) as instance:
        run = begin(instance, process_tag())
        assert close_abandoned(settings, instance) == []
        assert status(instance, run) == dg.DagsterRunStatus.STARTED


def test_a_number_the_system_gave_out_again_is_another_process(settings: Settings) -> None:
    number, _, created = process_tag().partition("@")
    with open_instance(settings) as instance:
        run = begin(instance, f"{number}@{float(created) - 60}")
        assert close_abandoned(settings, instance) == [run.run_id]


def test_a_run_of_the_daemon_is_left_to_its_monitoring(settings: Settings) -> None:
    with open_instance(settings) as instance:
        run = begin(instance, None)
        assert close_abandoned(settings, instance) == []
        assert status(instance, run) == dg.DagsterRunStatus.STARTED


def test_there_is_no_last_run_before_the_first(settings: Settings) -> None:
    assert last_run(settings) is None
    assert not settings.dagster_home.exists()
    open_instance(settings).dispose()
    assert last_run(settings) is None


def test_the_last_run_is_told(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(town.settings.dagster_home))
    told, run = last_run(town.settings), town.last_run()
    assert told == {"job": run.job_name, "status": run.status.value, "run_id": run.run_id}

"""MLflow runs whose process was killed get the status of their Dagster run."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus, job, op

from taxi_assets.defs.mlflow_resource import sync_mlflow_runs
from taxi_assets.registry import tracking
from taxi_assets.registry.database import client
from taxi_assets.settings import Settings

KILLED_RUN = """
import os, signal, sys
from dagster import DagsterInstance, asset, materialize
from taxi_assets.defs.mlflow_resource import mlflow_resource
from taxi_assets.settings import Settings

@asset(required_resource_keys={"mlflow"})
def killed(context):
    context.resources.mlflow.log_params({"depth": 3})
    os.kill(os.getpid(), signal.SIGKILL)

with DagsterInstance.local_temp(sys.argv[1]) as instance:
    materialize([killed], instance=instance, resources={"mlflow": mlflow_resource(Settings())})
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", data_kind="synthetic")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    (tmp_path / "dagster").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield instance


@pytest.mark.slow
def test_killed_run_is_failed_when_dagster_says_so(settings, instance):
    environment = {**os.environ, "TAXI_HOME": str(settings.home), "TAXI_DATA_KIND": "synthetic"}
    command = [sys.executable, "-c", KILLED_RUN, instance.root_directory]
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    (dead,) = instance.get_runs()
    run_id = dead.tags["mlflow_run_id"]
    api = client(settings)
    assert api.get_run(run_id).info.status == "RUNNING"
    assert sync_mlflow_runs(settings, instance) == ()  # unchanged while Dagster considers it alive

    instance.report_run_failed(dead)
    assert sync_mlflow_runs(settings, instance) == (run_id,)
    assert api.get_run(run_id).info.status == "FAILED"
    assert api.get_run(run_id).data.params == {"depth": "3"}
    assert sync_mlflow_runs(settings, instance) == ()


def test_run_killed_between_both_status_updates_is_corrected(settings, instance):
    @op
    def nothing() -> None: ...

    @job
    def failing() -> None:
        nothing()

    dagster_run = instance.create_run_for_job(failing, status=DagsterRunStatus.FAILURE)
    run_id = tracking.open_run(settings, dagster_run.run_id, "job", {})
    client(settings).set_terminated(run_id, "FINISHED")
    assert sync_mlflow_runs(settings, instance) == (run_id,)
    assert client(settings).get_run(run_id).info.status == "FAILED"


def test_run_unknown_to_dagster_is_unchanged(settings, instance):
    run_id = tracking.open_run(settings, "of another instance", "job", {})
    assert sync_mlflow_runs(settings, instance) == ()
    assert client(settings).get_run(run_id).info.status == "RUNNING"

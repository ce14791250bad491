"""Detects runs and experiments deleted in MLflow's UI, and names the command that restores them."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.errors import TaxiError
from taxi_assets.registry.database import EXPERIMENT, client, is_initialised, lock, require_experiment
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient


def restore_command(settings: Settings, kind: str, name: str) -> str:
    """The shell command that restores a deleted run or experiment (`kind`: `runs`, `experiments`)."""
    option = {"runs": "--run-id", "experiments": "--experiment-id"}[kind]
    binary = Path(sys.executable).with_name("mlflow")
    words = (str(binary), kind, "restore", option, name)
    # The address of a database in PostgreSQL has a password: `taxi up` serves it at one without.
    uri = settings.url(settings.mlflow_port) if settings.mlflow_store else settings.mlflow_uri
    return f"MLFLOW_TRACKING_URI={shlex.quote(uri)} {shlex.join(words)}"


def require_active_experiment(settings: Settings) -> None:
    """Check that the experiment is not deleted, since a training run would fail.

    Raises:
        TaxiError: a person deleted it; the message has the command that restores it.
    """
    if is_initialised(settings):
        api = client(settings)
        with lock(settings):
            active_experiment(settings, api)


def active_experiment(settings: Settings, api: "MlflowClient") -> str:
    """The id of the experiment of new runs; call it while holding `lock`.

    Raises:
        TaxiError: a person deleted it; the message names the command that restores it.
    """
    experiment = api.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return require_experiment(settings)
    if experiment.lifecycle_stage != "active":
        command = restore_command(settings, "experiments", experiment.experiment_id)
        raise TaxiError(f"MLflow's experiment '{EXPERIMENT}' was deleted: restore it with: {command}")
    return str(experiment.experiment_id)


def require_run(settings: Settings, version: int, run_id: str) -> None:
    """Check that the version's MLflow run is not deleted, since nothing can be logged on a deleted run.

    Raises:
        TaxiError: a person deleted it; the message has the command that restores the run.
    """
    if run_stage(client(settings), run_id) == "deleted":
        command = restore_command(settings, "runs", run_id)
        raise TaxiError(
            f"the MLflow run of version {version} was deleted: train its month again, or restore it with: {command}"
        )


def run_stage(api: "MlflowClient", run_id: str) -> str:
    """`active`, `deleted`, or `gone` if the run was deleted permanently."""
    from mlflow.exceptions import MlflowException

    try:
        return str(api.get_run(run_id).info.lifecycle_stage)
    except MlflowException:
        return "gone"

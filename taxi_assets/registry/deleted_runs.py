"""What a person deleted in MLflow's UI: how much of a run is left, and the command that restores it."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.errors import TaxiError
from taxi_assets.registry.database import EXPERIMENT, client, is_initialised, lock, require_experiment
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["active_experiment", "require_active_experiment", "require_run", "restore_command", "run_stage"]


def restore_command(settings: Settings, kind: str, name: str) -> str:
    """The shell command that restores a deleted run or experiment (`kind`: `runs`, `experiments`)."""
    option = {"runs": "--run-id", "experiments": "--experiment-id"}[kind]
    binary = Path(sys.executable).with_name("mlflow")
    words = (str(binary), kind, "restore", option, name)
    return f"MLFLOW_TRACKING_URI={shlex.quote(settings.mlflow_uri)} {shlex.join(words)}"


def require_active_experiment(settings: Settings) -> None:
    """Refuse to begin where a person deleted the experiment: the run that trains would fail.

    Raises:
        TaxiError: with the command that restores it.
    """
    if is_initialised(settings):
        api = client(settings)
        with lock(settings):
            active_experiment(settings, api)


def active_experiment(settings: Settings, api: "MlflowClient") -> str:
    """The id of the experiment that new runs belong to; call it with `lock` held.

    Raises:
        TaxiError: a person deleted it; with the command that restores it.
    """
    experiment = api.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return require_experiment(settings)
    if experiment.lifecycle_stage != "active":
        command = restore_command(settings, "experiments", experiment.experiment_id)
        raise TaxiError(f"MLflow's experiment '{EXPERIMENT}' was deleted: restore it with: {command}")
    return str(experiment.experiment_id)


def require_run(settings: Settings, version: int, run_id: str) -> None:
    """Refuse a version whose MLflow run a person deleted: nothing more can be logged on it.

    Raises:
        TaxiError: with the command that restores the run.
    """
    if run_stage(client(settings), run_id) == "deleted":
        command = restore_command(settings, "runs", run_id)
        raise TaxiError(
            f"the MLflow run of version {version} was deleted: train its month again, or restore it with: {command}"
        )


def run_stage(api: "MlflowClient", run_id: str) -> str:
    """`active`, `deleted`, or `gone` where the run was deleted for good."""
    from mlflow.exceptions import MlflowException

    try:
        return str(api.get_run(run_id).info.lifecycle_stage)
    except MlflowException:
        return "gone"

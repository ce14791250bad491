"""MLflow's runs and the items logged on them. Model versions are in `model_versions`."""

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from taxi_assets.errors import TaxiError
from taxi_assets.registry.artifacts import clear_upload_errors
from taxi_assets.registry.database import EXPERIMENT, client, is_initialised, lock, ui_url
from taxi_assets.registry.deleted_runs import active_experiment
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run, RunData
    from pandas import DataFrame

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]

PREDICTION = "duration_minutes"

_PAGE_SIZE = 1000

# Requirements of a logged model. By default MLflow infers them by loading the model in another process, which takes
# ten times as long as logging it.
_MODEL_PACKAGES = ("scikit-learn", "numpy", "pandas", "cloudpickle")


def open_run(settings: Settings, dagster_run_id: str, name: str, tags: Mapping[str, str]) -> str:
    """The id of this Dagster run's MLflow run, created with `tags` if missing."""
    api = client(settings)
    with lock(settings):
        found = search_runs(api, f"tags.dagster_run_id = '{dagster_run_id}'")
        if found:
            return str(found[0].info.run_id)
        tags = {**tags, "dagster_run_id": dagster_run_id}
        return str(api.create_run(active_experiment(settings, api), tags=tags, run_name=name).info.run_id)


@dataclass(frozen=True)
class ChildRun:
    """A child run; its methods log on the child."""

    api: "MlflowClient"
    run_id: str

    def log_params(self, values: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        self.api.log_batch(self.run_id, params=[Param(key, str(value)) for key, value in values.items()])

    def log_metrics(self, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self.api.log_metric(self.run_id, key, value)

    def set_tag(self, key: str, value: str) -> None:
        self.api.set_tag(self.run_id, key, value)


@contextmanager
def child_run(settings: Settings, parent_id: str, name: str, tags: Mapping[str, str]) -> Iterator[ChildRun]:
    """Open a child run, and end it with the block as finished, failed, or killed by an interrupt.

    A pruned trial counts as finished. If the process is killed, `sync_statuses` ends the trial by its tag
    `tuning_dagster_run_id`.
    """
    api = client(settings)
    every = {**tags, "mlflow.parentRunId": parent_id, "mlflow.source.name": "taxi_assets"}
    run_id = str(api.create_run(_run(settings, parent_id).info.experiment_id, tags=every, run_name=name).info.run_id)
    status: RunStatus = "FAILED"
    try:
        yield ChildRun(api, run_id)
        status = "FINISHED"
    except Exception as error:
        status = "FINISHED" if type(error).__name__ == "TrialPruned" else "FAILED"
        raise
    except BaseException:
        status = "KILLED"
        raise
    finally:
        api.set_terminated(run_id, status)


def log_metrics(settings: Settings, run_id: str, values: Mapping[str, float]) -> None:
    """Log metrics on a run, also on an ended one."""
    ChildRun(client(settings), run_id).log_metrics(values)


def log_folder(settings: Settings, run_id: str, folder: Path, artifact_path: str) -> None:
    """Log a folder's files as artifacts below `artifact_path` on a run, also on an ended one."""
    with clear_upload_errors(settings):
        client(settings).log_artifacts(run_id, str(folder), artifact_path)


def sync_statuses(
    settings: Settings, status_of: Callable[[str], RunStatus | None], only: str | None = None
) -> tuple[str, ...]:
    """Set each MLflow run, and its child runs that have not ended, to the status of its Dagster run.

    Args:
        settings: Location of MLflow's database; without a database, nothing is done.
        status_of: Returns the end status for a Dagster run's id; None if it has not ended or is unknown.
        only: Only sync runs with this status.

    Returns:
        The MLflow ids of the changed runs.
    """
    if not is_initialised(settings):
        return ()
    api = client(settings)
    changed = []
    for run in search_runs(api, f"attributes.status = '{only}'" if only else ""):
        is_open = run.info.status == "RUNNING"
        tuning_run_id = run.data.tags.get("tuning_dagster_run_id") if is_open else None
        dagster_run_id = run.data.tags.get("dagster_run_id", tuning_run_id)
        status = status_of(dagster_run_id) if dagster_run_id else None
        if status and status != run.info.status:
            api.set_terminated(run.info.run_id, status)
            changed.append(str(run.info.run_id))
    return tuple(changed)


def log_model(estimator: Any, example: "DataFrame", extra: Mapping[str, str] = MappingProxyType({})) -> str:
    """Log a fitted estimator on the active run, with signature, example, requirements and this package.

    Args:
        estimator: A scikit-learn regressor that predicts minutes.
        example: A few input rows of numbers and text, as MLflow cannot describe pandas' categories.
        extra: Versions of further packages the estimator needs.

    Returns:
        The logged model's URI, `models:/m-…`. Metrics logged before also show on the model's page.
    """
    import mlflow
    import pandas as pd

    if mlflow.active_run() is None:
        raise RuntimeError("log_model needs an active MLflow run: without one the model would belong to no run")
    required = {name: version(name) for name in _MODEL_PACKAGES} | dict(extra)
    with _sklearn_flavour() as flavour:
        predicted = pd.DataFrame({PREDICTION: estimator.predict(example)})
        model = flavour.log_model(
            estimator,
            name="model",
            signature=mlflow.models.infer_signature(example, predicted),
            input_example=example,
            # MLflow's own format refuses most estimators. The pickle is for analysis; ONNX is served.
            serialization_format="cloudpickle",
            pip_requirements=[f"{name}=={number}" for name, number in required.items()],
            code_paths=[str(Path(__file__).parents[1])],
        )
    return str(model.model_uri)


def log_dataset(
    settings: Settings, run_id: str, name: str, digest: str, source: Mapping[str, object], rows: int
) -> None:
    """Log a model's training data in the run's list of datasets.

    Args:
        settings: Location of MLflow's database.
        run_id: The MLflow run.
        name: Name of the data, such as `trip_features`.
        digest: Digest of the content. MLflow keeps 36 characters; `source` has all.
        source: Identifies the data, such as the warehouse's snapshot and the months.
        rows: Number of rows.
    """
    api = client(settings)
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=name,
        digest=digest[:36],
        source_type="ducklake",
        source=json.dumps({**source, "digest": digest}),
        profile=json.dumps({"num_rows": rows}),
    )
    used = DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
    api.log_inputs(run_id, datasets=[used])


def get_logged_run(settings: Settings, run_id: str) -> "RunData":
    """The parameters, last metrics and tags logged on a run, also on a deleted one.

    Raises:
        TaxiError: MLflow has no such run.
    """
    return _run(settings, run_id).data


def run_url(settings: Settings, run_id: str) -> str:
    """The run's page in MLflow's UI."""
    experiment_id = _run(settings, run_id).info.experiment_id
    return ui_url(settings, f"experiments/{experiment_id}/runs/{run_id}")


@contextmanager
def _sklearn_flavour() -> Iterator[Any]:
    """MLflow's scikit-learn module, without known warnings and side effects.

    It warns of integer columns, which have no missing values here, and of pickles. It also puts the model's copy of
    this package first in `sys.path`, where it would replace the package.
    """
    logger, path = logging.getLogger("mlflow.sklearn"), list(sys.path)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*Any type hint is inferred", UserWarning)
            warnings.filterwarnings("ignore", ".*Inferred schema contains integer column", UserWarning)
            import mlflow.sklearn

            yield mlflow.sklearn
    finally:
        logger.setLevel(level)
        sys.path[:] = path


def _run(settings: Settings, run_id: str) -> "Run":
    from mlflow.exceptions import MlflowException

    try:
        return client(settings).get_run(run_id)
    except MlflowException as error:
        raise TaxiError(
            f"the MLflow run {run_id} was deleted permanently, with its metrics: train its month again"
        ) from error


def search_runs(api: "MlflowClient", condition: str = "") -> "list[Run]":
    """Every run of the platform's experiment that meets the condition and is not deleted."""
    runs: list[Run] = []
    token = None
    experiment = api.get_experiment_by_name(EXPERIMENT)
    while experiment:
        page = api.search_runs([experiment.experiment_id], condition, max_results=_PAGE_SIZE, page_token=token)
        runs.extend(page)
        token = page.token
        if not token:
            break
    return runs

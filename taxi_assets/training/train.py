"""Trains a model on a window of months, logs it to MLflow and registers it. Does not use Dagster."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from taxi_assets.features.feature_names import MODEL_INPUTS
from taxi_assets.months import Month
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.artifacts import clear_upload_errors
from taxi_assets.registry.code_revision import git_commit, source_digest
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings
from taxi_assets.training.dataset import (
    TRAINING_SCOPE,
    TrainingData,
    read_monthly_training_data,
    read_training_data,
)
from taxi_assets.training.estimators import BOOSTED_TREES, build_estimator, get_estimator
from taxi_assets.training.evaluation_scope import EvaluationScope
from taxi_assets.training.training_sources import TRAINING_SOURCES
from taxi_assets.training.training_window import training_window
from taxi_assets.training.xgboost_trees import import_xgboost
from taxi_assets.warehouse.connection import Warehouse

_INPUT_EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class TrainingResult:
    """A registered version, its training data, and whether this training registered it."""

    version: Version
    data: TrainingData
    is_new: bool


def train(
    settings: Settings,
    warehouse: Warehouse,
    mlflow: Any,
    month: Month,
    window: Sequence[Month],
    parameters: Mapping[str, Any],
) -> TrainingResult:
    """Trains a model to predict trips of `month`, registers it and makes it the month's version.

    If the same trips, parameters and code were trained on before, the version registered then is reused.

    Args:
        settings: The project's settings.
        warehouse: The warehouse to read from.
        mlflow: The dagster-mlflow resource, on the run to log to.
        month: The month the model will be scored on; none of its trips is used.
        window: Training months; if empty, those of `training_window`.
        parameters: `estimator`, one of `ESTIMATORS`, and its parameters.

    Raises:
        TaxiError: there is no training trip, or the window reaches into the scored month.
    """
    months = training_window(settings, warehouse, month, window)
    estimator = str(parameters.get("estimator", BOOSTED_TREES))
    data = read_data(estimator, warehouse, settings.services, months, TRAINING_SCOPE)
    key = _training_key(data, month, parameters)
    registered = model_versions.find(settings, key)
    if registered:
        model_versions.set_month_version(settings, registered, month)
        return TrainingResult(registered, data, is_new=False)
    model = fit(data, parameters)
    tags = _tags(settings, data, month, estimator)
    page = settings.dagster_run_url(mlflow.dagster_run_id)
    tags |= {"dagster_run_id": mlflow.dagster_run_id, "dagster_url": page}
    tags |= {"mlflow_url": tracking.run_url(settings, mlflow.mlflow_run_id)}
    mlflow.set_tags(tags)
    mlflow.log_params({**parameters, "window": tags["window"], "services": tags["services"], "trips": data.row_count})
    version = _register(settings, mlflow.mlflow_run_id, model, data, key, tags)
    model_versions.set_month_version(settings, version, month)
    return TrainingResult(version, data, is_new=True)


def fit(data: TrainingData, parameters: Mapping[str, Any]) -> Any:
    """Fits an estimator; the same data and parameters give the same model."""
    given = dict(parameters)
    model = build_estimator(given.pop("estimator", BOOSTED_TREES), data.zones, given)
    if data.monthly:
        return model.fit_months(data.monthly)
    return model.fit(data.trips, data.trips["duration_minutes"].to_numpy())


def read_data(
    estimator: str, warehouse: Warehouse, services: Sequence[str], months: Sequence[Month], scope: EvaluationScope
) -> TrainingData:
    """Reads the training trips, or only describes them for an estimator that reads by month."""
    read = read_monthly_training_data if get_estimator(estimator).reads_months else read_training_data
    return read(warehouse, services, months, scope)


def library_versions(estimator: str = BOOSTED_TREES) -> dict[str, str]:
    """Versions of the libraries that change the fitted model."""
    found = {name: version(name) for name in ("scikit-learn", "numpy", "holidays")}
    return found | _extra_versions(estimator)


def _extra_versions(estimator: str) -> dict[str, str]:
    """Versions of libraries that are not in the base environment."""
    return {"xgboost": str(import_xgboost().__version__)} if get_estimator(estimator).reads_months else {}


def _register(
    settings: Settings,
    run_id: str,
    model: Any,
    data: TrainingData,
    key: str,
    tags: Mapping[str, str],
) -> Version:
    source = {"snapshot": data.snapshot, "months": [str(month) for month in data.months]}
    tracking.log_dataset(settings, run_id, "trip_features", data.digest, source, data.row_count)
    example = data.trips[list(MODEL_INPUTS)].head(_INPUT_EXAMPLE_ROWS)
    with clear_upload_errors(settings):
        uri = tracking.log_model(model, example, _extra_versions(tags["estimator"]))
    return model_versions.register(settings, run_id, uri, key, tags)


def _tags(settings: Settings, data: TrainingData, month: Month, estimator: str) -> dict[str, str]:
    return {
        "window": f"{data.months[0]}..{data.months[-1]}",
        "months": ",".join(map(str, data.months)),
        "scored_month": str(month),
        "services": ",".join(data.services),
        "scope": TRAINING_SCOPE.name,
        "data_snapshot": str(data.snapshot),
        "data_digest": data.digest,
        "git_commit": git_commit(),
        "libraries": ", ".join(f"{name} {number}" for name, number in library_versions(estimator).items()),
        "estimator": estimator,
        "servable": str(get_estimator(estimator).is_servable).lower(),
        "synthetic": str(settings.active_data_kind == "synthetic").lower(),
    }


def _training_key(data: TrainingData, month: Month, parameters: Mapping[str, Any]) -> str:
    """Digest of all that decides the model: trips, scored month, parameters, code, libraries."""
    parts = [
        data.digest,
        str(month),
        sorted(parameters.items()),
        source_digest(*TRAINING_SOURCES),
        sorted(library_versions(str(parameters.get("estimator", BOOSTED_TREES))).items()),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

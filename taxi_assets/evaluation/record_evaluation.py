"""Writes an evaluation to the warehouse, and its metrics and plots to MLflow. Imports no Dagster."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from taxi_assets.evaluation.diagnostics import MATCHED_PAIRS, NOISE_FLOOR
from taxi_assets.evaluation.evaluate import Evaluation
from taxi_assets.evaluation.metrics import MODEL
from taxi_assets.registry import model_versions
from taxi_assets.registry.artifacts import clear_upload_errors
from taxi_assets.settings import Settings
from taxi_assets.training.conditions import WITH_RECENT_TRAFFIC, WITHOUT_RECENT_TRAFFIC
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE
from taxi_assets.warehouse.connection import Warehouse

_RMSE_NAMES = {
    WITHOUT_RECENT_TRAFFIC.name: "rmse_minutes_traffic_unknown",
    WITH_RECENT_TRAFFIC.name: "rmse_minutes_traffic_known",
}


def record_evaluation(warehouse: Warehouse, evaluation: Evaluation, run_id: str | None = None) -> int:
    """Replaces the rows of the version and month; returns the number of rows in `evaluations`."""
    version, day = evaluation.version.version, evaluation.month.first_day
    served = evaluation.condition.name
    coverage = {served: evaluation.coverage, **evaluation.other_condition_coverage}
    tables = {
        "evaluations": _evaluation_rows(evaluation),
        "evaluation_zones": evaluation.zones.assign(condition=served),
        "feature_importance": evaluation.importance.assign(condition=served),
        "interval_coverage": pd.concat([each.cells.assign(condition=name) for name, each in coverage.items()]),
    }
    with warehouse.publishing(f"evaluations {evaluation.month} version {version}", run_id) as connection:
        for name, rows in tables.items():
            connection.execute(f"DELETE FROM {name} WHERE month = ? AND model_version = ?", [day, version])
            connection.register("rows", rows.assign(month=day, model_version=version))
            connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM rows")
            connection.unregister("rows")
    return len(tables["evaluations"])


def _evaluation_rows(evaluation: Evaluation) -> pd.DataFrame:
    overall = [
        {"condition": condition, "scope": scope, "model": model, "slice": "overall", "value": "all", **vars(found)}
        for condition, scope, model, found in evaluation.all_scores
    ]
    sliced = evaluation.slices.assign(model=MODEL, scope=PRIMARY_SCOPE.name)
    served = pd.concat([sliced, evaluation.extra_rows], ignore_index=True).assign(condition=evaluation.condition.name)
    return pd.concat([pd.DataFrame(overall), served], ignore_index=True)


def matched_pair_scores(evaluation: Evaluation, scope: str) -> pd.DataFrame:
    """Rows of the noise floor and the models on trips with a match, for one scope."""
    extra_rows = evaluation.extra_rows
    return extra_rows[(extra_rows["slice"] == MATCHED_PAIRS) & (extra_rows["scope"] == scope)]


def log_evaluation(settings: Settings, mlflow: Any, evaluation: Evaluation, pictures: Mapping[str, bytes]) -> None:
    """Logs scores and plots to the resource's MLflow run, and to the version's training run.

    Args:
        settings: Location of MLflow.
        mlflow: The dagster-mlflow resource.
        evaluation: The evaluation to log.
        pictures: The plots as PNG, by name.
    """
    version = evaluation.version
    mlflow.set_tags(
        {
            "evaluated_version": version.version,
            "scored_month": str(evaluation.month),
            "condition": evaluation.condition.name,
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, png in pictures.items():
            Path(folder, f"{name}.png").write_bytes(png)
        evaluation.slices.to_csv(Path(folder, "errors_by_slice.csv"), index=False)
        evaluation.importance.to_csv(Path(folder, "importance.csv"), index=False)
        evaluation.zones.to_csv(Path(folder, "errors_by_zone.csv"), index=False)
        for run_id in {mlflow.mlflow_run_id, version.run_id}:
            mlflow.log_metrics(_metrics(evaluation) | headline_metrics(evaluation), run_id=run_id)
            with clear_upload_errors(settings):
                mlflow.log_artifacts(folder, "evaluation", run_id=run_id)
    # The tags last: a version that has them is evaluated completely.
    measured = {"evaluation_condition": evaluation.condition.name, "evaluation_snapshot": str(evaluation.snapshot)}
    model_versions.tag_decision(settings, version.version, measured)


def headline_metrics(evaluation: Evaluation) -> dict[str, float]:
    """The main figures under short names, the same in Dagster and MLflow for every month.

    `rmse_minutes` is that of the served condition; the errors of both conditions have names of their own.
    """
    score = evaluation.scores[PRIMARY_SCOPE.name][MODEL]
    figures = {"rmse_minutes": score.rmse, "mae_minutes": score.mae, "bias_minutes": score.bias}
    for condition, scope, model, found in evaluation.all_scores:
        if (scope, model) == (PRIMARY_SCOPE.name, MODEL):
            figures[_RMSE_NAMES[condition]] = found.rmse
    return figures | ({"interval_coverage": evaluation.coverage.share} if len(evaluation.coverage.cells) else {})


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    """The scores under MLflow metric names, such as `1_to_60_minutes/duration_model/rmse`.

    A prefix names another condition than the served one:
    `with_recent_traffic/1_to_60_minutes/duration_model/rmse`.
    """
    prefixes = {name: f"{name}/" for name in evaluation.other_condition_scores} | {evaluation.condition.name: ""}
    metrics = {
        f"{prefixes[condition]}{scope}/{model}/{name}": getattr(found, name)
        for condition, scope, model, found in evaluation.all_scores
        for name in ("rmse", "mae", "bias")
    }
    for scope in evaluation.scores:
        rmse = matched_pair_scores(evaluation, scope).set_index("model")["rmse"] if len(evaluation.extra_rows) else {}
        if MODEL in rmse:
            metrics[f"{scope}/{MODEL}/rmse_over_noise_floor"] = float(rmse[MODEL] / rmse[NOISE_FLOOR])
    for condition, coverage in {"": evaluation.coverage, **evaluation.other_condition_coverage}.items():
        if len(coverage.cells):
            metrics[f"{condition}/{PRIMARY_SCOPE.name}/{MODEL}/coverage_90".lstrip("/")] = coverage.share
    return metrics

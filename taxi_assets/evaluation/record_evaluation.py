"""Keeps what an evaluation found: rows in the lake, metrics and pictures in MLflow. No Dagster."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from taxi_assets.evaluation.diagnostics import FLOOR, TWINS
from taxi_assets.evaluation.evaluate import MODEL, Evaluation
from taxi_assets.evaluation.metrics import Score
from taxi_assets.registry import model_versions
from taxi_assets.settings import Settings
from taxi_assets.training.evaluation_scope import HEADLINE
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["headline", "keep_evaluation", "log_evaluation", "twins_of"]


def keep_evaluation(warehouse: Warehouse, evaluation: Evaluation, run_id: str | None = None) -> int:
    """Replace the rows of this version and month; returns how many of `evaluations` there are now."""
    version, day = evaluation.version.version, evaluation.month.first_day
    served = evaluation.condition.name
    coverage = {served: evaluation.coverage, **evaluation.coverage_elsewhere}
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
    served = [
        {"convention": convention, "model": model, "slice": "overall", "value": "all", **vars(found)}
        for convention, models in evaluation.scores.items()
        for model, found in models.items()
    ]
    sliced = evaluation.slices.assign(model=MODEL, convention=HEADLINE.name)
    rows = pd.concat([pd.DataFrame(served), sliced, evaluation.others], ignore_index=True)
    elsewhere = [
        {"condition": condition, "convention": convention, "slice": "overall", "value": "all", **vars(found)}
        for condition, scores in evaluation.elsewhere.items()
        for convention, found in scores.items()
    ]
    others = pd.DataFrame(elsewhere).assign(model=MODEL)
    return pd.concat([rows.assign(condition=evaluation.condition.name), others], ignore_index=True)


def twins_of(evaluation: Evaluation, convention: str) -> pd.DataFrame:
    """The noise floor and the models on rides with a twin, of one convention; no rows where no ride has one."""
    others = evaluation.others
    return others[(others["slice"] == TWINS) & (others["convention"] == convention)]


def log_evaluation(settings: Settings, mlflow: Any, evaluation: Evaluation, pictures: Mapping[str, bytes]) -> None:
    """Log scores and plots on the resource's MLflow run and the version's own, where another one trained it.

    Args:
        settings: Where MLflow is.
        mlflow: The dagster-mlflow resource.
        evaluation: What was found.
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
            mlflow.log_metrics(_metrics(evaluation) | headline(evaluation), run_id=run_id)
            mlflow.log_artifacts(folder, "evaluation", run_id=run_id)
    # Last of all: a version with this tag was evaluated, whole.
    measured = {"evaluation_condition": evaluation.condition.name, "evaluation_snapshot": str(evaluation.snapshot)}
    model_versions.note_decision(settings, version.version, measured)


def headline(evaluation: Evaluation) -> dict[str, float]:
    """The figures one looks at first, under plain names, the same in Dagster and MLflow over the months."""
    score = evaluation.scores[HEADLINE.name][MODEL]
    figures = {"rmse_minutes": score.rmse, "mae_minutes": score.mae, "bias_minutes": score.bias}
    return figures | ({"interval_coverage": evaluation.coverage.share} if len(evaluation.coverage.cells) else {})


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    """The scores under names MLflow can hold: `course/duration_model/rmse` under the served condition.

    Those under another one bear its name: `with_recent_traffic/course/duration_model/rmse`.
    """
    scores: Mapping[str, Mapping[str, Score]] = evaluation.scores
    metrics = {
        f"{convention}/{model}/{name}": getattr(found, name)
        for convention, models in scores.items()
        for model, found in models.items()
        for name in ("rmse", "mae", "bias")
    }
    for convention in scores:
        rmse = twins_of(evaluation, convention).set_index("model")["rmse"] if len(evaluation.others) else {}
        if MODEL in rmse:
            metrics[f"{convention}/{MODEL}/rmse_over_noise_floor"] = float(rmse[MODEL] / rmse[FLOOR])
    metrics |= {
        f"{condition}/{convention}/{MODEL}/{name}": getattr(found, name)
        for condition, models in evaluation.elsewhere.items()
        for convention, found in models.items()
        for name in ("rmse", "mae", "bias")
    }
    for condition, coverage in {"": evaluation.coverage, **evaluation.coverage_elsewhere}.items():
        if len(coverage.cells):
            metrics[f"{condition}/{HEADLINE.name}/{MODEL}/coverage_90".lstrip("/")] = coverage.share
    return metrics

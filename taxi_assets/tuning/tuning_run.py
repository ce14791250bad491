"""Runs a tuning from its config and logs it to MLflow; gives the best parameters as run config."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.registry import tracking
from taxi_assets.settings import Settings
from taxi_assets.training.training_window import training_window
from taxi_assets.tuning.tune import TuningPlan, TuningResult, tune
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["log_tuning", "run", "run_url", "training_run_config"]


def run(  # noqa: PLR0913, PLR0917
    settings: Settings,
    warehouse: Warehouse,
    mlflow: Any,
    month: Month,
    window: Sequence[Month],
    config: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> TuningResult:
    """Tunes on the window, or on the training months of `month`; each trial is a nested MLflow run.

    Args:
        settings: The project's settings.
        warehouse: The warehouse to read from.
        mlflow: The dagster-mlflow resource.
        month: The month the parameters are for; none of its trips is used.
        window: Months to train and score on; if empty, the training months of `month`.
        config: `scored_months`, `trials`, `seconds`, `space`, `start`, `estimator`, `seed`.
        defaults: Default parameters of a training.

    Raises:
        TaxiError: the config is not valid, or a month has no trips.
    """
    unknown = set(config["start"]) - set(defaults)
    if unknown:
        raise TaxiError(f"unknown training parameter {', '.join(sorted(unknown))}: choose among {', '.join(defaults)}")
    start = {name: type(defaults[name])(value) for name, value in config["start"].items()}
    plan = TuningPlan(
        months=training_window(settings, warehouse, month, window),
        scored_months=config["scored_months"],
        trials=config["trials"],
        seconds=config["seconds"],
        space=config["space"],
        fixed={**defaults, **start},
        estimator=config["estimator"],
        seed=config["seed"],
    )
    mlflow.set_tags(
        {"tuned_for_month": str(month), "window": f"{plan.months[0]}..{plan.months[-1]}" if plan.months else ""}
    )
    mlflow.log_params({"trials": plan.trials, "seconds": plan.seconds, "seed": plan.seed, "estimator": plan.estimator})
    return tune(settings, warehouse, mlflow, plan)


def training_run_config(found: TuningResult) -> dict[str, Any]:
    """The best parameters as run config of a training, to paste into Dagster's launchpad."""
    months = [str(month) for month in found.plan.months]
    config = {"months": months, **found.best, "estimator": found.plan.estimator}
    return {"ops": {"duration_model": {"config": config}}}


def run_url(settings: Settings, mlflow: Any) -> str:
    """URL of the parent run's page in MLflow's UI."""
    return tracking.run_url(settings, mlflow.mlflow_run_id)


def log_tuning(mlflow: Any, found: TuningResult, picture: bytes) -> None:
    """Logs the best parameters, the table of trials and its plot, a PNG, on the parent run."""
    mlflow.log_params({f"best_{name}": value for name, value in found.best.items()})
    mlflow.log_metric("best_rmse", float(found.trials["rmse"].min()))
    with tempfile.TemporaryDirectory() as folder:
        found.trials.to_csv(Path(folder, "trials.csv"), index=False)
        Path(folder, "trials.png").write_bytes(picture)
        mlflow.log_artifacts(folder, "tune")

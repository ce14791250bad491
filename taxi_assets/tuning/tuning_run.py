"""A tune from its config to its record in MLflow: plan, trials, table, the best as the config of a training."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.registry import tracking
from taxi_assets.settings import Settings
from taxi_assets.training.train import training_window
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
    """Search on the window, or on the months a training would learn from; each trial is a nested MLflow run.

    Args:
        settings: Where MLflow and the lake are.
        warehouse: The lake.
        mlflow: The dagster-mlflow resource.
        month: The month the parameters are for; none of its trips is seen.
        window: Months to learn from and score on; empty, those a training for `month` would learn from.
        config: `scored_months`, `trials`, `seconds`, `space`, `start`, `estimator`, `seed`.
        defaults: What a training takes unless told otherwise.

    Raises:
        TaxiError: the config cannot be carried out.
    """
    unknown = set(config["start"]) - set(defaults)
    if unknown:
        raise TaxiError(f"a training has no parameter {', '.join(sorted(unknown))}: choose among {', '.join(defaults)}")
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
    """The best parameters as run config of a training: to be pasted into Dagster's training_run_config."""
    months = [str(month) for month in found.plan.months]
    config = {"months": months, **found.best, "estimator": found.plan.estimator}
    return {"ops": {"duration_model": {"config": config}}}


def run_url(settings: Settings, mlflow: Any) -> str:
    """The parent run's page in MLflow's UI."""
    return tracking.run_url(settings, mlflow.mlflow_run_id)


def log_tuning(mlflow: Any, found: TuningResult, picture: bytes) -> None:
    """Log the best parameters, the table of trials and its picture, a PNG, on the parent run."""
    mlflow.log_params({f"best_{name}": value for name, value in found.best.items()})
    mlflow.log_metric("best_rmse", float(found.trials["rmse"].min()))
    with tempfile.TemporaryDirectory() as folder:
        found.trials.to_csv(Path(folder, "trials.csv"), index=False)
        Path(folder, "trials.png").write_bytes(picture)
        mlflow.log_artifacts(folder, "tune")

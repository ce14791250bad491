"""A search from its config to its record in MLflow: plan, trials, table, the best as the config of a training."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.registry import tracking
from taxi_assets.settings import Settings
from taxi_assets.training.train import window_before
from taxi_assets.tuning.tune import Plan, Searched, search
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["launchpad", "log_search", "run", "run_url"]


def run(  # noqa: PLR0913, PLR0917
    settings: Settings,
    warehouse: Warehouse,
    mlflow: Any,
    month: Month,
    window: Sequence[Month],
    config: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> Searched:
    """Search on the window, or on the months a training would learn from; each trial is a nested MLflow run.

    Args:
        settings: Where MLflow and the lake are.
        warehouse: The lake.
        mlflow: The dagster-mlflow resource.
        month: The month the parameters are for; none of its rides is seen.
        window: Months to learn from and score on; empty, those a training for `month` would learn from.
        config: `scored_months`, `trials`, `seconds`, `space`, `start`, `estimator`, `seed`.
        defaults: What a training takes unless told otherwise.

    Raises:
        TaxiError: the config cannot be carried out.
    """
    strange = set(config["start"]) - set(defaults)
    if strange:
        raise TaxiError(f"a training has no parameter {', '.join(sorted(strange))}: choose among {', '.join(defaults)}")
    start = {name: type(defaults[name])(value) for name, value in config["start"].items()}
    plan = Plan(
        months=window_before(settings, warehouse, month, window),
        scored_months=config["scored_months"],
        trials=config["trials"],
        seconds=config["seconds"],
        space=config["space"],
        fixed={**defaults, **start},
        estimator=config["estimator"],
        seed=config["seed"],
    )
    mlflow.set_tags({"search_for": str(month), "window": f"{plan.months[0]}..{plan.months[-1]}" if plan.months else ""})
    mlflow.log_params({"trials": plan.trials, "seconds": plan.seconds, "seed": plan.seed, "estimator": plan.estimator})
    return search(settings, warehouse, mlflow, plan)


def launchpad(found: Searched) -> dict[str, Any]:
    """The best parameters as run config of a training: to be pasted into Dagster's launchpad."""
    months = [str(month) for month in found.plan.months]
    config = {"months": months, **found.best, "estimator": found.plan.estimator}
    return {"ops": {"duration_model": {"config": config}}}


def run_url(settings: Settings, mlflow: Any) -> str:
    """The parent run's page in MLflow's UI."""
    return tracking.run_url(settings, mlflow.mlflow_run_id)


def log_search(mlflow: Any, found: Searched, picture: bytes) -> None:
    """Log the best parameters, the table of trials and its picture, a PNG, on the parent run."""
    mlflow.log_params({f"best_{name}": value for name, value in found.best.items()})
    mlflow.log_metric("best_rmse", float(found.trials["rmse"].min()))
    with tempfile.TemporaryDirectory() as folder:
        found.trials.to_csv(Path(folder, "trials.csv"), index=False)
        Path(folder, "trials.png").write_bytes(picture)
        mlflow.log_artifacts(folder, "search")

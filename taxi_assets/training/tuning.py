"""Tunes parameters within a budget: trials train on earlier months and are scored on later ones.

Months are never split at random: each of the window's last months is scored by a model of all months before it. The
parent run and its trials are logged to MLflow. Does not use Dagster.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month, not_earlier
from taxi_assets.registry import tracking
from taxi_assets.settings import Settings
from taxi_assets.training.conditions import CONDITIONS, Condition, predict
from taxi_assets.training.dataset import TRAINING_SCOPE, TrainingData, read_evaluation_trips, read_training_data
from taxi_assets.training.estimators import build_estimator
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE, TRIPS_1_TO_180_MINUTES
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    import optuna

_BOUNDS = 2


@dataclass(frozen=True)
class TimeSplit:
    """Training months, and the later month that is scored."""

    train: tuple[Month, ...]
    validation: Month


@dataclass(frozen=True)
class TuningPlan:
    """Window, budget, search space and estimator of a tuning.

    Attributes:
        months: The window, oldest first; all its months are before the month the model is for.
        scored_months: Number of its last months that are scored.
        trials: Maximum number of trials.
        seconds: No trial starts later than this after the first.
        space: Lowest and highest value of each tuned parameter; integers if both are whole.
        fixed: Values of the other parameters, and the first trial's values of the tuned ones.
        estimator: Name of the estimator.
        seed: Seed of the sampler.
    """

    months: tuple[Month, ...]
    scored_months: int
    trials: int
    seconds: float
    space: Mapping[str, Sequence[float]]
    fixed: Mapping[str, Any]
    estimator: str
    seed: int


@dataclass(frozen=True)
class TuningResult:
    """A table with a row per trial, the start parameters first, and the best parameters."""

    plan: TuningPlan
    time_splits: tuple[TimeSplit, ...]
    trials: pd.DataFrame
    best: Mapping[str, Any] = field(default_factory=dict)


def time_splits(months: Sequence[Month], scored_months: int) -> tuple[TimeSplit, ...]:
    """Splits the months: each of the last ones is scored by a model of all months before it.

    Raises:
        TaxiError: no training month is left, or the months are not sorted.
    """
    if not 0 < scored_months < len(months):
        raise TaxiError(
            f"cannot score {scored_months} of {len(months)} months with models of earlier months: "
            "give more months, or score fewer"
        )
    cuts = range(len(months) - scored_months, len(months))
    found = tuple(TimeSplit(tuple(months[:cut]), months[cut]) for cut in cuts)
    for split in found:
        late = not_earlier(split.train, split.validation)
        if late:
            raise TaxiError(
                f"{split.validation} cannot be scored by a model trained on {', '.join(map(str, late))}: "
                "sort the months"
            )
    return found


def starting_parameters(defaults: Mapping[str, Any], start: Mapping[str, float]) -> dict[str, Any]:
    """The default parameters of a training with other starting values.

    Raises:
        TaxiError: a training has no such parameter.
    """
    unknown = set(start) - set(defaults)
    if unknown:
        raise TaxiError(f"unknown training parameter {', '.join(sorted(unknown))}: choose among {', '.join(defaults)}")
    return {**defaults, **{name: type(defaults[name])(value) for name, value in start.items()}}


def tune(settings: Settings, warehouse: Warehouse, mlflow: Any, month: Month, plan: TuningPlan) -> TuningResult:
    """Runs trials until the budget is spent; each is an MLflow run nested in the resource's run.

    Args:
        settings: The project's settings.
        warehouse: The warehouse to read from.
        mlflow: The dagster-mlflow resource, on the parent run of the trials.
        month: The month the parameters are for; none of its trips is used.
        plan: Window, budget and search space.

    Raises:
        TaxiError: the plan is not valid, or a month has no trips.
    """
    import optuna

    _log_plan(mlflow, month, plan)
    chosen = time_splits(plan.months, plan.scored_months)
    _require_space(plan)
    trial_data = _TrialData(
        chosen,
        read_training_data(warehouse, settings.services, plan.months[:-1], TRAINING_SCOPE),
        {
            split.validation: read_evaluation_trips(
                warehouse, settings.services, split.validation, TRIPS_1_TO_180_MINUTES
            )
            for split in chosen
        },
        CONDITIONS[settings.served_condition],
    )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=plan.seed), pruner=pruner)
    study.enqueue_trial({name: plan.fixed[name] for name in plan.space if name in plan.fixed})

    def objective(trial: "optuna.Trial") -> float:
        parameters = {**plan.fixed, **_suggest(trial, plan.space)}
        tags = {"tuning_dagster_run_id": mlflow.dagster_run_id, "trial": str(trial.number)}
        with tracking.child_run(settings, mlflow.mlflow_run_id, f"trial {trial.number}", tags) as run:
            run.log_params({**parameters, "estimator": plan.estimator})
            return _run_trial(trial, run, trial_data, plan.estimator, parameters)

    study.optimize(objective, n_trials=plan.trials, timeout=plan.seconds)
    return TuningResult(plan, chosen, _table(study), {**plan.fixed, **study.best_params})


def training_run_config(found: TuningResult) -> dict[str, Any]:
    """The best parameters as run config of a training, to paste into Dagster's launchpad."""
    months = [str(month) for month in found.plan.months]
    config = {"months": months, **found.best, "estimator": found.plan.estimator}
    return {"ops": {"duration_model": {"config": config}}}


def log_tuning(mlflow: Any, found: TuningResult, picture: bytes) -> None:
    """Logs the best parameters, the table of trials and its plot, a PNG, on the parent run."""
    mlflow.log_params({f"best_{name}": value for name, value in found.best.items()})
    mlflow.log_metric("best_rmse", float(found.trials["rmse"].min()))
    with tempfile.TemporaryDirectory() as folder:
        found.trials.to_csv(Path(folder, "trials.csv"), index=False)
        Path(folder, "trials.png").write_bytes(picture)
        mlflow.log_artifacts(folder, "tune")


@dataclass(frozen=True)
class _TrialData:
    """The data of all trials, read once."""

    time_splits: tuple[TimeSplit, ...]
    data: TrainingData
    validation: Mapping[Month, pd.DataFrame]
    condition: Condition

    def errors(self, estimator: str, parameters: Mapping[str, Any]) -> Iterator[tuple[TimeSplit, float]]:
        """Yields each split with the RMSE of a model trained on its months."""
        from sklearn.metrics import root_mean_squared_error

        month = self.data.trips["pickup_at"].to_numpy().astype("datetime64[M]")
        for split in self.time_splits:
            own = np.isin(month, np.array([str(each) for each in split.train], "datetime64[M]"))
            trips, validation_trips = self.data.trips[own], self.validation[split.validation]
            model = build_estimator(estimator, self.data.zones, parameters).fit(
                trips, trips["duration_minutes"].to_numpy()
            )
            predicted = predict(model, validation_trips, self.condition).minutes
            actual = validation_trips["duration_minutes"].to_numpy(np.float64)
            own = PRIMARY_SCOPE.contains(actual)
            yield split, float(root_mean_squared_error(actual[own], predicted[own]))


def _log_plan(mlflow: Any, month: Month, plan: TuningPlan) -> None:
    window = f"{plan.months[0]}..{plan.months[-1]}" if plan.months else ""
    mlflow.set_tags({"tuned_for_month": str(month), "window": window})
    mlflow.log_params({"trials": plan.trials, "seconds": plan.seconds, "seed": plan.seed, "estimator": plan.estimator})


def _run_trial(
    trial: "optuna.Trial",
    run: tracking.ChildRun,
    trial_data: _TrialData,
    estimator: str,
    parameters: Mapping[str, Any],
) -> float:
    import optuna

    errors: list[float] = []
    for step, (split, rmse) in enumerate(trial_data.errors(estimator, parameters)):
        errors.append(rmse)
        run.log_metrics({f"rmse_{split.validation}": rmse, "rmse": float(np.mean(errors))})
        trial.set_user_attr(f"rmse_{split.validation}", rmse)
        trial.report(float(np.mean(errors)), step)
        if step + 1 < len(trial_data.time_splits) and trial.should_prune():
            run.set_tag("pruned", "true")
            raise optuna.TrialPruned
    return float(np.mean(errors))


def _require_space(plan: TuningPlan) -> None:
    for name, bounds in plan.space.items():
        if name not in plan.fixed or isinstance(plan.fixed[name], str | bool):
            known = [key for key, value in plan.fixed.items() if not isinstance(value, str | bool)]
            raise TaxiError(f"'{name}' cannot be tuned: choose among {', '.join(known)}")
        if len(bounds) != _BOUNDS or not 0 <= bounds[0] <= bounds[1]:
            raise TaxiError(f"the space of '{name}' is {list(bounds)}: give its lowest and its highest value")
    if plan.trials < 1 or plan.seconds <= 0:
        raise TaxiError(f"a budget of {plan.trials} trials in {plan.seconds:g} seconds runs no trial: give more")


def _suggest(trial: "optuna.Trial", space: Mapping[str, Sequence[float]]) -> dict[str, float | int]:
    """Suggests a value per parameter, on a log scale if the highest is over ten times the lowest."""
    found: dict[str, float | int] = {}
    for name, (low, high) in space.items():
        wide = 0 < 10 * low < high
        if all(float(bound).is_integer() for bound in (low, high)) and high > 1:
            found[name] = trial.suggest_int(name, int(low), int(high), log=wide)
        else:
            found[name] = trial.suggest_float(name, low, high, log=wide)
    return found


def _table(study: "optuna.Study") -> pd.DataFrame:
    """A row per trial: `trial`, `state`, `rmse` (NaN if pruned), `seconds`, RMSE by month, parameters."""
    rows = [
        {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "rmse": trial.value if trial.value is not None else np.nan,
            "seconds": round(trial.duration.total_seconds(), 1) if trial.duration else np.nan,
            **trial.user_attrs,
            **trial.params,
        }
        for trial in study.trials
    ]
    return pd.DataFrame(rows)

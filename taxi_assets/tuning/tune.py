"""Looks for parameters within a budget: each trial learns from earlier months and is scored on later ones. No Dagster.

Months are never split at random. The window's last months are each scored by a model of all months before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.conditions import CONDITIONS, Condition
from taxi_assets.evaluation.metrics import score
from taxi_assets.evaluation.predict import predict
from taxi_assets.features.leakage_probes import out_of_order
from taxi_assets.months import Month
from taxi_assets.registry import tracking
from taxi_assets.settings import Settings
from taxi_assets.training.dataset import TRAINING_SCOPE, TrainingData, read_scored, read_training
from taxi_assets.training.estimators import build
from taxi_assets.training.evaluation_scope import ALL_RIDES, HEADLINE
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    import optuna

__all__ = ["Fold", "Plan", "Searched", "folds", "search"]

_BOUNDS = 2


@dataclass(frozen=True)
class Fold:
    """Months to learn from, and the later month that is scored."""

    learned: tuple[Month, ...]
    scored: Month


@dataclass(frozen=True)
class Plan:
    """What is tried, on which months, for how long.

    Attributes:
        months: The window, oldest first; all of it lies before the month the model is for.
        scored_months: How many of its last months are scored.
        trials: So many trials at most.
        seconds: No trial begins later than this after the first.
        space: Lowest and highest value of each parameter that is varied; whole numbers where both are.
        fixed: The other parameters, and what the first trial takes of those that are varied.
        estimator: Name of the way to learn.
        seed: Of the sampler.
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
class Searched:
    """What came of it: a row for each trial, the first being the parameters searched from, and the best ones."""

    plan: Plan
    folds: tuple[Fold, ...]
    trials: pd.DataFrame
    best: Mapping[str, Any] = field(default_factory=dict)


def folds(months: Sequence[Month], scored_months: int) -> tuple[Fold, ...]:
    """The last months, each with all before it to learn from.

    Raises:
        TaxiError: no month is left to learn from.
    """
    if not 0 < scored_months < len(months):
        raise TaxiError(
            f"{scored_months} of {len(months)} months cannot be scored by models of those before: "
            "name more months, or score fewer"
        )
    cuts = range(len(months) - scored_months, len(months))
    found = tuple(Fold(tuple(months[:cut]), months[cut]) for cut in cuts)
    for fold in found:
        late = out_of_order(fold.learned, fold.scored)
        if late:
            raise TaxiError(
                f"{fold.scored} cannot be scored by a model of {', '.join(map(str, late))}: sort the months"
            )
    return found


def search(settings: Settings, warehouse: Warehouse, mlflow: Any, plan: Plan) -> Searched:
    """Try parameters until the budget is spent; each trial is an MLflow run below the resource's own.

    Args:
        settings: Where MLflow and the lake are.
        warehouse: The lake.
        mlflow: The dagster-mlflow resource, on the run that is the trials' parent.
        plan: What is tried.

    Raises:
        TaxiError: the plan cannot be carried out.
    """
    import optuna

    chosen = folds(plan.months, plan.scored_months)
    _require_space(plan)
    grounds = _Grounds(
        chosen,
        read_training(warehouse, settings.services, plan.months[:-1], TRAINING_SCOPE),
        {fold.scored: read_scored(warehouse, settings.services, fold.scored, ALL_RIDES) for fold in chosen},
        CONDITIONS[settings.served_condition],
    )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=plan.seed), pruner=pruner)
    study.enqueue_trial({name: plan.fixed[name] for name in plan.space if name in plan.fixed})

    def objective(trial: "optuna.Trial") -> float:
        parameters = {**plan.fixed, **_suggest(trial, plan.space)}
        tags = {"search_of_dagster_run": mlflow.dagster_run_id, "trial": str(trial.number)}
        with tracking.child_run(settings, mlflow.mlflow_run_id, f"trial {trial.number}", tags) as run:
            run.log_params({**parameters, "estimator": plan.estimator})
            return _try(trial, run, grounds, plan.estimator, parameters)

    study.optimize(objective, n_trials=plan.trials, timeout=plan.seconds)
    return Searched(plan, chosen, _table(study), {**plan.fixed, **study.best_params})


@dataclass(frozen=True)
class _Grounds:
    """What every trial is tried on: read once."""

    folds: tuple[Fold, ...]
    data: TrainingData
    scored: Mapping[Month, pd.DataFrame]
    condition: Condition

    def errors(self, estimator: str, parameters: Mapping[str, Any]) -> Iterator[tuple[Fold, float]]:
        """The RMSE on each scored month of a model of the months before it."""
        month = self.data.trips["pickup_at"].to_numpy().astype("datetime64[M]")
        for fold in self.folds:
            own = np.isin(month, np.array([str(each) for each in fold.learned], "datetime64[M]"))
            rides, asked = self.data.trips[own], self.scored[fold.scored]
            model = build(estimator, self.data.zones, parameters).fit(rides, rides["duration_minutes"].to_numpy())
            predicted, actual = predict(model, asked, self.condition), asked["duration_minutes"].to_numpy(np.float64)
            own = HEADLINE.covers(actual)
            yield fold, score(actual[own], predicted.minutes[own]).rmse


def _try(
    trial: "optuna.Trial",
    run: tracking.ChildRun,
    grounds: _Grounds,
    estimator: str,
    parameters: Mapping[str, Any],
) -> float:
    import optuna

    errors: list[float] = []
    for step, (fold, rmse) in enumerate(grounds.errors(estimator, parameters)):
        errors.append(rmse)
        run.log_metrics({f"rmse_{fold.scored}": rmse, "rmse": float(np.mean(errors))})
        trial.set_user_attr(f"rmse_{fold.scored}", rmse)
        trial.report(float(np.mean(errors)), step)
        if step + 1 < len(grounds.folds) and trial.should_prune():
            run.set_tag("pruned", "true")
            raise optuna.TrialPruned
    return float(np.mean(errors))


def _require_space(plan: Plan) -> None:
    for name, bounds in plan.space.items():
        if name not in plan.fixed or isinstance(plan.fixed[name], str | bool):
            known = [key for key, value in plan.fixed.items() if not isinstance(value, str | bool)]
            raise TaxiError(f"'{name}' cannot be searched: choose among {', '.join(known)}")
        if len(bounds) != _BOUNDS or not 0 <= bounds[0] <= bounds[1]:
            raise TaxiError(f"the space of '{name}' is {list(bounds)}: give its lowest and its highest value")
    if plan.trials < 1 or plan.seconds <= 0:
        raise TaxiError(f"a budget of {plan.trials} trials in {plan.seconds:g} seconds tries nothing: give more")


def _suggest(trial: "optuna.Trial", space: Mapping[str, Sequence[float]]) -> dict[str, float | int]:
    """A value for each parameter: drawn on a logarithmic scale where the highest is over ten times the lowest."""
    found: dict[str, float | int] = {}
    for name, (low, high) in space.items():
        wide = 0 < 10 * low < high
        if all(float(bound).is_integer() for bound in (low, high)) and high > 1:
            found[name] = trial.suggest_int(name, int(low), int(high), log=wide)
        else:
            found[name] = trial.suggest_float(name, low, high, log=wide)
    return found


def _table(study: "optuna.Study") -> pd.DataFrame:
    """A row for each trial: `trial`, `state`, `rmse` (NaN where it was cut short), errors by month, parameters."""
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

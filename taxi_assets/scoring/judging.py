"""Scores a registered version on a month it never saw, beside the baselines, and keeps what was found. No Dagster."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from taxi_assets.errors import TaxiError
from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.learning.training_data import read_scored, read_training, read_zones
from taxi_assets.mlflow_store import registry
from taxi_assets.mlflow_store.registry import Version
from taxi_assets.months import Month
from taxi_assets.rides.features import MODEL_INPUTS
from taxi_assets.scoring.baselines import fit_baselines
from taxi_assets.scoring.evaluation import (
    CONVENTIONS,
    DAY,
    Convention,
    Gain,
    Score,
    day_of,
    gain,
    score,
    score_slices,
    slice_trips,
)
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from taxi_assets.learning.model import DurationModel

__all__ = [
    "MODEL",
    "Evaluation",
    "evaluate",
    "keep_evaluation",
    "log_evaluation",
    "services_of",
    "version_for",
    "window_of",
]

MODEL = "duration_model"
_WORTH_AGAINST = "zone_pair_hour_median"

Scores = dict[str, dict[str, Score]]


@dataclass(frozen=True)
class Evaluation:
    """One version on one month: scores by convention and model; the rides of the last convention and their slices.

    `slices` are of the version, `days` of every model, by its name in the column `model`. `rides` has a column of
    predictions for the model and for each baseline, under their names.
    """

    version: Version
    month: Month
    scores: Scores
    rides: pd.DataFrame
    slices: pd.DataFrame
    days: pd.DataFrame
    worth: Gain

    @property
    def beats_baselines(self) -> bool:
        """Under every convention, by RMSE."""
        return all(
            models[MODEL].rmse < other.rmse
            for models in self.scores.values()
            for name, other in models.items()
            if name != MODEL
        )

    @property
    def is_unseen(self) -> bool:
        """The version learned from months before this one only."""
        return all(month < self.month for month in window_of(self.version))


def version_for(settings: Settings, month: Month) -> Version:
    """The version that the month's training came to, which may be an older one it found again.

    Raises:
        TaxiError: there is none.
    """
    version = registry.chosen_for(settings, month)
    if version is None:
        raise TaxiError(f"no model was trained for {month}: materialise duration_model of that month first")
    return version


def window_of(version: Version) -> tuple[Month, ...]:
    """The months a version learned from."""
    return tuple(Month.parse(text) for text in version.tags["months"].split(","))


def services_of(version: Version) -> tuple[str, ...]:
    """The services a version answers for."""
    return tuple(version.tags["services"].split(","))


def evaluate(settings: Settings, warehouse: Warehouse, month: Month) -> Evaluation:
    """Score the month's version and the baselines on the same rides, under every convention.

    Raises:
        TaxiError: no version was trained for the month, or the month has no rides.
    """
    version = version_for(settings, month)
    model, services = registry.load_sklearn(settings, version), services_of(version)
    scores: Scores = {}
    for convention in CONVENTIONS.values():
        rides = _predict(warehouse, model, version, services, month, convention)
        actual = rides["duration_minutes"].to_numpy()
        names = [MODEL, *rides.attrs["baselines"]]
        scores[convention.name] = {name: score(actual, rides[name].to_numpy()) for name in names}
    predicted = rides[MODEL].to_numpy()
    slices = score_slices(rides, predicted, slice_trips(rides, read_zones(warehouse)))
    worth = gain(actual, predicted, rides[_WORTH_AGAINST].to_numpy())
    return Evaluation(version, month, scores, rides, slices, _score_days(rides, names), worth)


def _score_days(rides: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Errors of every model by day of the pickup: from these the promotion tells luck from merit."""
    day = pd.DataFrame({DAY: day_of(rides)})
    tables = [score_slices(rides, rides[name].to_numpy(), day).assign(model=name) for name in models]
    return pd.concat(tables, ignore_index=True)


def _predict(
    warehouse: Warehouse,
    model: "DurationModel",
    version: Version,
    services: Sequence[str],
    month: Month,
    convention: Convention,
) -> pd.DataFrame:
    baselines = fit_baselines(read_training(warehouse, services, window_of(version), convention).trips)
    rides = read_scored(warehouse, services, month, convention)
    rides[MODEL] = model.predict(rides[list(MODEL_INPUTS)])
    for name, baseline in baselines.items():
        rides[name] = baseline.predict(rides)
    rides.attrs["baselines"] = list(baselines)
    return rides


def keep_evaluation(warehouse: Warehouse, evaluation: Evaluation, run_id: str | None = None) -> int:
    """Replace the rows of this version and month in `evaluations`; returns how many there are now."""
    version, day = evaluation.version.version, evaluation.month.first_day
    overall = [
        {"convention": convention, "model": model, "slice": "overall", "value": "all", **vars(found)}
        for convention, models in evaluation.scores.items()
        for model, found in models.items()
    ]
    sliced = pd.concat([evaluation.slices.assign(model=MODEL), evaluation.days], ignore_index=True)
    sliced["convention"] = list(evaluation.scores)[-1]
    rows = pd.concat([pd.DataFrame(overall), sliced], ignore_index=True).assign(month=day, model_version=version)
    with warehouse.publishing(f"evaluations {evaluation.month} version {version}", run_id) as connection:
        connection.execute("DELETE FROM evaluations WHERE month = ? AND model_version = ?", [day, version])
        connection.register("rows", rows)
        connection.execute("INSERT INTO evaluations BY NAME SELECT * FROM rows")
    return len(rows)


def log_evaluation(mlflow: Any, evaluation: Evaluation) -> dict[str, bytes]:
    """Log scores and plots on the resource's MLflow run and the version's own, where another one trained it.

    Returns:
        The plots as PNG, by name.
    """
    pictures = _pictures(evaluation)
    mlflow.set_tags({"evaluated_version": evaluation.version.version, "scored_month": str(evaluation.month)})
    with tempfile.TemporaryDirectory() as folder:
        for name, png in pictures.items():
            Path(folder, f"{name}.png").write_bytes(png)
        evaluation.slices.to_csv(Path(folder, "errors_by_slice.csv"), index=False)
        for run_id in {mlflow.mlflow_run_id, evaluation.version.run_id}:
            mlflow.log_metrics(_metrics(evaluation.scores), run_id=run_id)
            mlflow.log_artifacts(folder, "evaluation", run_id=run_id)
    return pictures


def _pictures(evaluation: Evaluation) -> dict[str, bytes]:
    from taxi_assets import plots

    rides, convention = evaluation.rides, list(CONVENTIONS.values())[-1]
    actual, predicted = rides["duration_minutes"].to_numpy(), rides[MODEL].to_numpy()
    return {
        "model_against_baselines": plots.draw_scores(
            evaluation.scores["course"], MODEL, str(evaluation.month), CONVENTIONS["course"]
        ),
        f"predicted_and_actual_{convention.name}": plots.draw_predictions(actual, predicted),
        "errors_by_hour": plots.draw_hourly_errors(rides, predicted),
        "errors_by_borough": plots.draw_slice(evaluation.slices, "pickup_borough"),
        "residuals": plots.draw_residuals(actual, predicted),
    }


def _metrics(scores: Mapping[str, Mapping[str, Score]]) -> dict[str, float]:
    """The scores under names MLflow can hold: `course/duration_model/rmse`."""
    return {
        f"{convention}/{model}/{name}": getattr(found, name)
        for convention, models in scores.items()
        for model, found in models.items()
        for name in ("rmse", "mae", "bias")
    }

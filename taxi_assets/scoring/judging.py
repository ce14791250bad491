"""Scores a registered version on a month it never saw, beside the baselines. No Dagster."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from taxi_assets.errors import TaxiError
from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.learning.training_data import read_scored, read_training, read_zones
from taxi_assets.mlflow_store import registry
from taxi_assets.mlflow_store.registry import Version
from taxi_assets.months import Month
from taxi_assets.rides.features import MODEL_INPUTS
from taxi_assets.rides.leak_guards import left_out as count_left_out
from taxi_assets.rides.leak_guards import out_of_order
from taxi_assets.scoring.baselines import fit_baselines
from taxi_assets.scoring.coverage import Coverage, measure_coverage
from taxi_assets.scoring.diagnosis import calibration_bands, measure_importance, score_twins, score_zones
from taxi_assets.scoring.evaluation import (
    ALL_RIDES,
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
from taxi_assets.scoring.predicting import told_now
from taxi_assets.settings import Settings

__all__ = ["CALIBRATION", "MODEL", "Evaluation", "evaluate", "rescore", "services_of", "version_for", "window_of"]

MODEL = "duration_model"
CALIBRATION = "predicted_minutes"
_WORTH_AGAINST = "zone_pair_hour_median"

Scores = dict[str, dict[str, Score]]


@dataclass(frozen=True)
class Evaluation:
    """One version on one month: scores by convention and model; the rides of the last convention and their slices.

    Attributes:
        version: The version scored.
        month: Whose rides.
        snapshot: The lake's snapshot they were read from.
        scores: By convention, then by model.
        rides: With a column of predictions for the model and each baseline, under their names.
        slices: Errors of the version by slice.
        others: More rows of `evaluations`, each saying of which model, convention and slice it is.
        zones: Errors of the version by pickup zone.
        importance: What each input is worth to it.
        worth: What it is worth to a rider against the rule of thumb.
        left_out: Rides of the conventions that were not scored, and rides scored beyond them.
        coverage: How many rides ended inside their interval.
    """

    version: Version
    month: Month
    snapshot: int
    scores: Scores
    rides: pd.DataFrame
    slices: pd.DataFrame
    others: pd.DataFrame
    zones: pd.DataFrame
    importance: pd.DataFrame
    worth: Gain
    left_out: int
    coverage: Coverage

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
        return not out_of_order(window_of(self.version), self.month)


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
    version, snapshot = version_for(settings, month), warehouse.snapshot()
    model = registry.load_sklearn(settings, version)
    scores: Scores = {}
    others = []
    left_out = 0
    told = _predict(warehouse, model, services_of(version), month)
    for convention in CONVENTIONS.values():
        rides = _beside_baselines(warehouse, version, convention.admitted(told), convention)
        predicted = {name: rides[name].to_numpy() for name in [MODEL, *rides.attrs["baselines"]]}
        actual = rides["duration_minutes"].to_numpy()
        scores[convention.name] = {name: score(actual, minutes) for name, minutes in predicted.items()}
        others.append(score_twins(rides, predicted).assign(convention=convention.name))
        admitted = _count_admitted(warehouse, services_of(version), month, convention)
        left_out += abs(count_left_out(len(rides), admitted))
    days = _score_days(rides, list(predicted)).assign(convention=convention.name)
    return Evaluation(
        version=version,
        month=month,
        snapshot=snapshot,
        scores=scores,
        rides=rides,
        slices=_score_slices(rides, read_zones(warehouse)),
        others=pd.concat([*others, days], ignore_index=True),
        zones=score_zones(rides, predicted[MODEL]),
        importance=measure_importance(model.predict, rides, _inputs(rides)),
        worth=gain(actual, predicted[MODEL], predicted[_WORTH_AGAINST]),
        left_out=left_out,
        coverage=measure_coverage(model, rides, read_zones(warehouse)),
    )


def rescore(warehouse: Warehouse, model: Any, services: Sequence[str], month: Month) -> dict[str, Score]:
    """A fitted model's scores on the month by convention, and nothing else: what a rebuilt version is compared by."""
    told = _predict(warehouse, model, services, month)
    admitted = {convention.name: convention.admitted(told) for convention in CONVENTIONS.values()}
    return {
        name: score(rides["duration_minutes"].to_numpy(np.float64), rides[MODEL].to_numpy())
        for name, rides in admitted.items()
    }


def _count_admitted(warehouse: Warehouse, services: Sequence[str], month: Month, convention: Convention) -> int:
    """How many raw rides of the month the convention admits, counted apart from the query that reads them."""
    with warehouse.reading() as connection:
        return int(
            connection.execute(
                "SELECT count(*) FROM raw_trips WHERE service IN (SELECT unnest(?)) AND month = ? "
                "AND elapsed_seconds(pickup_at, dropoff_at) BETWEEN ? AND ? "
                "AND pickup_zone_id BETWEEN 1 AND 265 AND dropoff_zone_id BETWEEN 1 AND 265",
                [
                    list(services),
                    month.first_day,
                    60 * convention.shortest_minutes,
                    60 * convention.longest_minutes,
                ],
            ).fetchall()[0][0]
        )


def _predict(warehouse: Warehouse, model: Any, services: Sequence[str], month: Month) -> pd.DataFrame:
    """Every plausible ride of the month with the model's minutes; what is known of now is told by all of them."""
    rides = told_now(model, read_scored(warehouse, services, month, ALL_RIDES))
    rides[MODEL] = np.asarray(model.predict(rides), np.float64)
    return rides


def _beside_baselines(
    warehouse: Warehouse, version: Version, rides: pd.DataFrame, convention: Convention
) -> pd.DataFrame:
    """The rides with the minutes of each baseline that learned from the version's window."""
    data = read_training(warehouse, services_of(version), window_of(version), convention)
    baselines = fit_baselines(data.trips)
    rides = rides.assign(**{name: baseline.predict(rides) for name, baseline in baselines.items()})
    rides.attrs["baselines"] = list(baselines)
    return rides


def _score_slices(rides: pd.DataFrame, zones: pd.DataFrame) -> pd.DataFrame:
    predicted = rides[MODEL].to_numpy()
    slices = slice_trips(rides, zones).assign(**{CALIBRATION: calibration_bands(predicted)})
    return score_slices(rides, predicted, slices)


def _score_days(rides: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Errors of every model by day of the pickup: from these the promotion tells luck from merit."""
    day = pd.DataFrame({DAY: day_of(rides)})
    tables = [score_slices(rides, rides[name].to_numpy(), day).assign(model=name) for name in models]
    return pd.concat(tables, ignore_index=True)


def _inputs(rides: pd.DataFrame) -> list[str]:
    """The columns a model may look at: the inputs, and what was told of the streets; not keys, not answers."""
    asked = [*MODEL_INPUTS, *(name for name in rides if str(name).endswith("_ratio"))]
    alone = {"passenger_count", "vendor_steady_minutes"}
    return [*asked, *(str(name) for name in rides if name in alone)]

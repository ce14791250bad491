"""Scores a registered version on a month it never saw, beside the baselines. No Dagster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.baselines import BASELINES
from taxi_assets.evaluation.conditions import CONDITIONS, Condition
from taxi_assets.evaluation.coverage import Coverage, measure_coverage
from taxi_assets.evaluation.diagnostics import calibration_bands, measure_importance, score_twins, score_zones
from taxi_assets.evaluation.metrics import DAY, Gain, Score, day_of, gain, score_slices, slice_trips
from taxi_assets.evaluation.month_scores import MODEL, PredictedMonth, ScoredMonth, predict_month, score_month
from taxi_assets.features.leakage_probes import left_out as count_left_out
from taxi_assets.features.leakage_probes import out_of_order
from taxi_assets.features.trip_features import MODEL_INPUTS
from taxi_assets.months import Month
from taxi_assets.registry import model_versions
from taxi_assets.registry.deleted_runs import require_run
from taxi_assets.registry.model_versions import Version
from taxi_assets.settings import Settings
from taxi_assets.training.dataset import read_zones
from taxi_assets.training.evaluation_scope import CONVENTIONS, HEADLINE, Convention
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["CALIBRATION", "MODEL", "Evaluation", "evaluate", "rescore", "services_of", "version_for", "window_of"]

CALIBRATION = "predicted_minutes"
_WORTH_AGAINST = "zone_pair_hour_median"

Scores = dict[str, dict[str, Score]]


@dataclass(frozen=True)
class Evaluation:
    """One version on one month: scores by convention and model; the rides of the headline and their slices.

    Attributes:
        version: The version scored.
        month: Whose rides.
        snapshot: The lake's snapshot they were read from.
        condition: The served condition: all but `elsewhere` is of predictions under it.
        scores: By convention, then by model.
        elsewhere: The version's scores under each other condition, by condition, then by convention.
        rides: With a column of predictions for the model and each baseline, under their names.
        slices: Errors of the version by slice.
        others: More rows of `evaluations`, each saying of which model, convention and slice it is.
        zones: Errors of the version by pickup zone.
        importance: What each input is worth to it.
        worth: What it is worth to a rider against the rule of thumb.
        left_out: Rides of the conventions that were not scored, and rides scored beyond them.
        coverage: How many rides ended inside their interval.
        coverage_elsewhere: The same under each other condition.
    """

    version: Version
    month: Month
    snapshot: int
    condition: Condition
    scores: Scores
    elsewhere: Scores
    rides: pd.DataFrame
    slices: pd.DataFrame
    others: pd.DataFrame
    zones: pd.DataFrame
    importance: pd.DataFrame
    worth: Gain
    left_out: int
    coverage: Coverage
    coverage_elsewhere: Mapping[str, Coverage]

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
        TaxiError: there is none, or its MLflow run was deleted.
    """
    version = model_versions.chosen_for(settings, month)
    if version is None:
        raise TaxiError(f"no model was trained for {month}: materialise duration_model of that month first")
    require_run(settings, version.version, version.run_id)
    return version


def window_of(version: Version) -> tuple[Month, ...]:
    """The months a version learned from."""
    return tuple(Month.parse(text) for text in version.tags["months"].split(","))


def services_of(version: Version) -> tuple[str, ...]:
    """The services a version answers for."""
    return tuple(version.tags["services"].split(","))


def evaluate(settings: Settings, warehouse: Warehouse, month: Month) -> Evaluation:
    """Score the month's version and the baselines on the same rides, under every convention and condition.

    Raises:
        TaxiError: no version was trained for the month, or the month has no rides.
    """
    version, snapshot = version_for(settings, month), warehouse.snapshot()
    model, services = model_versions.load_sklearn(settings, version), services_of(version)
    scored = score_month(warehouse, model, services, window_of(version), month, settings.served_condition)
    predicted, zones = scored.predicted, read_zones(warehouse)
    rides = _beside_baselines(scored, HEADLINE)
    actual = rides["duration_minutes"].to_numpy()
    coverage = {name: _coverage(predicted, name, zones) for name in predicted.predictions}
    return Evaluation(
        version=version,
        month=month,
        snapshot=snapshot,
        condition=predicted.served,
        scores={name: scored.scores(each) for name, each in CONVENTIONS.items()},
        elsewhere=_scores_elsewhere(predicted),
        rides=rides,
        slices=_score_slices(rides, zones),
        others=pd.concat([_other_rows(scored, each) for each in CONVENTIONS.values()], ignore_index=True),
        zones=score_zones(rides, rides[MODEL].to_numpy()),
        importance=measure_importance(model.predict, HEADLINE.admitted(predicted.known), _inputs(predicted.known)),
        worth=gain(actual, rides[MODEL].to_numpy(), rides[_WORTH_AGAINST].to_numpy()),
        left_out=sum(_count_left_out(warehouse, services, month, predicted, each) for each in CONVENTIONS.values()),
        coverage=coverage.pop(predicted.served.name),
        coverage_elsewhere=coverage,
    )


def rescore(
    warehouse: Warehouse, model: Any, services: Sequence[str], month: Month, condition: str
) -> dict[str, Score]:
    """A fitted model's scores on the month by convention, and nothing else: what a rebuilt version is compared by."""
    predicted = predict_month(warehouse, model, services, month, condition)
    return {name: predicted.score(convention, condition) for name, convention in CONVENTIONS.items()}


def _scores_elsewhere(predicted: PredictedMonth) -> Scores:
    others = [name for name in CONDITIONS if name != predicted.served.name]
    return {
        condition: {name: predicted.score(convention, condition) for name, convention in CONVENTIONS.items()}
        for condition in others
    }


def _beside_baselines(scored: ScoredMonth, convention: Convention) -> pd.DataFrame:
    """The rides the convention admits, with the minutes of the model and of each baseline."""
    return convention.admitted(scored.predicted.trips).assign(**scored.minutes(convention))


def _other_rows(scored: ScoredMonth, convention: Convention) -> pd.DataFrame:
    """Rides with a twin beside the noise floor, and every model by day: from these promotion tells luck from merit."""
    rides = _beside_baselines(scored, convention)
    minutes = {name: rides[name].to_numpy() for name in (MODEL, *BASELINES)}
    day = pd.DataFrame({DAY: day_of(rides)})
    days = [score_slices(rides, each, day).assign(model=name) for name, each in minutes.items()]
    return pd.concat([score_twins(rides, minutes), *days], ignore_index=True).assign(convention=convention.name)


def _coverage(predicted: PredictedMonth, condition: str, zones: pd.DataFrame) -> Coverage:
    own = HEADLINE.covers(predicted.actual)
    return measure_coverage(predicted.predictions[condition].subset(own), predicted.trips[own], zones)


def _count_left_out(
    warehouse: Warehouse, services: Sequence[str], month: Month, predicted: PredictedMonth, convention: Convention
) -> int:
    scored = int(convention.covers(predicted.actual).sum())
    return abs(count_left_out(scored, _count_admitted(warehouse, services, month, convention)))


def _count_admitted(warehouse: Warehouse, services: Sequence[str], month: Month, convention: Convention) -> int:
    """How many raw rides of the month the convention admits, counted apart from the query that reads them."""
    with warehouse.reading() as connection:
        return int(
            connection.execute(
                "SELECT count(*) FROM raw_trips WHERE service IN (SELECT unnest(?)) AND month = ? "
                "AND date_trunc('month', pickup_at) = month "
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


def _score_slices(rides: pd.DataFrame, zones: pd.DataFrame) -> pd.DataFrame:
    predicted = rides[MODEL].to_numpy()
    slices = slice_trips(rides, zones).assign(**{CALIBRATION: calibration_bands(predicted)})
    return score_slices(rides, predicted, slices)


def _inputs(rides: pd.DataFrame) -> list[str]:
    """The columns a model may look at: the inputs, and what was told of the streets; not keys, not answers."""
    asked = [*MODEL_INPUTS, *(name for name in rides if str(name).endswith("_ratio"))]
    alone = {"passenger_count", "vendor_steady_minutes"}
    return [*asked, *(str(name) for name in rides if name in alone)]

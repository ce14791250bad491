"""Scores a registered version on an unseen month, beside the baselines. Imports no Dagster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.baselines import BASELINES
from taxi_assets.evaluation.coverage import Coverage, measure_coverage
from taxi_assets.evaluation.diagnostics import (
    calibration_bands,
    permutation_importance,
    score_matched_pairs,
    score_zones,
)
from taxi_assets.evaluation.metrics import (
    DAY,
    MODEL,
    Score,
    Uplift,
    day_of,
    score_slices,
    slice_trips,
    uplift_over_baseline,
)
from taxi_assets.evaluation.month_scores import PredictedMonth, ScoredMonth, predict_month, score_month
from taxi_assets.features.feature_names import MODEL_INPUTS
from taxi_assets.months import Month, not_earlier
from taxi_assets.registry import model_versions
from taxi_assets.registry.deleted_runs import require_run
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings
from taxi_assets.training.conditions import CONDITIONS, Condition
from taxi_assets.training.dataset import read_zones
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES, PRIMARY_SCOPE, EvaluationScope
from taxi_assets.warehouse.connection import Warehouse

CALIBRATION = "predicted_minutes"
_UPLIFT_BASELINE = "zone_pair_hour_median"

Scores = dict[str, dict[str, Score]]


@dataclass(frozen=True)
class Evaluation:
    """Scores and diagnostics of one version on one month.

    Attributes:
        version: The scored version.
        month: The month of the trips.
        snapshot: The warehouse snapshot the trips were read from.
        condition: The served condition; it applies to every attribute but those named `other_condition_...`.
        scores: Scores by scope, then by model.
        other_condition_scores: The version's scores by other condition, then as in `scores`.
        trips: Trips of the primary scope, with a column of predictions for the model and for each baseline.
        slices: Errors of the version by slice.
        extra_rows: More rows of `evaluations`, with their model, scope and slice.
        zones: Errors of the version by pickup zone.
        importance: Permutation importance of each input.
        uplift_over_baseline: Gain over the zone-pair-hour median.
        unscored_trips: Number of trips by which the scored trips differ from those counted in SQL.
        coverage: Coverage of the intervals.
        other_condition_coverage: Coverage by other condition.
    """

    version: Version
    month: Month
    snapshot: int
    condition: Condition
    scores: Scores
    other_condition_scores: Mapping[str, Scores]
    trips: pd.DataFrame
    slices: pd.DataFrame
    extra_rows: pd.DataFrame
    zones: pd.DataFrame
    importance: pd.DataFrame
    uplift_over_baseline: Uplift
    unscored_trips: int
    coverage: Coverage
    other_condition_coverage: Mapping[str, Coverage]

    @property
    def all_scores(self) -> list[tuple[str, str, str, Score]]:
        """Every score with its condition, scope and model; the served condition first."""
        return [
            (condition, scope, model, found)
            for condition, scores in {self.condition.name: self.scores, **self.other_condition_scores}.items()
            for scope, models in scores.items()
            for model, found in models.items()
        ]

    @property
    def beats_baselines(self) -> bool:
        """True if the version's RMSE is below every baseline's in every scope."""
        return all(
            models[MODEL].rmse < other.rmse
            for models in self.scores.values()
            for name, other in models.items()
            if name != MODEL
        )

    @property
    def is_unseen(self) -> bool:
        """True if the version was trained only on months before this one."""
        return not not_earlier(window_of(self.version), self.month)


def require_month_version(settings: Settings, month: Month) -> Version:
    """The version of the month's training; an unchanged training returns an earlier version.

    Raises:
        TaxiError: There is none, or its MLflow run was deleted.
    """
    version = model_versions.get_month_version(settings, month)
    if version is None:
        raise TaxiError(f"no model was trained for {month}: materialise duration_model of that month first")
    require_run(settings, version.version, version.run_id)
    return version


def window_of(version: Version) -> tuple[Month, ...]:
    """The months a version was trained on."""
    return tuple(Month.parse(text) for text in version.tags["months"].split(","))


def services_of(version: Version) -> tuple[str, ...]:
    """The services a version serves."""
    return tuple(version.tags["services"].split(","))


def evaluate(settings: Settings, warehouse: Warehouse, month: Month) -> Evaluation:
    """Scores the month's version and the baselines on the same trips, in every scope and condition.

    Raises:
        TaxiError: No version was trained for the month, or the month has no trips.
    """
    version, snapshot = require_month_version(settings, month), warehouse.snapshot()
    model, services = model_versions.load_sklearn(settings, version), services_of(version)
    scored = score_month(warehouse, model, services, window_of(version), month, settings.served_condition)
    predicted, zones = scored.predicted, read_zones(warehouse)
    trips = _with_baselines(scored, PRIMARY_SCOPE)
    actual = trips["duration_minutes"].to_numpy()
    scores = {name: scored.scores(each) for name, each in EVALUATION_SCOPES.items()}
    coverage = {name: _coverage(predicted, name, zones) for name in predicted.predictions}
    return Evaluation(
        version=version,
        month=month,
        snapshot=snapshot,
        condition=predicted.served,
        scores=scores,
        other_condition_scores=_other_condition_scores(predicted),
        trips=trips,
        slices=_score_slices(trips, zones),
        extra_rows=pd.concat([_extra_rows(scored, each) for each in EVALUATION_SCOPES.values()], ignore_index=True),
        zones=score_zones(trips, trips[MODEL].to_numpy()),
        importance=permutation_importance(
            model.predict, PRIMARY_SCOPE.in_scope(predicted.inputs), _inputs(predicted.inputs)
        ),
        uplift_over_baseline=uplift_over_baseline(actual, trips[MODEL].to_numpy(), trips[_UPLIFT_BASELINE].to_numpy()),
        unscored_trips=count_unscored_trips(warehouse, services, month, scores),
        coverage=coverage.pop(predicted.served.name),
        other_condition_coverage=coverage,
    )


def count_unscored_trips(warehouse: Warehouse, services: Sequence[str], month: Month, scores: Scores) -> int:
    """Number of trips by which the scored trips differ from those counted in SQL, over all scopes."""
    return sum(
        abs(_count_in_scope(warehouse, services, month, scope) - scores[name][MODEL].trips)
        for name, scope in EVALUATION_SCOPES.items()
    )


def rescore(
    warehouse: Warehouse, model: Any, services: Sequence[str], month: Month, condition: str
) -> dict[str, Score]:
    """Computes a fitted model's scores on the month by scope, to compare a rebuilt version."""
    predicted = predict_month(warehouse, model, services, month, condition)
    return {name: predicted.score(scope, condition) for name, scope in EVALUATION_SCOPES.items()}


def _other_condition_scores(predicted: PredictedMonth) -> dict[str, Scores]:
    return {
        condition: {name: {MODEL: predicted.score(scope, condition)} for name, scope in EVALUATION_SCOPES.items()}
        for condition in CONDITIONS
        if condition != predicted.served.name
    }


def _with_baselines(scored: ScoredMonth, scope: EvaluationScope) -> pd.DataFrame:
    """Trips of the scope, with the predicted minutes of the model and of each baseline."""
    return scope.in_scope(scored.predicted.trips).assign(**scored.minutes(scope))


def _extra_rows(scored: ScoredMonth, scope: EvaluationScope) -> pd.DataFrame:
    """Errors on matched pairs, and daily errors per model, the input of the promotion bootstrap."""
    trips = _with_baselines(scored, scope)
    minutes = {name: trips[name].to_numpy() for name in (MODEL, *BASELINES)}
    day = pd.DataFrame({DAY: day_of(trips)})
    days = [score_slices(trips, each, day).assign(model=name) for name, each in minutes.items()]
    return pd.concat([score_matched_pairs(trips, minutes), *days], ignore_index=True).assign(scope=scope.name)


def _coverage(predicted: PredictedMonth, condition: str, zones: pd.DataFrame) -> Coverage:
    in_scope = PRIMARY_SCOPE.contains(predicted.actual)
    return measure_coverage(predicted.predictions[condition].subset(in_scope), predicted.trips[in_scope], zones)


def _count_in_scope(warehouse: Warehouse, services: Sequence[str], month: Month, scope: EvaluationScope) -> int:
    """Counts the month's raw trips in the scope, independently of the query that reads them."""
    query = (
        "SELECT count(*) FROM raw_trips WHERE service IN (SELECT unnest(?)) AND month = ? "
        "AND date_trunc('month', pickup_at) = month AND elapsed_seconds(pickup_at, dropoff_at) BETWEEN ? AND ? "
        "AND pickup_zone_id BETWEEN 1 AND 265 AND dropoff_zone_id BETWEEN 1 AND 265"
    )
    values = [list(services), month.first_day, 60 * scope.shortest_minutes, 60 * scope.longest_minutes]
    with warehouse.reading() as connection:
        return int(connection.execute(query, values).fetchall()[0][0])


def _score_slices(trips: pd.DataFrame, zones: pd.DataFrame) -> pd.DataFrame:
    predicted = trips[MODEL].to_numpy()
    slices = slice_trips(trips, zones).assign(**{CALIBRATION: calibration_bands(predicted)})
    return score_slices(trips, predicted, slices)


def _inputs(trips: pd.DataFrame) -> list[str]:
    """The columns a model may use: its inputs and the traffic ratios, without keys or the target."""
    columns = [*MODEL_INPUTS, *(name for name in trips if str(name).endswith("_ratio"))]
    optional = {"passenger_count", "fixed_duration_vendor_minutes"}
    return [*columns, *(str(name) for name in trips if name in optional)]

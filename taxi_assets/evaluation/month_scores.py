"""Predicts and scores a month with a fitted model, beside the baselines.

Evaluation, back-test and reproduction of a version call it, so the same model has the same figures in each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.evaluation.baselines import fit_baselines
from taxi_assets.evaluation.metrics import MODEL, Score, score
from taxi_assets.months import Month
from taxi_assets.training.conditions import CONDITIONS, Condition, available_inputs, predict_from_inputs, served_first
from taxi_assets.training.dataset import read_evaluation_trips, read_training_data
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES, TRIPS_1_TO_180_MINUTES, EvaluationScope
from taxi_assets.training.predictions import Prediction
from taxi_assets.warehouse.connection import Warehouse

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PredictedMonth:
    """Every plausible trip of a month with a model's predictions.

    Attributes:
        trips: Columns of `trip_features`.
        inputs: The trips with the inputs available under the served condition.
        predictions: Predictions of every trip, by condition, the served one first.
    """

    trips: pd.DataFrame
    inputs: pd.DataFrame
    predictions: Mapping[str, Prediction]

    @property
    def served(self) -> Condition:
        """The served condition."""
        return CONDITIONS[next(iter(self.predictions))]

    @property
    def actual(self) -> Floats:
        """Actual minutes of the trips, shape (n,)."""
        return np.asarray(self.trips["duration_minutes"], np.float64)

    def score(self, scope: EvaluationScope, condition: str) -> Score:
        """The model's errors on trips of the scope."""
        in_scope = scope.contains(self.actual)
        return score(self.actual[in_scope], self.predictions[condition].minutes[in_scope])


@dataclass(frozen=True)
class ScoredMonth:
    """A predicted month, and the baselines' predicted minutes by scope and name."""

    predicted: PredictedMonth
    baselines: Mapping[str, Mapping[str, Floats]]

    def minutes(self, scope: EvaluationScope) -> dict[str, Floats]:
        """Minutes predicted by the model (served condition) and by each baseline for trips of the scope."""
        predicted = self.predicted
        in_scope = scope.contains(predicted.actual)
        return {MODEL: predicted.predictions[predicted.served.name].minutes[in_scope], **self.baselines[scope.name]}

    def scores(self, scope: EvaluationScope) -> dict[str, Score]:
        """Errors of the model (served condition) and of each baseline on trips of the scope."""
        actual = self.predicted.actual
        in_scope = actual[scope.contains(actual)]
        return {name: score(in_scope, minutes) for name, minutes in self.minutes(scope).items()}


def predict_month(
    warehouse: Warehouse, model: Any, services: Sequence[str], month: Month, served: str
) -> PredictedMonth:
    """Predicts every plausible raw trip of the month under each condition.

    Args:
        warehouse: The warehouse.
        model: A fitted estimator.
        services: Services of the trips.
        month: Month of the trips; recent-traffic features use all of them.
        served: Name of the served condition.

    Raises:
        TaxiError: The month has no trips.
    """
    trips = read_evaluation_trips(warehouse, services, month, TRIPS_1_TO_180_MINUTES)
    conditions = served_first(served)
    inputs = available_inputs(conditions[0], model, trips)
    predictions = {conditions[0].name: predict_from_inputs(model, inputs)}
    predictions |= {
        each.name: predict_from_inputs(model, available_inputs(each, model, trips)) for each in conditions[1:]
    }
    return PredictedMonth(trips, inputs, predictions)


def score_month(
    warehouse: Warehouse, model: Any, services: Sequence[str], window: Sequence[Month], month: Month, served: str
) -> ScoredMonth:
    """Predicts the month, and fits and predicts the baselines.

    Args:
        warehouse: The warehouse.
        model: A fitted estimator.
        services: Services of the trips.
        window: The model's training months; for each scope the baselines are fitted on its trips in these months.
        month: The month to score.
        served: Name of the served condition.

    Raises:
        TaxiError: The month has no trips, or the window has no trips in a scope.
    """
    predicted = predict_month(warehouse, model, services, month, served)
    training_trips = read_training_data(warehouse, services, window, TRIPS_1_TO_180_MINUTES).trips
    baselines = {}
    for name, scope in EVALUATION_SCOPES.items():
        trips_in_scope, fitted = scope.in_scope(predicted.trips), fit_baselines(scope.in_scope(training_trips))
        baselines[name] = {each: baseline.predict(trips_in_scope) for each, baseline in fitted.items()}
    return ScoredMonth(predicted, baselines)

"""Estimators take the same trips and predict minutes; unknown names and parameters are refused."""

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from taxi_assets.errors import TaxiError
from taxi_assets.features.feature_names import MODEL_INPUTS
from taxi_assets.features.trip_features import ZoneMap
from taxi_assets.training.estimators import BOOSTED_TREES, ESTIMATORS, build_estimator, get_estimator
from taxi_assets.training.random_forest import RandomForestModel

PARAMETERS = {
    "learning_rate": 0.1,
    "max_iter": 8,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 20,
    "l2_regularization": 1.0,
    "random_state": 3,
}


def test_every_estimator_is_built_from_training_parameters(zones: ZoneMap) -> None:
    for name in ESTIMATORS:
        model = build_estimator(name, zones, PARAMETERS)
        known = model.get_params()
        assert {key: known[key] for key in PARAMETERS if key in known}.items() <= PARAMETERS.items()
        assert known["random_state"] == 3
    assert [name for name in ESTIMATORS if get_estimator(name).is_servable] == [
        BOOSTED_TREES,
        "xgboost",
        "xgboost_distributed",
    ]


def test_an_unknown_parameter_is_refused(zones: ZoneMap) -> None:
    with pytest.raises(TypeError, match="depth"):
        build_estimator(BOOSTED_TREES, zones, {**PARAMETERS, "depth": 3})


def test_an_unknown_estimator_is_refused_by_name(zones: ZoneMap) -> None:
    names = "boosted_trees, random_forest, xgboost"
    with pytest.raises(TaxiError, match=f"there is no estimator 'oracle': choose one of {names}"):
        build_estimator("oracle", zones, PARAMETERS)


def test_an_estimator_without_its_packages_is_refused(
    zones: ZoneMap, trips: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(TaxiError, match=r"XGBoost, which is not installed: .* `make env-large`"):
        build_estimator("xgboost", zones, PARAMETERS).fit(trips, trips["duration_minutes"].to_numpy())


def test_a_forest_is_deterministic_and_better_than_the_mean(trips: pd.DataFrame) -> None:
    half = len(trips) // 2
    training_trips, scored_trips = trips[:half], trips[half:]
    minutes = training_trips["duration_minutes"].to_numpy()
    forest = RandomForestModel(max_iter=40, min_samples_leaf=50, random_state=1)
    first, second = (clone(forest).fit(training_trips, minutes).predict(scored_trips) for _ in range(2))
    assert np.array_equal(first, second)
    actual = scored_trips["duration_minutes"].to_numpy()
    assert np.sqrt(np.mean((first - actual) ** 2)) < 0.9 * np.sqrt(np.mean((minutes.mean() - actual) ** 2))
    assert np.array_equal(clone(forest).fit(training_trips[list(MODEL_INPUTS)], minutes).predict(scored_trips), first)
    other = clone(forest).set_params(random_state=2).fit(training_trips, minutes).predict(scored_trips)
    assert not np.array_equal(other, first)

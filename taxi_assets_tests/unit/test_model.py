"""The duration model is deterministic, sensible for unseen trips, and a scikit-learn regressor."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_regressor
from sklearn.exceptions import NotFittedError

from taxi_assets.errors import TaxiError
from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.features.feature_names import MODEL_INPUTS, ROW_FEATURES
from taxi_assets.features.target_encoding import Smoothing
from taxi_assets.features.trip_features import SERVICE_IDS, ZoneMap, row_features
from taxi_assets.training.model import DurationModel

INPUTS = list(MODEL_INPUTS)
SMALL = {"max_iter": 10, "min_samples_leaf": 20, "learning_rate": 0.3}


@pytest.fixture(scope="module")
def training_trips(trips: pd.DataFrame) -> pd.DataFrame:
    """Two weeks of trips."""
    begin = trips["pickup_at"].min().normalize()
    return trips[trips["pickup_at"] < begin + pd.Timedelta(days=14)]


@pytest.fixture(scope="module")
def later(trips: pd.DataFrame) -> pd.DataFrame:
    """The trips of the next month."""
    return trips[trips["month_of_year"] == 2]


@pytest.fixture(scope="module")
def model(zones: ZoneMap, training_trips: pd.DataFrame) -> DurationModel:
    return DurationModel(zones, **SMALL).fit(training_trips[INPUTS], training_trips["duration_minutes"].to_numpy())


def trip(zones: ZoneMap, starts: int, ends: int, at: str = "2023-02-14T08:30") -> pd.DataFrame:
    columns = {
        "service_id": np.array([SERVICE_IDS["green"]]),
        "pickup_at": np.array([at], "datetime64[us]"),
        "pickup_zone_id": np.array([starts]),
        "dropoff_zone_id": np.array([ends]),
    }
    return pd.DataFrame(columns | row_features(columns, zones))


def rmse(predicted: np.ndarray, frame: pd.DataFrame) -> float:
    return float(np.sqrt(np.mean((predicted - frame["duration_minutes"].to_numpy()) ** 2)))


def test_model_is_better_than_the_mean(model: DurationModel, training_trips: pd.DataFrame, later: pd.DataFrame) -> None:
    mean = np.full(len(later), training_trips["duration_minutes"].mean())
    assert rmse(model.predict(later), later) < 0.8 * rmse(mean, later)


def test_predictions_are_possible_minutes(model: DurationModel, later: pd.DataFrame) -> None:
    predicted = model.predict(later)
    assert predicted.shape == (len(later),)
    assert predicted.dtype == np.float64
    assert 1 < predicted.min() < predicted.max() < 180
    assert abs(predicted.mean() - later["duration_minutes"].mean()) < 2


def test_the_same_data_give_the_same_model(
    model: DurationModel, training_trips: pd.DataFrame, later: pd.DataFrame
) -> None:
    again = clone(model).fit(training_trips[INPUTS].copy(), training_trips["duration_minutes"].to_numpy().copy())
    assert np.array_equal(again.predict(later), model.predict(later))
    assert np.array_equal(again.encode(later), model.encode(later), equal_nan=True)


def test_other_data_give_another_model(zones: ZoneMap, model: DurationModel, later: pd.DataFrame) -> None:
    half = later.iloc[: len(later) // 3]
    other = DurationModel(zones, **SMALL).fit(half[INPUTS], half["duration_minutes"].to_numpy() * 1.5)
    assert other.predict(later).mean() > 1.3 * model.predict(later).mean()


def test_a_trip_is_predicted_alone_as_among_many(model: DurationModel, later: pd.DataFrame) -> None:
    many = model.predict(later)
    order = np.random.default_rng(3).permutation(len(later))
    assert np.array_equal(model.predict(later.iloc[order]), many[order])
    for row in (0, len(later) // 2, len(later) - 1):
        assert model.predict(later.iloc[row : row + 1])[0] == many[row]


@pytest.mark.parametrize(("starts", "ends"), [(264, 265), (265, 265), (1, 264), (99, 110), (110, 99), (103, 103)])
def test_unseen_zones_have_sensible_predictions(
    model: DurationModel, zones: ZoneMap, training_trips: pd.DataFrame, starts: int, ends: int
) -> None:
    (minutes,) = model.predict(trip(zones, starts, ends))
    assert training_trips["duration_minutes"].quantile(0.01) < minutes < 120


def test_longer_trips_have_longer_predictions(model: DurationModel, zones: ZoneMap) -> None:
    near = np.argsort(np.hypot(zones.x_miles - zones.x_miles[74], zones.y_miles - zones.y_miles[74]))
    minutes = [model.predict(trip(zones, 74, int(near[rank])))[0] for rank in (1, 30, 120, 250)]
    assert minutes == sorted(minutes)


@pytest.mark.parametrize("at", ["2008-02-29T12:00", "2040-12-31T23:59", "2023-03-12T02:30"])
def test_any_pickup_time_is_predicted(model: DurationModel, zones: ZoneMap, at: str) -> None:
    assert 1 < model.predict(trip(zones, 74, 75, at))[0] < 120


def test_an_unseen_service_is_refused_by_name(model: DurationModel, later: pd.DataFrame) -> None:
    yellow = later.assign(service_id=SERVICE_IDS["yellow"])
    with pytest.raises(TaxiError, match="not been trained on trips of yellow: train it with --services yellow"):
        model.predict(yellow)
    some = later.assign(service_id=np.where(np.arange(len(later)) == 3, SERVICE_IDS["fhvhv"], 0))
    with pytest.raises(TaxiError, match="fhvhv"):
        model.predict(some)


def test_services_have_different_predictions(zones: ZoneMap, training_trips: pd.DataFrame) -> None:
    few = training_trips[training_trips["day_of_year"] <= 4]
    rows = np.arange(len(few))
    both = few.assign(service_id=rows % 2)
    minutes = few["duration_minutes"].to_numpy() * np.where(rows % 2, 2, 1)
    model = DurationModel(zones, **SMALL).fit(both[INPUTS], minutes)
    green, yellow = (model.predict(both.assign(service_id=service)) for service in (0, 1))
    assert sorted(model.encoding_tables_) == [0, 1]
    assert 1.7 < yellow.mean() / green.mean() < 2.3


def test_a_missing_column_is_named(model: DurationModel, later: pd.DataFrame) -> None:
    with pytest.raises(KeyError, match="is_holiday_eve"):
        model.predict(later.drop(columns="is_holiday_eve"))


def test_seasonal_columns_are_unused_in_the_first_year(model: DurationModel, later: pd.DataFrame) -> None:
    summer = later.assign(month_of_year=7, day_of_year=190)
    assert np.array_equal(model.predict(summer), model.predict(later))
    assert not np.array_equal(model.predict(later.assign(minute_of_day=5)), model.predict(later))


# Conventions of scikit-learn


def test_model_survives_pickling(model: DurationModel, later: pd.DataFrame) -> None:
    back = pickle.loads(pickle.dumps(model))  # noqa: S301 - made here
    assert np.array_equal(back.predict(later), model.predict(later))


def test_a_clone_has_the_parameters_and_is_not_fitted(model: DurationModel, later: pd.DataFrame) -> None:
    copy = clone(model.set_params(smoothing=Smoothing(hours=2)))
    model.set_params(smoothing=None)
    assert copy.get_params()["smoothing"] == Smoothing(hours=2)
    plain = {name: value for name, value in copy.get_params().items() if name not in ("zones", "smoothing")}
    assert plain == {name: model.get_params()[name] for name in plain}
    assert np.array_equal(copy.zones.x_miles, model.zones.x_miles, equal_nan=True)
    with pytest.raises(NotFittedError):
        copy.predict(later)


def test_model_is_a_regressor_with_a_score(model: DurationModel, later: pd.DataFrame) -> None:
    assert is_regressor(model)
    assert 0 < model.score(later, later["duration_minutes"]) < 1


def test_matrix_has_the_columns_of_the_trees(model: DurationModel, later: pd.DataFrame) -> None:
    assert model.encode(later).shape == (len(later), len(MATRIX_COLUMNS))
    assert model.trees_.n_features_in_ == len(MATRIX_COLUMNS)
    assert model.trees_.n_iter_ == SMALL["max_iter"]
    assert set(ROW_FEATURES) < set(MATRIX_COLUMNS)

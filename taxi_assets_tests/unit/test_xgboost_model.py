"""Trees by XGBoost are reproducible, as good as those of scikit-learn, and equal in ONNX."""

import json
import pickle
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import small_model
from numpy.typing import NDArray

from taxi_assets.features.trip_features import ZoneMap
from taxi_assets.serving.packaging import onnx_export
from taxi_assets.serving.served_model import MODEL_INPUT, ServedModel
from taxi_assets.training.model import DurationModel
from taxi_assets.training.monthly_trips import FrameTrips
from taxi_assets.training.xgboost_model import XGBoostModel
from taxi_assets.training.xgboost_trees import MISSING, XGBoostTrees

pytest.importorskip("xgboost", reason="XGBoost is not installed: make env-large")
pytestmark = pytest.mark.slow
PARAMETERS = {"max_iter": 40, "min_samples_leaf": 50, "random_state": 1}


def split(trips: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The first three quarters of the trips by time, and the rest."""
    order = trips.sort_values("pickup_at", ignore_index=True)
    return order[: len(order) * 3 // 4], order[len(order) * 3 // 4 :]


def fit(kind: type[DurationModel], trips: pd.DataFrame, zones: ZoneMap) -> DurationModel:
    return kind(zones, **PARAMETERS).fit(trips, trips["duration_minutes"].to_numpy())


@pytest.fixture(scope="module")
def model(zones: ZoneMap, trips: pd.DataFrame) -> XGBoostModel:
    fitted = fit(XGBoostModel, split(trips)[0], zones)
    assert isinstance(fitted, XGBoostModel)
    return fitted


def predictions(trees: XGBoostTrees, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    session = onnxruntime.InferenceSession(onnx_export.to_onnx(trees), providers=["CPUExecutionProvider"])
    return session.run(None, {MODEL_INPUT: matrix})[0][:, 0].astype(np.float64)


def split_values(trees: XGBoostTrees) -> NDArray[np.float32]:
    """Rows with each split value and its neighbours on both sides, and rows with missing values."""
    nodes = json.loads(trees.model)["learner"]["gradient_booster"]["model"]["trees"]
    left, columns, values = (
        np.concatenate([tree[name] for tree in nodes])
        for name in ("left_children", "split_indices", "split_conditions")
    )
    columns, values = columns[left >= 0].astype(int), values[left >= 0].astype(np.float32)
    infinity = np.float32(np.inf)
    every = np.concatenate([np.nextafter(values, -infinity), values, np.nextafter(values, infinity)])
    draw = np.random.default_rng(0)
    rows = draw.uniform(0, 30, (len(every), trees.n_features_in_)).astype(np.float32)
    rows[draw.random(rows.shape) < 0.05] = np.nan
    rows[np.arange(len(rows)), np.tile(columns, 3)] = every
    return rows


def test_values_at_and_beside_every_split_go_the_same_way_in_onnx(model: XGBoostModel) -> None:
    rows = split_values(model.trees_)
    assert len(rows) > 1_000
    assert np.isnan(rows).any()
    assert np.abs(predictions(model.trees_, rows) - model.trees_.predict(rows)).max() < 1e-5


def test_a_missing_value_is_lower_than_every_value(model: XGBoostModel) -> None:
    rows = split_values(model.trees_)
    filled = np.where(np.isnan(rows), MISSING, rows)
    assert np.array_equal(model.trees_.predict(filled), model.trees_.predict(rows))
    assert np.abs(predictions(model.trees_, filled) - predictions(model.trees_, rows)).max() < 1e-5


def test_the_served_model_predicts_as_the_fitted_model(
    model: XGBoostModel, trips: pd.DataFrame, tmp_path: Path
) -> None:
    onnx_export.write_serving_folder(model, tmp_path / "serving", small_model.FACTS, small_model.ZONE_NAMES)
    served, scored = ServedModel.load(tmp_path / "serving"), split(trips)[1]
    names = ("service_id", "pickup_at", "pickup_zone_id", "dropoff_zone_id")
    columns = {name: scored[name].to_numpy() for name in names}
    columns["passenger_count"] = scored["passenger_count"].to_numpy(np.float64, na_value=np.nan)
    fitted = model.predict_interval(scored.drop(columns="vendor_id"))
    for name, values in vars(served.predict_interval(columns)).items():
        assert np.abs(getattr(fitted, name) - values).max() < 1e-3, name


def test_the_error_is_at_most_a_hundredth_above_that_of_scikit_learn(
    model: XGBoostModel, zones: ZoneMap, trips: pd.DataFrame
) -> None:
    training_trips, scored = split(trips)
    actual = scored["duration_minutes"].to_numpy()
    ours, theirs = (
        np.sqrt(np.mean((each.predict(scored) - actual) ** 2))
        for each in (model, fit(DurationModel, training_trips, zones))
    )
    assert ours < 1.01 * theirs


def test_nine_trips_in_ten_end_inside_their_interval(model: XGBoostModel, trips: pd.DataFrame) -> None:
    scored = split(trips)[1]
    prediction = model.predict_interval(scored)
    assert prediction.low is not None
    assert prediction.high is not None
    actual = scored["duration_minutes"].to_numpy()
    assert 0.86 < np.mean((actual >= prediction.low) & (actual <= prediction.high)) < 0.94


def test_the_same_trips_give_the_same_trees_also_from_a_pickle(
    model: XGBoostModel, zones: ZoneMap, trips: pd.DataFrame
) -> None:
    again = fit(XGBoostModel, split(trips)[0], zones)
    assert again.trees_ == model.trees_
    scored = split(trips)[1]
    loaded = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert np.array_equal(loaded.predict(scored), model.predict(scored))


def test_no_file_is_left(zones: ZoneMap, trips: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    XGBoostModel(zones, max_iter=1).fit_months(FrameTrips(trips[:2_000]))
    assert list(tmp_path.iterdir()) == []

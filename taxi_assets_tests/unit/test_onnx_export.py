"""The ONNX model predicts as the fitted model at every split, and is written whole or not at all."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import small_model
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from taxi_assets.errors import TaxiError
from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.serving.packaging import onnx_export
from taxi_assets.serving.served_model import MODEL_INPUT, ServedModel

MINUTES = 1e-3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model.write(tmp_path_factory.mktemp("export") / "serving")


def predictions(model: bytes, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {MODEL_INPUT: matrix})[0][:, 0].astype(np.float64)


def split_values(trees: HistGradientBoostingRegressor) -> NDArray[np.float32]:
    """Rows with each split value, its nearest float32 value, and the neighbours on both sides."""
    nodes = np.concatenate([predictor.nodes for (predictor,) in trees._predictors])
    splits = nodes[nodes["is_leaf"] == 0]
    nearest = splits["num_threshold"].astype(np.float32)
    infinity = np.float32(np.inf)
    values = (np.nextafter(nearest, -infinity), nearest, np.nextafter(nearest, infinity))
    draw = np.random.default_rng(0)
    rows = draw.uniform(0, 30, (3 * len(splits), trees.n_features_in_)).astype(np.float32)
    rows[draw.random(rows.shape) < 0.05] = np.nan
    rows[np.arange(len(rows)), np.tile(splits["feature_idx"], 3)] = np.concatenate(values)
    return rows


def test_served_model_predicts_as_the_fitted_model(folder: Path) -> None:
    trips = small_model.trips(2_000, seed=11)
    served, fitted = ServedModel.load(folder).predict_interval(trips), small_model.fitted()
    prediction = fitted.predict_interval(small_model.frame(trips))
    for name, values in vars(prediction).items():
        assert np.abs(getattr(served, name) - values).max() < MINUTES, name


def test_trips_of_zones_without_coordinates_get_equal_predictions(folder: Path) -> None:
    trips = small_model.trips(300, seed=12)
    trips["pickup_zone_id"][:100] = 264
    trips["dropoff_zone_id"][50:200] = 265
    served = ServedModel.load(folder).predict_interval(trips).minutes
    assert np.abs(served - small_model.fitted().predict(small_model.frame(trips))).max() < MINUTES


def test_values_at_and_beside_every_split_go_the_same_way() -> None:
    trees = small_model.fitted().trees_
    rows = split_values(trees)
    assert np.abs(predictions(onnx_export.to_onnx(trees), rows) - trees.predict(rows)).max() < 1e-5


def test_neighbouring_float32_values_are_distinguished() -> None:
    lower = np.nextafter(np.float32(1), np.float32(2))
    upper = np.nextafter(lower, np.float32(2))
    rows = np.array([[lower], [upper]] * 20, np.float32)
    trees = HistGradientBoostingRegressor(max_iter=1, min_samples_leaf=1, learning_rate=1.0)
    trees.fit(rows, np.array([0.0, 10.0] * 20))
    assert np.float32((float(lower) + float(upper)) / 2) == upper  # rounding to nearest would make them equal
    assert predictions(onnx_export.to_onnx(trees), rows[:2]) == pytest.approx([0, 10])


def test_a_missing_value_takes_the_branch_of_the_trees() -> None:
    rows = np.array([[0.0], [1.0], [np.nan], [np.nan]] * 20, np.float32)
    for minutes in ([0.0, 9.0, 9.0, 9.0], [9.0, 0.0, 9.0, 9.0], [9.0, 9.0, 0.0, 0.0]):
        trees = HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=1).fit(rows, minutes * 20)
        assert predictions(onnx_export.to_onnx(trees), rows) == pytest.approx(trees.predict(rows), abs=1e-5)


def test_trees_that_split_by_category_are_refused() -> None:
    rows = np.arange(60, dtype=np.float32)[:, None] % 3
    trees = HistGradientBoostingRegressor(max_iter=1, min_samples_leaf=1, categorical_features=[0])
    with pytest.raises(ValueError, match="categorical"):
        onnx_export.to_onnx(trees.fit(rows, rows[:, 0]))


def test_the_manifest_describes_the_model(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["columns"] == list(MATRIX_COLUMNS)
    assert manifest["services"] == {"green": 0, "fhvhv": 2}
    assert manifest["placed_zone_ids"] == list(range(1, 264))
    assert manifest["facts"] == small_model.FACTS
    assert len(manifest["golden"]["minutes"]) == 2 * onnx_export.GOLDEN_TRIPS_PER_SERVICE
    assert manifest["interval_coverage"] == 0.9
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "tables.npy", "manifest.json"}


def test_the_same_model_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = small_model.write(tmp_path / "again")
    for path in folder.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()


def test_an_existing_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "serving").mkdir()
    (tmp_path / "serving" / "old").touch()
    small_model.write(tmp_path / "serving")
    assert not (tmp_path / "serving" / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["serving"]


def test_model_with_other_predictions_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees = small_model.fitted().trees_
    other = HistGradientBoostingRegressor(max_iter=1).fit(np.zeros((50, trees.n_features_in_)), np.full(50, 1.1))
    wrong = onnx_export.to_onnx(other)
    (tmp_path / "serving").mkdir()
    (tmp_path / "serving" / "old").touch()
    monkeypatch.setattr(onnx_export, "to_onnx", lambda _: wrong)
    with pytest.raises(TaxiError, match="minutes off the model"):
        small_model.write(tmp_path / "serving")
    assert [path.name for path in tmp_path.rglob("*")] == ["serving", "old"]


def test_facts_of_every_response_are_required(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run_id, data_snapshot"):
        onnx_export.write_serving_folder(
            small_model.fitted(), tmp_path / "serving", {"name": "x", "version": 1, "synthetic": True}, {}
        )

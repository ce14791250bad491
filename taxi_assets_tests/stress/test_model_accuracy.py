"""The model against the synthetic city's lowest possible error, and its ONNX form against the model."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from best_errors import best_mae

from benchmarks.training_sample import SEED, sample_trips
from taxi_assets.features.encoding import expected_minutes as encoded_minutes
from taxi_assets.serving.packaging.onnx_export import to_onnx
from taxi_assets.serving.served_model import MODEL_INPUT
from taxi_assets.synthetic.law import expected_minutes
from taxi_assets.training.model import DurationModel

pytestmark = pytest.mark.slow

ROWS = 1_000_000
SCORE_IN_A_FRESH_PROCESS = """
import numpy as np
from benchmarks.training_sample import sample_trips
from taxi_assets.training.model import DurationModel
from taxi_assets.evaluation.metrics import score
trips, zones = sample_trips(2, 40_000)
late = trips["pickup_at"] >= trips["pickup_at"].max().normalize().replace(day=1)
model = DurationModel(zones, max_iter=30).fit(trips[~late], trips.loc[~late, "duration_minutes"].to_numpy())
later = trips[late].reset_index(drop=True)
prediction = model.predict_interval(model.add_recent_traffic(later))
found = score(later["duration_minutes"].to_numpy(), prediction.minutes)
ends = float(prediction.low.sum()), float(prediction.high.sum())
print([value.hex() for value in (found.rmse, found.mae, found.bias, *ends)])
"""


@pytest.fixture(scope="module")
def model_and_trips() -> tuple[DurationModel, pd.DataFrame]:
    """A model of four months of the synthetic city, and the trips of the fifth."""
    trips, zones = sample_trips(5, 300_000)
    trips = trips[trips["duration_minutes"] <= 60]
    late = trips["pickup_at"] >= trips["pickup_at"].max().normalize().replace(day=1)
    model = DurationModel(zones).fit(trips[~late], trips.loc[~late, "duration_minutes"].to_numpy())
    return model, trips[late].reset_index(drop=True)


@pytest.mark.parametrize("with_traffic", [True, False])
def test_error_is_close_to_the_lowest_possible(model_and_trips: Any, with_traffic: bool) -> None:
    model, trips = model_and_trips
    inputs = model.add_recent_traffic(trips) if with_traffic else trips
    error = np.abs(model.predict(inputs) - trips["duration_minutes"].to_numpy()).mean()
    zone_ids = (trips[f"{end}_zone_id"].to_numpy() for end in ("pickup", "dropoff"))
    best = best_mae(expected_minutes(SEED, *zone_ids, trips["pickup_at"].to_numpy(), "green"))
    assert 0.97 * best < error <= 1.05 * best


def test_intervals_cover_nine_trips_in_ten(model_and_trips: Any) -> None:
    model, trips = model_and_trips
    prediction = model.predict_interval(model.add_recent_traffic(trips))
    actual = trips["duration_minutes"].to_numpy()
    assert np.mean((actual >= prediction.low) & (actual <= prediction.high)) == pytest.approx(0.9, abs=0.015)


def test_onnx_predicts_a_million_rows_as_the_model(model_and_trips: Any) -> None:
    """Includes values at and beside every split."""
    model, trips = model_and_trips
    matrix = model.encode(model.add_recent_traffic(trips))
    draw = np.random.default_rng(0)
    rows = matrix[draw.integers(0, len(matrix), ROWS)]
    nodes = np.concatenate([predictor.nodes for (predictor,) in model.trees_._predictors])
    splits = nodes[nodes["is_leaf"] == 0]
    nearest = splits["num_threshold"].astype(np.float32)
    beside = [np.nextafter(nearest, np.float32(side * np.inf)) for side in (-1, 1)]
    columns, values = np.tile(splits["feature_idx"], 3), np.concatenate([nearest, *beside])
    chosen = draw.integers(0, len(values), ROWS)
    rows[np.arange(ROWS), columns[chosen]] = values[chosen]
    session = onnxruntime.InferenceSession(to_onnx(model.trees_), providers=["CPUExecutionProvider"])
    predictions = np.concatenate([session.run(None, {MODEL_INPUT: part})[0][:, 0] for part in np.array_split(rows, 20)])
    minutes = encoded_minutes(rows)
    difference = np.abs(predictions.astype(np.float64) * minutes - model.trees_.predict(rows) * minutes)
    assert set(range(len(values))) - set(chosen.tolist()) == set()
    assert difference.max() <= 1e-3


def test_two_fresh_processes_give_the_same_scores() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "random"}
    found = {
        subprocess.run(
            [sys.executable, "-c", SCORE_IN_A_FRESH_PROCESS],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    }
    assert len(found) == 1

"""The endpoint's predictions for 5,000 trips have the RMSE of the evaluation and the back-test."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import small_model

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import bento_program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.evaluation.backtest import BacktestSpec, backtest
from taxi_assets.evaluation.metrics import score
from taxi_assets.evaluation.month_scores import predict_month
from taxi_assets.serving.packaging.bento_build import build_bento
from taxi_assets.serving.packaging.onnx_export import write_serving_folder
from taxi_assets.settings import Settings
from taxi_assets.training.dataset import TRAINING_SCOPE, read_training_data
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE
from taxi_assets.training.train import fit

REQUESTS = 5_000
FEW: dict[str, Any] = {"max_iter": 20, "max_leaf_nodes": 15}


def ride_body(trip: Any) -> dict[str, Any]:
    """The trip as a request's body."""
    ride = {"pickup_zone_id": int(trip.pickup_zone_id), "dropoff_zone_id": int(trip.dropoff_zone_id)}
    ride |= {"pickup_at": trip.pickup_at.isoformat(), "service": trip.service}
    return ride if pd.isna(trip.passenger_count) else ride | {"passenger_count": int(trip.passenger_count)}


@pytest.mark.slow
def test_endpoint_rmse_equals_evaluation_and_backtest(lake: Any, tmp_path: Path) -> None:
    training_month, month = lake.source.months
    model = fit(read_training_data(lake.warehouse, ["green"], [training_month], TRAINING_SCOPE), FEW)
    served = lake.settings.served_condition
    predicted = predict_month(lake.warehouse, model, ["green"], month, served)
    (found,) = backtest(BacktestSpec(lake.warehouse, tmp_path / "kept", print, FEW), [month])["months"]
    assert found["model"]["rmse"] == pytest.approx(predicted.score(PRIMARY_SCOPE, served).rmse, abs=1e-9)

    own = np.flatnonzero(PRIMARY_SCOPE.contains(predicted.actual))
    chosen = np.sort(np.random.default_rng(0).choice(own, min(REQUESTS, len(own)), replace=False))
    trips, actual = predicted.trips.iloc[chosen], predicted.actual[chosen]
    settings = Settings(home=tmp_path / "home", data_kind="synthetic", bento_port=free_port("127.0.0.1"))
    write_serving_folder(model, tmp_path / "served", small_model.FACTS, small_model.ZONE_NAMES)
    build_bento(settings, tmp_path / "served", {"version": "3"})
    with (
        running(bento_program(settings), tmp_path / "bento.log") as url,
        httpx.Client(trust_env=False) as client,
    ):
        responses = [client.post(f"{url}/predict", json=ride_body(trip)) for trip in trips.itertuples()]
    minutes = np.array([response.raise_for_status().json()["duration_minutes"] for response in responses])
    ours = score(actual, predicted.predictions[served].minutes[chosen])
    assert score(actual, minutes).rmse == pytest.approx(ours.rmse, abs=1e-3)

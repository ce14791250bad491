"""10,000 trips are predicted over HTTP as scikit-learn predicts them from the warehouse's features."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import small_model
from numpy.typing import NDArray
from sample_lake import Lake, Source

from taxi_assets import synthetic
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import bento_program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.evaluation.backtest import BacktestSpec, backtest
from taxi_assets.evaluation.metrics import score
from taxi_assets.evaluation.month_scores import predict_month
from taxi_assets.ingestion import publish_month
from taxi_assets.months import Month
from taxi_assets.serving.packaging.bento_build import build_bento
from taxi_assets.serving.packaging.onnx_export import write_serving_folder
from taxi_assets.serving.prediction_log.prediction_record import LoggedBatch, decode_record, find_prediction
from taxi_assets.serving.prediction_log.segments import read_record
from taxi_assets.settings import Settings
from taxi_assets.tlc.month_file import file_name
from taxi_assets.training.dataset import TRAINING_SCOPE, read_training_data
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE
from taxi_assets.training.model import DurationModel
from taxi_assets.training.train import fit
from taxi_assets.warehouse.connection import Warehouse

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]
REQUESTS, UNSEEN_PAIRS = 10_000, 1_000
TOLERANCE_MINUTES = 1e-3
FEW: dict[str, Any] = {"max_iter": 20, "max_leaf_nodes": 15}
# Of these months, by the day on which New York's clocks change.
CLOCK_CHANGES = {Month(2023, 3): "2023-03-12", Month(2023, 11): "2023-11-05"}
PAIR = ["pickup_zone_id", "dropoff_zone_id"]


@dataclass(frozen=True)
class Endpoint:
    """A running Bento: its URL and the folder of its prediction log."""

    url: str
    log: Path

    def minutes(self, trips: pd.DataFrame) -> NDArray[np.float64]:
        """Minutes of POST /predict as they are logged, since the responses round them to 0.01."""
        with httpx.Client(trust_env=False) as client:
            responses = [client.post(f"{self.url}/predict", json=ride_body(trip)) for trip in trips.itertuples()]
        bodies = [response.raise_for_status().json() for response in responses]
        logged = np.array([self._logged(body["request_id"]) for body in bodies])
        assert [body["duration_minutes"] for body in bodies] == logged.round(2).tolist()
        return logged

    def batch_minutes(self, trips: pd.DataFrame) -> NDArray[np.float64]:
        """The same of one POST /predict_many."""
        body = {"rides": [ride_body(trip) for trip in trips.itertuples()]}
        request_id = httpx.post(f"{self.url}/predict_many", json=body, trust_env=False, timeout=30).json()["request_id"]
        line = read_record(self.log, request_id)
        assert line
        record = decode_record(line)
        assert isinstance(record, LoggedBatch)
        return np.array(record.duration_minutes)

    def _logged(self, request_id: str) -> float:
        found = find_prediction(self.log, request_id)
        assert found
        return found.duration_minutes


def ride_body(trip: Any) -> dict[str, Any]:
    """The trip as a request's body."""
    ride = {"pickup_zone_id": int(trip.pickup_zone_id), "dropoff_zone_id": int(trip.dropoff_zone_id)}
    ride |= {"pickup_at": trip.pickup_at.isoformat(), "service": trip.service}
    return ride if pd.isna(trip.passenger_count) else ride | {"passenger_count": int(trip.passenger_count)}


@pytest.fixture(scope="module")
def training(lake: Lake) -> pd.DataFrame:
    """The model's training trips."""
    return read_training_data(lake.warehouse, ["green"], [lake.source.months[0]], TRAINING_SCOPE).trips


@pytest.fixture(scope="module")
def fitted(lake: Lake) -> DurationModel:
    return fit(read_training_data(lake.warehouse, ["green"], [lake.source.months[0]], TRAINING_SCOPE), FEW)


@pytest.fixture(scope="module")
def endpoint(fitted: DurationModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    folder = tmp_path_factory.mktemp("bento")
    settings = Settings(home=folder / "home", data_kind="synthetic", bento_port=free_port("127.0.0.1"))
    write_serving_folder(fitted, folder / "served", small_model.FACTS, small_model.ZONE_NAMES)
    build_bento(settings, folder / "served", {"version": "3"}, small_model.drawn_city())
    with running(bento_program(settings), folder / "bento.log") as url:
        yield Endpoint(url, settings.prediction_log)


@pytest.fixture(scope="module")
def clock_change_lake(lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A warehouse of the months in which the clocks change, TLC's own if the source has them."""
    folder = tmp_path_factory.mktemp("clock_changes")
    settings = Settings(home=folder / "home", data_kind=lake.source.kind, threads=2, memory_limit="1GB")
    warehouse = Warehouse(settings)
    publish_month.publish_zones(warehouse, *lake.source.zone_files)
    for month in CLOCK_CHANGES:
        source = lake.source
        if not (source.folder / file_name("green", month)).exists():
            source = Source(folder, source.kind)
            synthetic.write_month(folder, "green", month, 6_000, seed=7)
        publish_month.publish_month(warehouse, source.land(settings, month), f"run of {month}")
    return warehouse


def is_seen(trips: pd.DataFrame, training: pd.DataFrame) -> NDArray[np.bool_]:
    """True for each trip of a pair of zones with training trips."""
    pairs = pd.MultiIndex.from_frame(training[PAIR])
    return np.asarray(pd.MultiIndex.from_frame(trips[PAIR]).isin(pairs))


def test_endpoint_agrees_with_evaluation_and_backtest(
    lake: Lake, fitted: DurationModel, training: pd.DataFrame, endpoint: Endpoint, tmp_path: Path
) -> None:
    month, served = lake.source.months[1], lake.settings.served_condition
    predicted = predict_month(lake.warehouse, fitted, ["green"], month, served)
    (found,) = backtest(BacktestSpec(lake.warehouse, tmp_path / "kept", print, FEW), [month])["months"]
    assert found["model"]["rmse"] == pytest.approx(predicted.score(PRIMARY_SCOPE, served).rmse, abs=1e-9)

    own, draw = np.flatnonzero(PRIMARY_SCOPE.contains(predicted.actual)), np.random.default_rng(0)
    unseen = own[~is_seen(predicted.trips.iloc[own], training)][:UNSEEN_PAIRS]
    others = np.setdiff1d(own, unseen)
    chosen = np.concatenate([unseen, draw.choice(others, min(REQUESTS - len(unseen), len(others)), replace=False)])
    expected = predicted.predictions[served].minutes[chosen]
    minutes = endpoint.minutes(predicted.trips.iloc[chosen])
    assert len(unseen) > 100
    assert np.abs(minutes - expected).max() <= TOLERANCE_MINUTES
    assert np.abs(endpoint.batch_minutes(predicted.trips.iloc[chosen]) - expected).max() <= TOLERANCE_MINUTES
    actual = predicted.actual[chosen]
    assert score(actual, minutes).rmse == pytest.approx(score(actual, expected).rmse, abs=1e-3)


@pytest.mark.parametrize(("month", "day"), CLOCK_CHANGES.items(), ids=str)
def test_endpoint_agrees_with_the_warehouse_in_nights_of_clock_changes(
    lake: Lake, fitted: DurationModel, endpoint: Endpoint, clock_change_lake: Warehouse, month: Month, day: str
) -> None:
    served = lake.settings.served_condition
    predicted = predict_month(clock_change_lake, fitted, ["green"], month, served)
    hours = (predicted.trips["pickup_at"] - pd.Timestamp(day)) / pd.Timedelta(hours=1)
    chosen = np.flatnonzero((hours > -2) & (hours < 6))
    assert ((hours.iloc[chosen] >= 1) & (hours.iloc[chosen] < 4)).sum() > 5
    expected = predicted.predictions[served].minutes[chosen]
    assert np.abs(endpoint.minutes(predicted.trips.iloc[chosen]) - expected).max() <= TOLERANCE_MINUTES


def test_a_difference_is_found(endpoint: Endpoint, fitted: DurationModel, lake: Lake) -> None:
    month, served = lake.source.months[1], lake.settings.served_condition
    trips = predict_month(lake.warehouse, fitted, ["green"], month, served).trips.iloc[:20]
    later = trips.assign(pickup_at=trips["pickup_at"] + pd.Timedelta(hours=6))
    assert np.abs(endpoint.minutes(trips) - endpoint.minutes(later)).max() > TOLERANCE_MINUTES

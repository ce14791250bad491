"""An answer's record agrees with its response; an answer without a record is refused."""

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import pytest
import small_model
from model_store_samples import FixedModel

from taxi_assets.errors import TaxiError
from taxi_assets.serving.endpoint.answer_log import LOG_FOLDER, AnswerLog, Computed
from taxi_assets.serving.endpoint.app import create_app, start
from taxi_assets.serving.endpoint.endpoint_state import EndpointState
from taxi_assets.serving.endpoint.ride_batch import RideBatch
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed
from taxi_assets.serving.prediction_log import segments
from taxi_assets.serving.prediction_log.prediction_record import find_prediction, hash_features
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.served_model import ServedModel
from taxi_assets.serving.variants import Variant

RIDE = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-11-05T01:30", "rider_key": "rider 7"}
Post = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    return ServedModel.load(small_model.write(tmp_path_factory.mktemp("model") / "serving"))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AnswerLog]:
    log = AnswerLog(tmp_path)
    yield log
    log.close()


@pytest.fixture
def post(model: ServedModel, log: AnswerLog) -> Post:
    """Sends a request to the app, within this process."""
    app = create_app(small_model.PAGE)
    start(app, EndpointState(FixedModel.of(model), "taxi_duration:v3", log, TrafficFeed(log.state)))

    async def send(path: str, body: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://endpoint") as client:
            return await client.post(path, json=body)

    return lambda path, body: asyncio.run(send(path, body))


def test_the_record_of_a_ride_agrees_with_the_response(post: Post, model: ServedModel, tmp_path: Path) -> None:
    body = post("/predict", {**RIDE, "passenger_count": 2, "vendor_id": 1}).json()
    found = find_prediction(tmp_path / LOG_FOLDER, body["request_id"])
    assert found
    assert round(found.duration_minutes, 2) == body["duration_minutes"]
    assert [round(found.low_minutes, 2), round(found.high_minutes, 2)] == body["interval_90"]
    assert (found.service, found.model_version, found.variant) == ("green", 3, "champion")
    assert (found.pickup_zone_id, found.dropoff_zone_id, found.passenger_count, found.vendor_id) == (74, 75, 2, 1)
    assert found.pickup_at.isoformat() == "2023-11-05T01:30:00-04:00"
    assert (found.warnings, found.request_rides, found.shadow_of) == (1, 1, None)
    assert 0 < found.latency_microseconds < 10e6
    ride = RideRequest("green", datetime(2023, 11, 5, 1, 30), 74, 75, 2)
    assert [found.features] == hash_features(model.encode_ride(ride))


def test_the_record_of_a_batch_has_each_ride(post: Post, tmp_path: Path) -> None:
    rides = [{**RIDE, "dropoff_zone_id": zone, "vendor_id": zone % 3} for zone in range(1, 41)]
    for ride in rides:
        del ride["rider_key"]
    body = post("/predict_many", {"rides": rides}).json()
    single = [post("/predict", ride).json() for ride in rides]
    found = [find_prediction(tmp_path / LOG_FOLDER, f"{body['request_id']}.{row}") for row in range(40)]
    alone = [find_prediction(tmp_path / LOG_FOLDER, each["request_id"]) for each in single]
    for row, (of_batch, of_ride) in enumerate(zip(found, alone, strict=True)):
        assert of_batch
        assert of_ride
        assert round(of_batch.duration_minutes, 2) == body["predictions"][row]["duration_minutes"]
        shared = ("features", "pickup_at", "warnings", "vendor_id")
        assert [getattr(of_batch, name) for name in shared] == [getattr(of_ride, name) for name in shared]
        assert (of_batch.vendor_id, of_batch.request_rides) == ((row + 1) % 3, 40)
    assert find_prediction(tmp_path / LOG_FOLDER, f"{body['request_id']}.40") is None
    assert find_prediction(tmp_path / LOG_FOLDER, f"{single[0]['request_id']}.0") is None


def test_a_batch_knows_the_traffic_that_single_rides_know(post: Post, tmp_path: Path) -> None:
    """Also in an hour that the clocks repeat, and if only some of the rides know it."""
    at = ["2023-11-04T23:30", "2023-11-05T01:10-04:00", "2023-11-05T01:10-05:00", "2023-11-08T12:00"]
    rides = [{**RIDE, "pickup_at": each} for each in at]
    for ride in rides:
        del ride["rider_key"]
    completed = [{**rides[0], "pickup_at": f"2023-11-04T22:{minute}", "actual_minutes": 55} for minute in range(10, 60)]
    assert post("/feedback", {"rides": completed}).status_code == 200
    single = [post("/predict", ride).json() for ride in rides]
    assert [each["recent_traffic"]["age_seconds"] for each in single[1:]] == [4560, 8160, None]
    body = post("/predict_many", {"rides": rides}).json()
    assert body["recent_traffic"] == {"known": False, "age_seconds": None}
    assert post("/predict_many", {"rides": rides[1:3]}).json()["recent_traffic"] == {"known": True, "age_seconds": 8160}
    for row, alone in enumerate(single):
        of_batch, of_ride = (
            find_prediction(tmp_path / LOG_FOLDER, each)
            for each in (f"{body['request_id']}.{row}", alone["request_id"])
        )
        assert of_batch
        assert of_ride
        assert of_batch.duration_minutes == pytest.approx(of_ride.duration_minutes, abs=1e-3)
        assert of_batch.traffic_age_seconds == of_ride.traffic_age_seconds


def test_a_shadow_names_the_answer_that_it_repeats(model: ServedModel, log: AnswerLog, tmp_path: Path) -> None:
    shadow, ride = Variant("shadow 3", model), RideRequest("green", datetime(2023, 3, 1, 8, 30), 74, 75)
    computed = Computed(model.encode_ride(ride), model.predict_ride(ride), perf_counter(), "a-0")
    found = find_prediction(tmp_path / LOG_FOLDER, log.append(shadow, ride, computed))
    assert found
    assert (found.shadow_of, found.variant) == ("a-0", "shadow 3")
    batch = RideBatch.of([ride, ride], None, is_rows=True)
    matrix = model.encode(batch.columns())
    computed = Computed(matrix, model.predict_matrix(matrix), perf_counter(), "a-0")
    found = find_prediction(tmp_path / LOG_FOLDER, log.append_batch(shadow, batch, computed) + ".1")
    assert found
    assert (found.shadow_of, found.request_rides) == ("a-0.1", 2)


def test_the_log_never_has_a_riders_key(post: Post, tmp_path: Path) -> None:
    first, second = (post("/predict", RIDE).json()["request_id"] for _ in range(2))
    other = post("/predict", {**RIDE, "rider_key": "rider 8"}).json()["request_id"]
    riders = []
    for each in (first, second, other):
        found = find_prediction(tmp_path / LOG_FOLDER, each)
        assert found
        riders.append(found.rider)
    assert riders[0] == riders[1] != riders[2]
    content = b"".join(path.read_bytes() for path in (tmp_path / LOG_FOLDER).iterdir())
    assert b"rider 7" not in content


def test_a_refused_request_has_no_record(post: Post, log: AnswerLog, tmp_path: Path) -> None:
    assert post("/predict", {**RIDE, "pickup_zone_id": 999}).status_code == 422
    log.close()
    assert segments.names(tmp_path / LOG_FOLDER, segments.SEALED) == []


@pytest.mark.parametrize(("path", "body"), [("/predict", RIDE), ("/predict_many", {"rides": [RIDE | {}]})])
def test_an_answer_that_cannot_be_logged_is_refused(post: Post, log: AnswerLog, path: str, body: Any) -> None:
    log.close()
    if path == "/predict_many":
        del body["rides"][0]["rider_key"]
    response = post(path, body)
    problem = response.json()
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.headers["content-type"] == "application/problem+json"
    assert "cannot be written (the writer is closed)" in problem["detail"]
    assert "minutes" not in json.dumps(problem)


def test_an_unknown_sync_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaxiError, match="set it to process or disk"):
        AnswerLog(tmp_path, "never")


def test_an_endpoint_without_a_home_logs_to_a_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAXI_SERVING_STATE", raising=False)
    log = AnswerLog.from_environment()
    log.close()
    assert log.state.is_relative_to(tempfile.gettempdir())
    assert log.folder.is_dir()

"""`POST /feedback` logs each ride's actual duration, once for each answer, or names the wrong field."""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import small_model
from hypothesis import given
from hypothesis import strategies as st
from model_store_samples import FixedModel

from taxi_assets.errors import TaxiError
from taxi_assets.serving.endpoint import feedback as feedback_module
from taxi_assets.serving.endpoint.answer_log import LOG_FOLDER, AnswerLog
from taxi_assets.serving.endpoint.app import create_app, start
from taxi_assets.serving.endpoint.endpoint_state import EndpointState
from taxi_assets.serving.endpoint.feedback_fields import FeedbackContext, parse_feedback
from taxi_assets.serving.endpoint.feedback_log import FEEDBACK_FOLDER, FeedbackLog
from taxi_assets.serving.endpoint.problem_details import InvalidFields, Problem
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed
from taxi_assets.serving.prediction_log.feedback_record import FeedbackRecord, LoggedFeedback, decode_feedback
from taxi_assets.serving.prediction_log.log_tail import LogTail
from taxi_assets.serving.served_model import ServedModel
from taxi_assets.serving.zone_names import ZoneNames

RIDE = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30"}
ENDED = {**RIDE, "actual_minutes": 11.5}
NOW = datetime(2023, 6, 1, tzinfo=UTC)
ZONES = ZoneNames({74: "East Harlem North", 75: "East Harlem South"})
Post = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    return ServedModel.load(small_model.write(tmp_path_factory.mktemp("model") / "serving"))


@pytest.fixture
def post(model: ServedModel, tmp_path: Path) -> Iterator[Post]:
    """Sends a request to the app, within this process."""
    app = create_app(small_model.PAGE)
    state = EndpointState(FixedModel.of(model), "v3", AnswerLog(tmp_path), TrafficFeed(tmp_path))
    start(app, state)

    async def send(path: str, body: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://endpoint") as client:
            return await client.post(path, json=body)

    yield lambda path, body: asyncio.run(send(path, body))
    state.close()


def logged(state: Path) -> list[LoggedFeedback]:
    tail = LogTail(state / FEEDBACK_FOLDER)
    found = [decode_feedback(line.content) for line in tail.read()]
    tail.close()
    return found


def parse(body: object) -> list[FeedbackRecord]:
    def find(_: str) -> None:
        raise TaxiError("no request id")

    return parse_feedback(body, FeedbackContext(("green", "fhvhv"), ZONES, find, NOW))


def wrong_field(**changes: Any) -> str:
    with pytest.raises(InvalidFields) as caught:
        parse({**ENDED, **changes})
    return caught.value.errors[0].field


def test_a_named_ride_is_logged(post: Post, tmp_path: Path) -> None:
    response = post("/feedback", {**ENDED, "service": "fhvhv", "vendor_id": 2})
    assert (response.status_code, response.json()) == (200, {"accepted": 1, "repeated": 0})
    (found,) = logged(tmp_path)
    assert (found.service, found.pickup_zone_id, found.dropoff_zone_id) == ("fhvhv", 74, 75)
    assert (found.actual_minutes, found.vendor_id, found.request_id) == (11.5, 2, None)
    assert found.pickup_at.isoformat() == "2023-03-01T08:30:00-05:00"
    assert datetime.now(UTC) - found.received_at < timedelta(minutes=1)


def test_feedback_on_an_answer_is_logged_once_with_its_ride(post: Post, tmp_path: Path) -> None:
    request_id = post("/predict", {**RIDE, "service": "fhvhv", "vendor_id": 2}).json()["request_id"]
    sent = {"request_id": request_id, "dropoff_at": "2023-03-01T08:42"}
    assert post("/feedback", {"rides": [sent, sent]}).json() == {"accepted": 1, "repeated": 1}
    assert post("/feedback", {"request_id": request_id, "actual_minutes": 3}).json() == {"accepted": 0, "repeated": 1}
    (found,) = logged(tmp_path)
    assert (found.request_id, found.service, found.actual_minutes, found.vendor_id) == (request_id, "fhvhv", 12, 2)
    assert found.pickup_at.isoformat() == "2023-03-01T08:30:00-05:00"


def test_feedback_on_the_rides_of_a_batch_names_the_row(post: Post, tmp_path: Path) -> None:
    rides = [{**RIDE, "pickup_at": f"2023-03-01T08:{minute:02}"} for minute in range(40)]
    request_id = post("/predict_many", {"rides": rides}).json()["request_id"]
    sent = [{"request_id": f"{request_id}.{row}", "actual_minutes": 5 + row} for row in range(40)]
    assert post("/feedback", {"rides": sent}).json() == {"accepted": 40, "repeated": 0}
    assert all(each.actual_minutes == 5 + each.pickup_at.minute for each in logged(tmp_path))
    for wrong in (request_id, f"{request_id}.40"):
        assert post("/feedback", {"request_id": wrong, "actual_minutes": 5}).status_code == 422


def test_rides_of_too_many_batches_are_refused(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback_module, "MAX_ANSWERED_BATCHES", 1)
    ids = [post("/predict_many", {"rides": [RIDE]}).json()["request_id"] for _ in range(2)]
    response = post("/feedback", {"rides": [{"request_id": f"{each}.0", "actual_minutes": 5} for each in ids]})
    assert (response.status_code, "more than 1 batches" in response.json()["detail"]) == (413, True)


@pytest.mark.parametrize("request_id", ["ride 7", 7, "650a1b2c3d4e5f60-1f0", "../../etc/passwd", ""])
def test_an_unknown_request_id_is_refused(post: Post, tmp_path: Path, request_id: object) -> None:
    response = post("/feedback", {"request_id": request_id, "actual_minutes": 5})
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["request_id"]
    assert logged(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        *(({"actual_minutes": value}, "actual_minutes") for value in (0, -3, 1441, "9", True, None, [], 10**400)),
        *(({"dropoff_at": value, "actual_minutes": None}, "dropoff_at") for value in ("2023-03-01T08:30", "soon", 5)),
        ({"dropoff_at": "2023-03-01T08:40"}, "actual_minutes"),  # both
        ({"vendor_id": 100}, "vendor_id"),
        ({"vendor_id": -1}, "vendor_id"),
        ({"vendor_id": True}, "vendor_id"),
        ({"pickup_zone_id": 266}, "pickup_zone_id"),
        ({"service": "limousine"}, "service"),
        ({"trip_distance": 4}, "trip_distance"),
        ({"request_id": "650a1b2c3d4e5f60-1f0"}, "pickup_zone_id"),  # names the ride twice
        ({"pickup_at": "2023-05-31T19:55"}, "actual_minutes"),  # ends after now
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], field: str) -> None:
    assert wrong_field(**changes) == field


def test_a_wrong_ride_of_a_list_is_named_and_nothing_is_logged(post: Post, tmp_path: Path) -> None:
    response = post("/feedback", {"rides": [ENDED, {**ENDED, "actual_minutes": 0}]})
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["rides[1].actual_minutes"]
    assert logged(tmp_path) == []
    assert post("/feedback", {"rides": []}).status_code == 422


def test_a_longer_list_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        parse({"rides": [ENDED] * 10_001})
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("pickup_at", "dropoff_at", "minutes"),
    [
        ("2023-03-01T23:50", "2023-03-02T00:05", 15),
        ("2023-03-12T01:50", "2023-03-12T03:05", 15),  # the clocks go forward
        ("2022-11-06T01:50", "2022-11-06T01:05", 15),  # the clocks show this hour twice
        ("2022-11-06T01:05", "2022-11-06T01:20", 15),
        ("2022-11-06T00:50", "2022-11-06T06:05Z", 75),
    ],
)
def test_a_drop_off_gives_the_elapsed_minutes(pickup_at: str, dropoff_at: str, minutes: float) -> None:
    (found,) = parse({**RIDE, "pickup_at": pickup_at, "dropoff_at": dropoff_at})
    assert found.actual_minutes == minutes


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*ENDED, "rides", "dropoff_at", "request_id", "vendor_id"]), inner)
        ),
        max_leaves=12,
    )
)
def test_any_other_body_is_refused_with_a_sentence(body: object) -> None:
    with pytest.raises(Problem):
        parse(json.loads(json.dumps(body)))


def record(number: int) -> FeedbackRecord:
    ride = {"service": "green", "pickup_zone_id": 74, "dropoff_zone_id": 75, "actual_minutes": 11.5}
    return FeedbackRecord(received_at=NOW, pickup_at=NOW, request_id=f"650a1b2c3d4e5f60-{number:x}", **ride)


def test_workers_log_feedback_on_an_answer_once(tmp_path: Path) -> None:
    logs = [FeedbackLog(tmp_path) for _ in range(4)]

    def send(log: FeedbackLog) -> int:
        return sum(log.append_new([record(number), record(number + 1)]) for number in range(0, 100, 2))

    with ThreadPoolExecutor(len(logs)) as workers:
        assert sum(workers.map(send, logs)) == 100
    assert len({each.request_id for each in logged(tmp_path)}) == len(logged(tmp_path)) == 100
    for log in logs:
        log.close()
    assert len(logged(tmp_path)) == 100


def test_feedback_is_remembered_after_a_restart_up_to_a_bound(tmp_path: Path) -> None:
    first = FeedbackLog(tmp_path)
    assert first.append_new([record(number) for number in range(10)]) == 10
    first.close()
    second = FeedbackLog(tmp_path, max_remembered=4)
    assert second.append_new([record(9), record(6)]) == 0
    assert second.append_new([record(0)]) == 1
    second.close()


def test_the_prediction_log_is_another_folder(post: Post, tmp_path: Path) -> None:
    assert post("/feedback", ENDED).status_code == 200
    assert {path.name for path in tmp_path.iterdir()} >= {LOG_FOLDER, FEEDBACK_FOLDER}

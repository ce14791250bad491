"""Every worker's predictions use the rides that any worker has received, also after a restart."""

import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import small_model

from taxi_assets.serving.endpoint.feedback_log import FEEDBACK_FOLDER, FeedbackLog
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed
from taxi_assets.serving.prediction_log.feedback_record import FeedbackRecord
from taxi_assets.serving.prediction_log.prediction_record import new_york_time
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.served_model import ServedModel
from taxi_assets.serving.variants import CHAMPION, Variant

PICKUP_AT = datetime(2024, 6, 3, 8)


@pytest.fixture(scope="module")
def variant(tmp_path_factory: pytest.TempPathFactory) -> Variant:
    return Variant(CHAMPION, ServedModel.load(small_model.write(tmp_path_factory.mktemp("model") / "serving")))


def completed(minute: int, actual_minutes: float = 55, **fields: Any) -> FeedbackRecord:
    """A slow ride that began so many minutes before eight."""
    pickup_at = new_york_time(PICKUP_AT - timedelta(minutes=minute))
    values = {"service": "green", "pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": pickup_at, **fields}
    return FeedbackRecord(received_at=datetime.now(UTC), actual_minutes=actual_minutes, **values)


def minutes(feed: TrafficFeed, variant: Variant) -> tuple[float, int | None]:
    """The prediction of a ride at eight, and the age of the traffic in it."""
    feed.follow()
    found = feed.of(variant).predict_ride(RideRequest("green", PICKUP_AT, 74, 75))
    return float(found.prediction.minutes[0]), found.traffic_age_seconds


def test_rides_of_any_worker_are_known_to_all(tmp_path: Path, variant: Variant) -> None:
    logs = [FeedbackLog(tmp_path) for _ in range(2)]
    feeds = [TrafficFeed(tmp_path) for _ in range(2)]
    usual = [minutes(feed, variant) for feed in feeds]
    assert usual[0] == usual[1]
    assert usual[0][1] is None
    for number in range(200):
        logs[number % 2].append_new([completed(60 + number % 60)])
    slow = [minutes(feed, variant) for feed in feeds]
    assert slow[0] == slow[1]
    assert slow[0][0] != pytest.approx(usual[0][0])
    assert slow[0][1] == 5 * 60
    for each in (*logs, *feeds):
        each.close()
    after_restart = TrafficFeed(tmp_path)
    assert minutes(after_restart, variant)[0] == pytest.approx(slow[0][0])


def test_other_services_do_not_change_a_prediction(tmp_path: Path, variant: Variant) -> None:
    log, feed = FeedbackLog(tmp_path), TrafficFeed(tmp_path)
    usual = minutes(feed, variant)
    log.append_new([completed(60, service="fhvhv"), completed(60, service="yellow"), completed(60, 100)])
    assert minutes(feed, variant) == usual


def test_bytes_that_are_no_record_are_passed_over(tmp_path: Path, variant: Variant) -> None:
    log, feed = FeedbackLog(tmp_path), TrafficFeed(tmp_path)
    log.append_new([completed(60)])
    log.close()
    (segment,) = (tmp_path / FEEDBACK_FOLDER).glob("*.jsonl")
    segment.write_bytes(b"\x00\x00\n{}\n" + segment.read_bytes())
    assert minutes(feed, variant)[1] == 5 * 60


def test_the_oldest_rides_are_dropped(tmp_path: Path, variant: Variant) -> None:
    log, feed = FeedbackLog(tmp_path), TrafficFeed(tmp_path, max_rides=3)
    log.append_new([completed(60 + number) for number in range(10)])
    feed.follow()
    assert [ride.pickup_at.minute for ride, _ in feed._rides.since(0)] == [53, 52, 51]


def test_a_model_prepared_while_rides_come_in_knows_them_all(tmp_path: Path, variant: Variant) -> None:
    log, feed = FeedbackLog(tmp_path), TrafficFeed(tmp_path)
    other = Variant("deployment", replace(variant.model))
    minutes(feed, variant)
    with ThreadPoolExecutor(1) as thread:
        for number in range(30):
            log.append_new([completed(60 + number % 60) for _ in range(50)])
            feed.follow()
            if number == 10:
                prepared = thread.submit(feed.prepare, other.model)
    assert prepared.result() is feed.of(other)
    assert minutes(feed, other)[0] == pytest.approx(minutes(feed, variant)[0])


@pytest.mark.parametrize(
    "fields",
    [
        {"service": "nope"},
        {"pickup_zone_id": -1},
        {"dropoff_zone_id": 70_000},
        {"vendor_id": 999},
        {"actual_minutes": 0},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_an_impossible_record_is_passed_over(tmp_path: Path, variant: Variant, fields: dict[str, Any]) -> None:
    log, feed = FeedbackLog(tmp_path), TrafficFeed(tmp_path)
    log.append_new([completed(70), completed(65, **fields), completed(60)])
    feed.follow()
    assert [ride.pickup_at.minute for ride, _ in feed._rides.since(0)] == [50, 0]
    assert minutes(feed, variant)[1] == 5 * 60


def test_a_forgotten_model_is_freed(tmp_path: Path, variant: Variant) -> None:
    feed, model = TrafficFeed(tmp_path), replace(variant.model)
    freed = weakref.ref(feed.prepare(model))
    feed.prepare(variant.model)
    feed.keep([variant.model])
    assert freed() is None
    assert feed.of(variant) is feed.of(variant)

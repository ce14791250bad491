"""Batches are predicted one by one, each from traffic that stays as it is."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from taxi_assets.serving.endpoint.batch_worker import MAX_BATCHES, BatchWorker
from taxi_assets.serving.endpoint.feedback_log import FeedbackLog
from taxi_assets.serving.endpoint.problem_details import Problem
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed
from taxi_assets.serving.prediction_log.feedback_record import FeedbackRecord
from taxi_assets.serving.prediction_log.prediction_record import new_york_time


class Batch:
    """A batch that is computed until it is released; it notes what happens."""

    def __init__(self, happened: list[str], name: str) -> None:
        self.begun, self.released = threading.Event(), threading.Event()
        self.happened, self.name = happened, name

    def respond(self) -> str:
        self.begun.set()
        assert self.released.wait(30)
        self.happened.append(f"{self.name} answered")
        return self.name

    def after_answer(self, answer: str) -> None:
        self.happened.append(f"{answer} shadowed")

    async def is_computed(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 30)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


def known_rides(feed: TrafficFeed) -> int:
    feed.follow()
    return len(feed._rides)


def log_ride(log: FeedbackLog) -> None:
    at = new_york_time(datetime(2024, 6, 3, 8))
    log.append_new(
        [
            FeedbackRecord(
                received_at=datetime.now(UTC),
                actual_minutes=9,
                service="green",
                pickup_zone_id=74,
                dropoff_zone_id=75,
                pickup_at=at,
            )
        ]
    )


def test_rides_completed_during_a_batch_are_taken_in_after_it(tmp_path: Path) -> None:
    feed, log = TrafficFeed(tmp_path), FeedbackLog(tmp_path)

    async def run() -> list[int]:
        worker, batch = BatchWorker(feed), Batch([], "first")
        answer = asyncio.create_task(worker.predict(batch.respond))
        await batch.is_computed()
        log_ride(log)
        counts = [known_rides(feed)]
        batch.released.set()
        assert await answer == "first"
        await until(lambda: known_rides(feed) == 1)
        return counts

    assert asyncio.run(run()) == [0]


def test_batches_take_turns_and_their_shadows_too(tmp_path: Path) -> None:
    happened: list[str] = []

    async def run() -> None:
        worker, batches = BatchWorker(TrafficFeed(tmp_path)), [Batch(happened, name) for name in ("first", "second")]
        answers = [asyncio.create_task(worker.predict(each.respond, each.after_answer)) for each in batches]
        await batches[0].is_computed()
        assert not batches[1].begun.is_set()
        for each in batches:
            each.released.set()
        assert await asyncio.gather(*answers) == ["first", "second"]
        await worker.finish()

    asyncio.run(run())
    assert happened == ["first answered", "first shadowed", "second answered", "second shadowed"]


def test_a_batch_whose_client_gave_up_ends_before_the_next_begins(tmp_path: Path) -> None:
    happened: list[str] = []

    async def run() -> None:
        worker, batches = BatchWorker(TrafficFeed(tmp_path)), [Batch(happened, str(number)) for number in range(3)]
        answers = [asyncio.create_task(worker.predict(each.respond)) for each in batches]
        await batches[0].is_computed()
        for answer in answers[:2]:  # one computed, one waiting
            answer.cancel()
        for each in batches:
            each.released.set()
        assert await answers[2] == "2"

    asyncio.run(run())
    assert happened == ["0 answered", "2 answered"]


def test_an_error_reaches_the_client_and_the_next_batch_is_predicted(tmp_path: Path) -> None:
    async def run() -> None:
        worker, batch = BatchWorker(TrafficFeed(tmp_path)), Batch([], "next")
        with pytest.raises(ZeroDivisionError):
            await worker.predict(lambda: 1 / 0)
        batch.released.set()
        assert await worker.predict(batch.respond) == "next"

    asyncio.run(run())


def test_too_many_batches_are_refused(tmp_path: Path) -> None:
    async def run() -> None:
        worker, batch = BatchWorker(TrafficFeed(tmp_path)), Batch([], "batch")
        answers = [asyncio.create_task(worker.predict(batch.respond)) for _ in range(MAX_BATCHES)]
        await batch.is_computed()
        with pytest.raises(Problem, match="batches are predicted at a time"):
            await worker.predict(batch.respond)
        batch.released.set()
        await asyncio.gather(*answers)

    asyncio.run(run())

"""Predicts batches in a thread, so that single rides are answered meanwhile."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from taxi_assets.serving.endpoint.problem_details import too_busy
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed

MAX_BATCHES = 4  # waiting or computed at a time; one of 10,000 rides takes a fifth of a second
Answer = TypeVar("Answer")


class BatchWorker:
    """Predicts batches and their shadows one after the other, each from traffic that does not change.

    Args:
        traffic: Recent traffic; it takes in completed rides before each batch.
    """

    def __init__(self, traffic: TrafficFeed) -> None:
        self._traffic = traffic
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict_many")
        self._unfinished: list[asyncio.Task[None]] = []

    async def predict(
        self, respond: Callable[[], Answer], after_answer: Callable[[Answer], None] | None = None
    ) -> Answer:
        """The result of a function, called in the thread.

        Args:
            respond: The function.
            after_answer: Is called in the thread with the result, once it is sent.

        Raises:
            Problem: too many batches wait; or what the function raises.
        """
        self._unfinished = [task for task in self._unfinished if not task.done()]
        if len(self._unfinished) >= MAX_BATCHES:
            raise too_busy(f"{MAX_BATCHES} batches are predicted")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        # A task of its own: the thread reads the traffic to its end, also if the request times out.
        turn = self._take_turn(self._unfinished[-1:], respond, after_answer, answer)
        self._unfinished.append(asyncio.create_task(turn))
        return await answer

    async def finish(self) -> None:
        """Wait until no batch is left, nor any of its shadows."""
        if unfinished := [task for task in self._unfinished if not task.done()]:
            await asyncio.wait(unfinished)

    async def _take_turn(
        self,
        before: Sequence[asyncio.Task[None]],
        respond: Callable[[], Any],
        after_answer: Callable[[Any], None] | None,
        answer: asyncio.Future[Any],
    ) -> None:
        if before:
            await asyncio.wait(before)
        if answer.cancelled():
            return
        loop = asyncio.get_running_loop()
        self._traffic.follow()
        with self._traffic.unchanged():
            try:
                found = await loop.run_in_executor(self._thread, respond)
            except Exception as error:
                if not answer.cancelled():
                    answer.set_exception(error)
                return
            if not answer.cancelled():
                answer.set_result(found)
            if after_answer:
                await asyncio.sleep(0)  # the answer is sent
                await loop.run_in_executor(self._thread, after_answer, found)

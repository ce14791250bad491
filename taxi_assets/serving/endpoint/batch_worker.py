"""Predicts batches in a thread, so that single rides are answered meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from taxi_assets.serving.endpoint.problem_details import too_busy
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed

MAX_BATCHES = 4  # waiting or computed at a time; one of 10,000 rides takes a fifth of a second
Answer = TypeVar("Answer")


class BatchWorker:
    """Predicts batches one after the other; recent traffic does not change during one.

    Args:
        traffic: Recent traffic; it takes in completed rides before each batch.
    """

    def __init__(self, traffic: TrafficFeed) -> None:
        self._traffic = traffic
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict_many")
        self._turn = asyncio.Lock()
        self._unfinished: set[asyncio.Task[None]] = set()

    async def predict(self, respond: Callable[[], Answer]) -> Answer:
        """The result of a function, called in the thread.

        Raises:
            Problem: too many batches wait; or what the function raises.
        """
        if len(self._unfinished) >= MAX_BATCHES:
            raise too_busy(f"{MAX_BATCHES} batches are predicted")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        # A task of its own: the thread reads the traffic to its end, also if the request times out.
        task = asyncio.create_task(self._take_turn(respond, answer))
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        return await answer

    async def _take_turn(self, respond: Callable[[], Any], answer: asyncio.Future[Any]) -> None:
        async with self._turn:
            if answer.cancelled():
                return
            self._traffic.follow()
            with self._traffic.unchanged():
                try:
                    found = await asyncio.get_running_loop().run_in_executor(self._thread, respond)
                except Exception as error:
                    if not answer.cancelled():
                        answer.set_exception(error)
                    return
                if not answer.cancelled():
                    answer.set_result(found)

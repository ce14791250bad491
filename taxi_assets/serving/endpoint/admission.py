"""Limits the number of requests at a time, else 503, and the time of each, else 504."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from random import uniform
from time import monotonic

from starlette.requests import Request
from starlette.responses import Response

from taxi_assets.serving.endpoint.problem_details import Problem, problem_response, too_busy

# Of one worker. A ride takes a fifth of a millisecond, so the last of a sudden 64 waits some 13 ms.
MAX_ADMITTED = 64
# While requests are refused, their cost is added to the wait of the admitted, so that fewer are.
MAX_ADMITTED_OVERLOADED = 16
OVERLOAD_SECONDS = 1.0
REFUSAL_DELAY_SECONDS = 0.1
REQUEST_TIMEOUT_SECONDS = 2.0  # including the reading of the body

Handler = Callable[[Request], Awaitable[Response]]


class Admission:
    """Refuses a request if too many are admitted, and answers for one that takes too long.

    Args:
        max_admitted: The number of requests admitted at a time, over all limited handlers.
        max_overloaded: The same while the endpoint is overloaded.
        overload_seconds: It is overloaded for so long after a refusal.
    """

    def __init__(
        self,
        max_admitted: int = MAX_ADMITTED,
        max_overloaded: int = MAX_ADMITTED_OVERLOADED,
        overload_seconds: float = OVERLOAD_SECONDS,
    ) -> None:
        self.max_admitted, self.max_overloaded = max_admitted, max_overloaded
        self.overload_seconds = overload_seconds
        self.admitted = 0
        self._begun = 0  # in this round of the event loop: a ride is predicted before the next request begins
        self._refused_at = -math.inf
        self._refusal = problem_response(too_busy("too many requests are answered"))

    def is_overloaded(self) -> bool:
        """True for some time after each refusal."""
        return monotonic() - self._refused_at < self.overload_seconds

    def limit(self, handler: Handler, timeout: float = REQUEST_TIMEOUT_SECONDS) -> Handler:
        """The handler with this limit, and with 504 after `timeout` seconds."""
        late = f"the request took longer than {timeout:g} seconds: send the whole body, or fewer rides"

        async def limited(request: Request) -> Response:
            if self._is_full():
                self._refused_at = monotonic()
                # Clients that try again at once would take time from the admitted, most of all together.
                await asyncio.sleep(REFUSAL_DELAY_SECONDS * uniform(0.5, 1.5))  # noqa: S311
                return self._refusal
            self.admitted += 1
            try:
                async with asyncio.timeout(timeout) as limit:
                    return await handler(request)
            except TimeoutError:
                if not limit.expired():
                    raise
                return problem_response(Problem(504, late))
            finally:
                self.admitted -= 1

        return limited

    def _is_full(self) -> bool:
        if not self._begun:
            asyncio.get_running_loop().call_soon(self._end_round)
        self._begun += 1
        count = max(self._begun - 1, self.admitted)
        return count >= self.max_admitted or (count >= self.max_overloaded and self.is_overloaded())

    def _end_round(self) -> None:
        self._begun = 0

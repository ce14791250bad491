"""Limits the number of requests at a time, else 503, and the time of each, else 504."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taxi_assets.serving.endpoint.problem_details import Problem, problem_response, too_busy

# Of one worker. A ride takes a fifth of a millisecond, so the last of them waits less than 20 ms.
MAX_ADMITTED = 64
REFUSAL_DELAY_SECONDS = 0.1
REQUEST_TIMEOUT_SECONDS = 2.0  # including the reading of the body


class Admission:
    """ASGI middleware that refuses a POST if too many are admitted, or if it takes too long.

    Args:
        app: The wrapped app.
        max_admitted: The number of requests admitted at a time.
        timeout: Seconds until a request is answered with 504.
    """

    def __init__(
        self, app: ASGIApp, max_admitted: int = MAX_ADMITTED, timeout: float = REQUEST_TIMEOUT_SECONDS
    ) -> None:
        self.app = app
        self.max_admitted = max_admitted
        self.timeout = timeout
        self.admitted = 0
        self._refusal = problem_response(too_busy(f"{max_admitted} requests are answered"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        if self.admitted >= self.max_admitted:
            # A client that tries again at once would take time from the admitted.
            await asyncio.sleep(REFUSAL_DELAY_SECONDS)
            await self._refusal(scope, receive, send)
            return
        self.admitted += 1
        try:
            # Requests that came together are all counted before the first is predicted.
            await asyncio.sleep(0)
            await self._within_timeout(scope, receive, send)
        finally:
            self.admitted -= 1

    async def _within_timeout(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def noting(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            async with asyncio.timeout(self.timeout):
                await self.app(scope, receive, noting)
        except TimeoutError:
            if has_started:
                raise
            await problem_response(self._late())(scope, receive, send)

    def _late(self) -> Problem:
        return Problem(
            504, f"the request took longer than {self.timeout:g} seconds: send the whole body, or fewer rides"
        )

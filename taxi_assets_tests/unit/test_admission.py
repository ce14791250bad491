"""Requests beyond the limits get 503 with `Retry-After`, or 504; all others reach the app."""

import asyncio
import json
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from taxi_assets.serving.endpoint.admission import Admission

Response = tuple[int, dict[str, Any], dict[bytes, bytes]]
POST = {"type": "http", "method": "POST", "path": "/predict", "headers": []}


async def respond(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers at once."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def wait(scope: Scope, receive: Receive, send: Send) -> None:
    """Never answers."""
    await asyncio.Event().wait()


async def call(app: Admission, **scope: str) -> Response:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({**POST, **scope}, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"]), dict(sent[0]["headers"])


def call_together(app: Admission, count: int) -> list[Response]:
    async def call_all() -> list[Response]:
        return await asyncio.gather(*(call(app) for _ in range(count)))

    return asyncio.run(call_all())


def test_requests_beyond_the_limit_are_refused_with_the_time_to_wait() -> None:
    app = Admission(respond, max_admitted=3)
    responses = call_together(app, 5)
    assert [status for status, _, _ in responses] == [200, 200, 200, 503, 503]
    _, problem, headers = responses[-1]
    assert (problem["title"], headers[b"retry-after"]) == ("Service Unavailable", b"1")
    assert "3 requests are answered at a time: try again in 1 s" in problem["detail"]


def test_the_next_requests_are_admitted_again() -> None:
    app = Admission(respond, max_admitted=1)
    for _ in range(2):
        assert [status for status, _, _ in call_together(app, 2)] == [200, 503]


def test_a_request_that_takes_too_long_is_answered() -> None:
    app = Admission(wait, max_admitted=2, timeout=0.01)
    status, problem, _ = asyncio.run(call(app))
    assert (status, problem["title"]) == (504, "Gateway Timeout")
    assert "longer than 0.01 seconds" in problem["detail"]
    assert app.admitted == 0


def test_reading_is_always_admitted() -> None:
    app = Admission(respond, max_admitted=0)
    assert asyncio.run(call(app, method="GET"))[0] == 200
    assert asyncio.run(call(app))[0] == 503


def test_a_failing_app_frees_its_place() -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    app = Admission(fail, max_admitted=1)
    for _ in range(2):
        try:
            asyncio.run(call(app))
        except RuntimeError:
            continue
        raise AssertionError
    assert app.admitted == 0

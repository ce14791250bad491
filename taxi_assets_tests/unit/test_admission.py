"""Requests beyond the limits get 503 with `Retry-After`, or 504; all others reach the app."""

import asyncio
import json
import time
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from taxi_assets.serving.endpoint.admission import Admission, Handler

REQUEST = Request({"type": "http", "method": "POST", "path": "/predict", "headers": []})


async def respond(_: Request) -> Response:
    return Response(b"{}")


async def wait(_: Request) -> Response:
    await asyncio.Event().wait()
    raise AssertionError


async def fail(_: Request) -> Response:
    raise TimeoutError


def call_together(handler: Handler, count: int) -> list[Response]:
    async def call_all() -> list[Response]:
        return await asyncio.gather(*(handler(REQUEST) for _ in range(count)))

    return asyncio.run(call_all())


def problem(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(response.body))
    return found


def test_requests_beyond_the_limit_are_refused_with_the_time_to_wait() -> None:
    responses = call_together(Admission(3).limit(respond), 5)
    assert [response.status_code for response in responses] == [200, 200, 200, 503, 503]
    refusal = responses[-1]
    assert (problem(refusal)["title"], refusal.headers["retry-after"]) == ("Service Unavailable", "1")
    assert "too many requests are answered at a time: try again in 1 s" in problem(refusal)["detail"]


def test_the_next_requests_are_admitted_again() -> None:
    handler = Admission(1).limit(respond)
    for _ in range(2):
        assert [response.status_code for response in call_together(handler, 2)] == [200, 503]


def statuses(admission: Admission, count: int) -> list[int]:
    return [response.status_code for response in call_together(admission.limit(respond), count)]


def test_fewer_are_admitted_while_others_are_refused() -> None:
    admission = Admission(4, max_overloaded=2, overload_seconds=0.15)
    assert statuses(admission, 4) == [200] * 4
    assert not admission.is_overloaded()
    assert statuses(admission, 5) == [200] * 4 + [503]
    assert admission.is_overloaded()
    assert statuses(admission, 4) == [200] * 2 + [503] * 2
    deadline = time.monotonic() + 10
    while admission.is_overloaded():
        assert time.monotonic() < deadline
    assert statuses(admission, 4) == [200] * 4


def test_handlers_share_one_limit() -> None:
    admission = Admission(1)

    async def call_both() -> list[Response]:
        return await asyncio.gather(*(admission.limit(respond)(REQUEST) for _ in range(2)))

    assert [response.status_code for response in asyncio.run(call_both())] == [200, 503]


def test_a_request_that_takes_too_long_is_answered() -> None:
    admission = Admission(2)
    (response,) = call_together(admission.limit(wait, timeout=0.01), 1)
    assert (response.status_code, problem(response)["title"]) == (504, "Gateway Timeout")
    assert "longer than 0.01 seconds" in problem(response)["detail"]
    assert admission.admitted == 0


def test_a_failing_handler_frees_its_place_and_is_no_timeout() -> None:
    admission = Admission(1)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            call_together(admission.limit(fail), 1)
    assert admission.admitted == 0

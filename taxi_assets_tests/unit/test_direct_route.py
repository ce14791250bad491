"""The direct route answers as Starlette's own route does, errors included."""

import asyncio
import logging

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from taxi_assets.serving.endpoint.direct_route import DirectRoute
from taxi_assets.serving.endpoint.problem_details import InvalidFields, Problem, problem_response

REFUSAL = InvalidFields([])


async def handle(request: Request) -> Response:
    body = await request.body()
    if body == b"problem":
        raise REFUSAL
    if body == b"bug":
        raise ZeroDivisionError
    return JSONResponse({"body": body.decode(), "app": type(request.app).__name__})


async def on_problem(_: Request, problem: Problem) -> Response:
    return problem_response(problem)


async def on_error(_: Request, _error: Exception) -> Response:
    return Response(b"failed", 500)


APP = Starlette(
    routes=[Route("/predict", handle, methods=["POST"])],
    exception_handlers={Problem: on_problem, Exception: on_error},  # type: ignore[dict-item]
)


def send(app: object, method: str, path: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://endpoint") as client:
            return await client.request(method, path, content=body)

    response = asyncio.run(request())
    return response.status_code, response.content, dict(response.headers)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/predict", b"ride"),
        ("POST", "/predict", b"problem"),
        ("POST", "/predict", b"bug"),
        ("GET", "/predict", b""),
        ("POST", "/predict/", b"ride"),
        ("POST", "/other", b"ride"),
    ],
)
def test_each_request_gets_the_response_of_the_app(method: str, path: str, body: bytes) -> None:
    direct = DirectRoute(APP, "/predict", handle)
    assert send(direct, method, path, body) == send(APP, method, path, body)


def test_an_unexpected_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        send(DirectRoute(APP, "/predict", handle), "POST", "/predict", b"bug")
    assert "POST /predict failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text

"""The app answers before BentoML's middlewares unless they trace requests."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taxi_assets.serving.endpoint.dispatch import Dispatch


class Tracing:
    """A middleware of BentoML's, which notes the requests that reach it."""

    def __init__(self, app: ASGIApp, traced: list[str]) -> None:
        self.app, self.traced = app, traced

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.traced.append(scope["path"])
        await self.app(scope, receive, send)


async def health(_: Request) -> PlainTextResponse:
    return PlainTextResponse("healthy")


async def texts_of(app: Starlette, paths: tuple[str, ...]) -> list[str]:
    """Start the app as a server does; the texts of its responses."""
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        return next(messages)

    async def send(_: Message) -> None: ...

    await app({"type": "lifespan"}, receive, send)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://endpoint") as client:
        return [(await client.get(path)).text for path in paths]


@pytest.mark.parametrize(
    ("moves_outside", "traced"),
    [(True, ["/healthz", "/livez/now"]), (False, ["/predict", "/healthz", "/livez/now", "/"])],
)
def test_bentomls_middlewares_see_its_own_addresses_or_all(
    moves_outside: bool, traced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dispatch, "direct", PlainTextResponse("app"), raising=False)
    found: list[str] = []
    middlewares = [Middleware(Tracing, traced=found), Middleware(Dispatch, moves_outside=moves_outside)]
    app = Starlette(routes=[Route("/healthz", health)], middleware=middlewares)
    assert asyncio.run(texts_of(app, ("/predict", "/healthz", "/livez/now", "/"))) == [
        "app",
        "healthy",
        "Not Found",
        "app",
    ]
    assert found == traced

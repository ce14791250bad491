"""Lets only small JSON bodies through to an ASGI app: BentoML takes any size and several formats."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["MAX_BODY_BYTES", "JsonBodies"]

MAX_BODY_BYTES = 64 * 1024
# What a body may be called: the second is what curl says where it is not told.
_CALLED_JSON = frozenset({b"", b"application/json", b"application/x-www-form-urlencoded"})

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class JsonBodies:
    """ASGI middleware that answers 413, 415 or 400 itself; anything else reaches the app, called JSON.

    Args:
        app: The app behind.
        max_bytes: The longest body let through.
    """

    def __init__(self, app: App, max_bytes: int = MAX_BODY_BYTES) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        called = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if called not in _CALLED_JSON:
            name = called[:80].decode("latin-1")
            await _refuse(send, 415, f"the body is called {name}: send application/json")
            return
        body = await self._read(receive, headers.get(b"content-length", b"0"))
        if body is None:
            await _refuse(send, 413, f"the body is longer than {self.max_bytes} bytes: ask about one ride")
        elif problem := _problem(body):
            await _refuse(send, 400, f"the body is not JSON ({problem}): send an object such as {{}} with the fields")
        else:
            others = [header for header in scope["headers"] if header[0] != b"content-type"]
            as_json = {**scope, "headers": [*others, (b"content-type", b"application/json")]}
            await self.app(as_json, _replay(body, receive), send)

    async def _read(self, receive: Receive, announced: bytes) -> bytes | None:
        """The whole body, or None where it is too long; no more of it is held than is allowed."""
        if announced.isdigit() and int(announced) > self.max_bytes:
            return None
        body, has_more = b"", True
        while has_more:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self.max_bytes:
                return None
            has_more = message.get("more_body", False)
        return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that tells of the body that has been read, then of what comes after."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


def _problem(body: bytes) -> str | None:
    try:
        json.loads(body or b"{}")
    except RecursionError:
        return "nested too deeply"
    except ValueError as error:
        return str(error)[:100]
    return None


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

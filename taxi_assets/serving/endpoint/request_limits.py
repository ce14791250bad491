"""Lets only small JSON bodies through to an ASGI app, and makes its errors JSON.

BentoML accepts any size and several formats; its own errors are plain text.
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taxi_assets.errors import TaxiError
from taxi_assets.serving.endpoint.ride_request import RIDE_SCHEMA

MAX_BODY_BYTES = 64 * 1024
# Accepted media types; the second is curl's default.
_ACCEPTED_MEDIA_TYPES = frozenset({b"", b"application/json", b"application/x-www-form-urlencoded"})
_CHARSETS = frozenset({b"", b"utf-8", b"utf8", b"us-ascii"})
_MAX_DIGITS = 4300  # Python's limit for parsing integers
_EXAMPLE = json.dumps({name: RIDE_SCHEMA["properties"][name]["example"] for name in RIDE_SCHEMA["required"]})
_ADDRESS_ERRORS = {
    404: "there is nothing at this address: GET / describes every address",
    405: "this address has another method: GET / describes every address",
}


class InvalidBody(TaxiError):
    """A rejected body, with the response's status and the problem of each wrong field."""

    def __init__(self, status: int, sentence: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.fields = fields


class RequestLimits:
    """ASGI middleware that responds 400, 413, 415 or 422 itself; other bodies reach the app as JSON.

    Responses 404 and 405 of the app become JSON.

    Args:
        app: The wrapped app.
        max_bytes: The largest accepted body.
    """

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        send = _with_json_errors(scope, receive, send)
        if scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        try:
            headers = dict(scope["headers"])
            _check_headers(headers)
            body = await self._read(receive, headers.get(b"content-length", b"0"))
            parse_json(body)
        except InvalidBody as refusal:
            await _response(refusal)(scope, receive, send)
            return
        others = [header for header in scope["headers"] if header[0] != b"content-type"]
        as_json = {**scope, "headers": [*others, (b"content-type", b"application/json")]}
        await self.app(as_json, _replay(body, receive), send)

    async def _read(self, receive: Receive, announced: bytes) -> bytes:
        """Read the whole body, up to the limit.

        Raises:
            InvalidBody: the body is too long.
        """
        too_long = InvalidBody(413, f"the body is longer than {self.max_bytes} bytes: ask about one ride")
        if announced.isdigit() and int(announced) > self.max_bytes:
            raise too_long
        body, has_more = b"", True
        while has_more:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self.max_bytes:
                raise too_long
            has_more = message.get("more_body", False)
        return body


def parse_json(body: bytes) -> Any:
    """Parse the body; an empty body is an empty object.

    Raises:
        InvalidBody: it is not JSON in UTF-8, or an object in it names a field twice.
    """
    if not body:
        return {}
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_reject_repeated_fields,
            parse_constant=_reject_constant,
            parse_int=_integer,
        )
    except UnicodeDecodeError:
        problem = "it is not text in UTF-8"
    except RecursionError:
        problem = "nested too deeply"
    except ValueError as error:
        problem = str(error)[:100]
    raise InvalidBody(400, f"the body is not JSON ({problem}): send an object such as {_EXAMPLE}")


def _check_headers(headers: Mapping[bytes, bytes]) -> None:
    media_type, _, parameters = headers.get(b"content-type", b"").lower().partition(b";")
    if media_type.strip() not in _ACCEPTED_MEDIA_TYPES:
        raise InvalidBody(415, f"the body's media type is {_text(media_type.strip())}: send application/json")
    charset = parameters.partition(b"charset=")[2].partition(b";")[0].strip(b' "')
    if charset not in _CHARSETS:
        raise InvalidBody(415, f"the body's charset is {_text(charset)}: send application/json in UTF-8")
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding != b"identity":
        raise InvalidBody(415, f"the body is compressed ({_text(encoding)}): send it uncompressed")


def _reject_repeated_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        name = next(name for name in names if names.count(name) > 1)
        name_json = json.dumps(name[:40]).strip('"')
        raise InvalidBody(422, f"{name_json} is given twice: give it once", {name_json: "is given twice: give it once"})
    return found


def _reject_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number in JSON")


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _MAX_DIGITS else float(text)


def _text(value: bytes) -> str:
    return value[:80].decode("latin-1")


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that returns the body already read, then later messages."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


def _with_json_errors(scope: Scope, receive: Receive, send: Send) -> Send:
    """A `send` that replaces the text of an unknown address or a wrong method by JSON."""
    is_replaced = False

    async def replacing(message: Message) -> None:
        nonlocal is_replaced
        if message["type"] == "http.response.start" and message["status"] in _ADDRESS_ERRORS:
            is_replaced = True
            response = _response(InvalidBody(message["status"], _ADDRESS_ERRORS[message["status"]]))
            response.raw_headers += [header for header in message["headers"] if header[0] == b"allow"]
            await response(scope, receive, send)
        elif not is_replaced:
            await send(message)

    return replacing


def _response(refusal: InvalidBody) -> JSONResponse:
    fields = {"fields": dict(refusal.fields)} if refusal.fields else {}
    return JSONResponse({"error": str(refusal), **fields}, refusal.status)

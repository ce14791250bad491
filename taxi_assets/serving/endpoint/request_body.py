"""Reads JSON bodies up to a size limit; refuses other media types, charsets and compression."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request

from taxi_assets.serving.endpoint.problem_details import FieldError, InvalidFields, Problem, as_json

MAX_RIDE_BYTES, MAX_BATCH_BYTES = 64 * 1024, 4 * 1024 * 1024
# Accepted media types; the second is curl's default.
_ACCEPTED_MEDIA_TYPES = frozenset({"", "application/json", "application/x-www-form-urlencoded"})
_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii"})
_MAX_DIGITS = 4300  # Python's limit for parsing integers
_MAX_SHOWN = 80  # characters of a header in a response
RIDE_EXAMPLE = '{"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30"}'


async def read_body(request: Request, max_bytes: int, remedy: str) -> bytes:
    """Read the whole body.

    Args:
        request: The request, whose headers must announce uncompressed JSON in UTF-8.
        max_bytes: The largest accepted body; longer ones are read no further.
        remedy: Advice for a client whose body is longer.

    Raises:
        Problem: status 413 for a longer body, 415 for another media type, charset or compression.
    """
    headers = dict(reversed(request.scope["headers"]))  # the first of equal names counts
    if headers.get(b"content-type") != b"application/json" or b"content-encoding" in headers:
        _check_headers(request.headers)
    announced = headers.get(b"content-length", b"0")
    chunks, is_complete = [], False
    size = int(announced) if announced.isdigit() and int(announced) > max_bytes else 0
    while size <= max_bytes and not is_complete:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        is_complete = not message.get("more_body", False)
    if size > max_bytes:
        raise Problem(413, f"the body is longer than {max_bytes} bytes: {remedy}")
    return b"".join(chunks)


def parse_json(body: bytes, example: str = RIDE_EXAMPLE) -> Any:
    """Parse the body; an empty body is an empty object.

    Args:
        body: The body.
        example: A right one, for the error.

    Raises:
        Problem: it is not JSON in UTF-8, or an object in it names a field twice.
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
        fault = "it is not text in UTF-8"
    except RecursionError:
        fault = "nested too deeply"
    except ValueError as error:
        fault = str(error)[:100]
    raise Problem(400, f"the body is not JSON ({fault}): send an object such as {example}")


def _check_headers(headers: Mapping[str, str]) -> None:
    media_type, _, parameters = headers.get("content-type", "").lower().partition(";")
    if media_type.strip() not in _ACCEPTED_MEDIA_TYPES:
        raise Problem(415, f"the body's media type is {media_type.strip()[:_MAX_SHOWN]}: send application/json")
    charset = parameters.partition("charset=")[2].partition(";")[0].strip("' \"")
    if charset not in _CHARSETS:
        raise Problem(415, f"the body's charset is {charset[:_MAX_SHOWN]}: send application/json in UTF-8")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise Problem(415, f"the body is compressed ({encoding[:_MAX_SHOWN]}): send it uncompressed")


def _reject_repeated_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        name = next(name for name in names if names.count(name) > 1)
        values = [value for each, value in pairs if each == name]
        raise InvalidFields(
            [FieldError(as_json(name).strip('"'), as_json(values), "given more than once, give it once")]
        )
    return found


def _reject_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number in JSON")


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _MAX_DIGITS else float(text)

"""Only small JSON bodies are read; others are refused, and memory stays bounded."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from taxi_assets.serving.endpoint.problem_details import InvalidFields, Problem
from taxi_assets.serving.endpoint.request_body import parse_json, read_body

LIMIT = 100
READ = 204

json_texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
).map(lambda value: json.dumps(value).encode())


def read(*chunks: bytes, headers: dict[str, str] | None = None, ends: bool = True) -> tuple[int, str, int]:
    """Reads a body sent in chunks; returns the status, the problem, and the number of chunks read."""
    messages: Iterator[Message] = iter(
        {"type": "http.request", "body": chunk, "more_body": not ends or number < len(chunks)}
        for number, chunk in enumerate(chunks, 1)
    )
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        taken += 1
        return next(messages, {"type": "http.disconnect"})

    pairs = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    request = Request({"type": "http", "method": "POST", "headers": pairs}, receive)
    try:
        body = asyncio.run(read_body(request, LIMIT, "send less"))
        parse_json(body)
    except Problem as problem:
        return problem.status, problem.detail, taken
    assert body == b"".join(chunks)
    return READ, "", taken


@pytest.mark.parametrize(
    "chunks", [(b'{"a": 1}',), (b'{"a"', b": 1", b"}"), (b"",), (b"7",), (b'"' + b"a" * 98 + b'"',)]
)
def test_small_json_arrives_unchanged(chunks: tuple[bytes, ...]) -> None:
    assert read(*chunks)[0] == READ


@pytest.mark.parametrize(
    "called", ["application/json", "Application/JSON; charset=utf-8", "application/x-www-form-urlencoded"]
)
def test_json_and_unspecific_content_types_are_accepted(called: str) -> None:
    assert read(b"{}", headers={"Content-Type": called})[0] == READ


@pytest.mark.parametrize("called", ["multipart/form-data; boundary=x", "application/vnd.bentoml+pickle", "text/html"])
def test_other_content_types_are_refused(called: str) -> None:
    status, error, _ = read(b"{}", headers={"Content-Type": called})
    assert (status, error.endswith("send application/json")) == (415, True)


def test_a_body_with_a_large_content_length_is_refused_unread() -> None:
    assert read(b"", headers={"Content-Length": str(LIMIT + 1)})[::2] == (413, 0)


def test_a_long_body_is_read_no_further_than_the_limit() -> None:
    assert read(*[b" " * 60] * 50)[::2] == (413, 2)


def test_body_over_the_limit_is_rejected_with_the_limit() -> None:
    status, error, _ = read(b" " * (LIMIT + 1), headers={"Content-Length": "7"})
    assert (status, f"longer than {LIMIT} bytes" in error) == (413, True)


@pytest.mark.parametrize(
    "called", ["application/json; charset=latin-1", 'application/json; boundary=x; charset="utf-16"']
)
def test_another_charset_is_refused(called: str) -> None:
    status, error, _ = read(b"{}", headers={"Content-Type": called})
    assert (status, error.endswith("send application/json in UTF-8")) == (415, True)


def test_a_compressed_body_is_refused() -> None:
    status, error, _ = read(b"{}", headers={"Content-Encoding": "gzip"})
    assert (status, "compressed (gzip)" in error) == (415, True)
    assert read(b"{}", headers={"Content-Encoding": "identity"})[0] == READ


@pytest.mark.parametrize(
    ("body", "expected_message"),
    [
        (b"{", "Expecting property name"),
        (b"{'a': 1}", "Expecting property name"),
        (b"a=b", "Expecting value"),
        (b"[" * 90, "Expecting value"),
        (b"\xff", "it is not text in UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "it is not text in UTF-8"),
        ('{"a": "é"}'.encode("latin-1"), "it is not text in UTF-8"),
        (b'{"a": NaN}', "NaN is not a number in JSON"),
        (b'{"a": Infinity}', "Infinity is not a number in JSON"),
        (b"[-Infinity]", "-Infinity is not a number in JSON"),
        (b'{"a": 1} {"a": 2}', "Extra data"),
        (b" ", "Expecting value"),
    ],
)
def test_a_body_that_is_not_json_is_refused(body: bytes, expected_message: str) -> None:
    status, error, _ = read(body)
    assert (status, error.startswith("the body is not JSON"), expected_message in error) == (400, True, True)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"a": 1, "b": 2, "a": 1}', "a"),
        (b'[{"b": {"c": 1, "c": 2}}]', "c"),
        (b'{"": 1, "": 2}', ""),
        (b'{"\\ud800": 1, "\\ud800": 2}', "\\ud800"),
    ],
)
def test_a_field_given_twice_is_refused_by_its_name(body: bytes, name: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        parse_json(body)
    (error,) = caught.value.errors
    assert (error.field, error.remedy) == (name, "given more than once, give it once")
    assert read(body)[0] == 422


@pytest.mark.parametrize(("text", "value"), [("1" * 4300, int("1" * 4300)), ("9" * 5000, float("inf")), ("-0", 0)])
def test_integers_of_any_length_are_read(text: str, value: float) -> None:
    assert parse_json(text.encode()) == value


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode) | json_texts)
def test_any_body_is_parsed_as_json_or_rejected_in_one_line(body: bytes) -> None:
    try:
        value = parse_json(body)
    except Problem as problem:
        found = problem.status in {400, 422} and "\n" not in str(problem)
    else:
        found = value == (json.loads(body) if body else {})
    assert found


def test_json_nested_too_deeply_is_refused() -> None:
    with pytest.raises(Problem, match="nested too deeply"):
        parse_json(b"[" * 60_000)


def test_client_that_disconnects_leaves_no_body() -> None:
    with pytest.raises(ClientDisconnect):
        read(b'{"a": ', ends=False)

"""Responses of the served Bento: hostile bodies, daylight saving changes, and its OpenAPI document."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest
from endpoint import RIDE, post, refusal

from taxi_assets.serving import client
from taxi_assets.serving.endpoint.admission import REQUEST_TIMEOUT_SECONDS


@pytest.mark.parametrize(
    ("content", "status", "expected_message"),
    [
        (b'{"pickup_zone_id": 74, "pickup_zone_id": 75}', 422, "pickup_zone_id is [74, 75]: given more than once"),
        (json.dumps({**RIDE, "pickup_zone_id": float("nan")}).encode(), 400, "NaN is not a number in JSON"),
        (json.dumps({**RIDE, "pickup_zone_id": float("inf")}).encode(), 400, "Infinity is not a number in JSON"),
        (
            json.dumps({**RIDE, "pickup_zone_id": "HUGE"}).replace('"HUGE"', "9" * 5000).encode(),
            422,
            "pickup_zone_id is",
        ),
        (json.dumps({**RIDE, "pickup_zone_id": "HUGE"}).replace('"HUGE"', "1e999").encode(), 422, "pickup_zone_id is"),
        (json.dumps(RIDE).encode("utf-16"), 400, "it is not text in UTF-8"),
        (b"[" * 60_000, 400, "nested too deeply"),
        (json.dumps({**RIDE, "pickup_at": "0001-01-01T00:00Z"}).encode(), 422, "2009 to 2049"),
        (b'{"\\ud800": 1}', 422, "no field of a ride"),
    ],
)
def test_hostile_body_is_rejected_with_its_reason(url: str, content: bytes, status: int, expected_message: str) -> None:
    assert expected_message in refusal(url, status, content=content)


def test_one_instant_has_one_prediction_when_clocks_change(url: str) -> None:
    def predict(pickup_at: str) -> dict[str, Any]:
        prediction = client.predict(url, client.Ride(74, 75, pickup_at))
        del prediction["request_id"]
        return prediction

    skipped, existing, utc = (predict(f"2023-03-12T{time}") for time in ("02:30", "03:30", "07:30Z"))
    assert "clocks skip 2023-03-12T02:30" in skipped.pop("warnings")[0]
    assert existing.pop("warnings") == utc.pop("warnings") == []
    assert skipped == existing == utc
    either, first, second = (predict(f"2023-11-05T01:30{offset}") for offset in ("", "-04:00", "-05:00"))
    assert "read as the first" in either.pop("warnings")[0]
    assert first.pop("warnings") == second.pop("warnings") == []
    assert either == first
    assert (first.pop("dropoff_at")[-6:], second.pop("dropoff_at")[-6:]) == ("-04:00", "-05:00")
    assert first == second


def unfinished(url: str) -> httpx.Response:
    """The response to a request whose body never ends."""

    def begin() -> Iterator[bytes]:
        yield b"{"
        answered.wait(2 * REQUEST_TIMEOUT_SECONDS)

    answered = threading.Event()
    with (
        httpx.Client(trust_env=False) as session,
        session.stream("POST", f"{url}/predict", content=begin()) as response,
    ):
        answered.set()
        response.read()
        return response


def validate(content: object, schema: dict[str, Any]) -> None:
    """Checks a value; OpenAPI 3.0 writes `nullable` where JSON Schema has a type `null`."""
    text = json.dumps(schema).replace('"type": "string", "nullable": true', '"type": ["string", "null"]')
    jsonschema.validate(content, json.loads(text))


def test_responses_match_the_openapi_document(url: str) -> None:
    described = httpx.get(f"{url}/docs.json", trust_env=False).json()
    responses = described["paths"]["/predict"]["post"]["responses"]
    received = [
        post(url, json=RIDE),
        post(url, content=b"{"),
        post(url, content=b" " * 70_000),
        post(url, files={"ride": json.dumps(RIDE)}),
        post(url, json={**RIDE, "pickup_zone_id": 0}),
        post(url, content=b'{"pickup_at": 1, "pickup_at": 2}'),
        unfinished(url),
    ]
    # No request is known to cause a 500; test_overload.py causes a 503.
    assert {str(response.status_code) for response in received} == set(responses) - {"500", "503"}
    for response in received:
        schema = responses[str(response.status_code)]["content"][response.headers["content-type"]]["schema"]
        validate(response.json(), schema)
    for path in ("/model", "/variants"):
        schema = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        validate(httpx.get(url + path, trust_env=False).json(), schema)
    for path, methods in described["paths"].items():
        assert "get" not in methods or httpx.get(url + path, trust_env=False).status_code == 200
    assert described["info"]["description"].startswith("Predicts the minutes of a taxi ride in New York")


def test_openapi_example_gets_the_documented_response(url: str) -> None:
    described = httpx.get(f"{url}/docs.json", trust_env=False).json()
    assert described["info"]["title"] == "Taxi durations in New York"
    predict = described["paths"]["/predict"]["post"]
    sent = predict["requestBody"]["content"]["application/json"]
    jsonschema.validate(sent["example"], sent["schema"])
    response = post(url, json=sent["example"])
    assert response.status_code == 200
    documented = predict["responses"]["200"]["content"]["application/json"]["example"]
    assert {**response.json(), "request_id": documented["request_id"]} == documented

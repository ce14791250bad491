"""Responses of the served Bento: hostile bodies, daylight saving changes, and its OpenAPI document."""

import json
import re
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
    text = re.sub(r'"type": ("[a-z]+"), "nullable": true', r'"type": [\1, "null"]', json.dumps(schema))
    jsonschema.validate(content, json.loads(text))


def schema_of(described: dict[str, Any], path: str, method: str, response: httpx.Response) -> dict[str, Any]:
    """The documented schema of a response."""
    responses = described["paths"][path][method]["responses"]
    found: dict[str, Any] = responses[str(response.status_code)]["content"][response.headers["content-type"]]["schema"]
    return found


@pytest.mark.parametrize(
    ("path", "valid", "too_long"),
    [
        ("/predict", RIDE, b" " * 70_000),
        ("/predict_many", {"rides": [RIDE]}, b" " * 5_000_000),
        ("/predict_many", {name: [value] for name, value in RIDE.items()}, b" " * 5_000_000),
    ],
)
def test_responses_match_the_openapi_document(url: str, path: str, valid: dict[str, Any], too_long: bytes) -> None:
    described = httpx.get(f"{url}/docs.json", trust_env=False).json()
    received = [
        post(url, path, json=valid),
        post(url, path, content=b"{"),
        post(url, path, content=too_long),
        post(url, path, files={"ride": json.dumps(RIDE)}),
        post(url, path, json={**RIDE, "pickup_zone_id": 0}),
        post(url, path, content=b'{"pickup_at": 1, "pickup_at": 2}'),
        *([unfinished(url)] if path == "/predict" else []),
    ]
    # No request is known to cause a 500; test_overload.py causes a 503.
    documented = set(described["paths"][path]["post"]["responses"]) - {"500", "503"}
    assert {str(response.status_code) for response in received} >= documented - {"504"}
    for response in received:
        validate(response.json(), schema_of(described, path, "post", response))


def test_every_documented_address_responds(url: str) -> None:
    described = httpx.get(f"{url}/docs.json", trust_env=False).json()
    for path, methods in described["paths"].items():
        if "get" in methods:
            response = httpx.get(url + path, trust_env=False)
            assert response.status_code == (403 if "security" in methods["get"] else 200)
            if response.headers["content-type"].endswith("json"):
                validate(response.json(), schema_of(described, path, "get", response))
    assert described["info"]["description"].startswith("Predicts the minutes of a taxi ride in New York")


@pytest.mark.parametrize("path", ["/predict", "/predict_many"])
def test_openapi_example_gets_the_documented_response(url: str, path: str) -> None:
    described = httpx.get(f"{url}/docs.json", trust_env=False).json()
    assert described["info"]["title"] == "Taxi durations in New York"
    operation = described["paths"][path]["post"]
    sent = operation["requestBody"]["content"]["application/json"]
    validate(sent["example"], sent["schema"])
    response = post(url, path, json=sent["example"])
    assert response.status_code == 200
    documented = operation["responses"]["200"]["content"]["application/json"]["example"]
    assert {**response.json(), "request_id": documented["request_id"]} == documented


def test_many_rides_get_the_predictions_of_single_ones(url: str) -> None:
    rides = [{**RIDE, "dropoff_zone_id": zone, "pickup_at": f"2023-11-05T0{zone % 6}:30"} for zone in range(1, 60)]
    single = [post(url, json=ride).json() for ride in rides]
    rows = post(url, "/predict_many", json={"rides": rides}).json()
    for row, alone in zip(rows["predictions"], single, strict=True):
        assert row == {name: alone[name] for name in row}
    assert rows["warnings"] == [
        {"row": row, "warning": warning} for row, alone in enumerate(single) for warning in alone["warnings"]
    ]
    columns = {name: [ride[name] for ride in rides] for name in RIDE}
    of_columns = post(url, "/predict_many", json=columns).json()
    assert of_columns["interval_90"] == [row["interval_90"] for row in rows["predictions"]]
    assert of_columns["model_version"] == rows["model_version"] == 3


def test_ten_thousand_rides_are_predicted_in_one_request(url: str) -> None:
    columns = {name: [value] * 10_000 for name, value in RIDE.items()}
    assert len(post(url, "/predict_many", json=columns).json()["dropoff_at"]) == 10_000
    assert "10001 rides" in refusal(url, 413, "/predict_many", json={"rides": [RIDE] * 10_001})

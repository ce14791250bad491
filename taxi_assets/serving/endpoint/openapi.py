"""The endpoint's OpenAPI document, which replaces BentoML's: every response, errors included."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from taxi_assets.serving.endpoint.admission import REQUEST_TIMEOUT_SECONDS
from taxi_assets.serving.endpoint.batch_fields import MAX_RIDES, batch_schema
from taxi_assets.serving.endpoint.deployment_openapi import TOKEN, VERSION_PARAMETER, deployment_paths
from taxi_assets.serving.endpoint.feedback_fields import FEEDBACK_SCHEMA
from taxi_assets.serving.endpoint.problem_details import MEDIA_TYPE
from taxi_assets.serving.endpoint.request_body import MAX_BATCH_BYTES, MAX_RIDE_BYTES
from taxi_assets.serving.endpoint.ride_fields import RIDE_SCHEMA
from taxi_assets.serving.endpoint.schemas import (
    BATCH_PREDICTION_SCHEMA,
    FEEDBACK_RESPONSE_SCHEMA,
    MODEL_SCHEMA,
    PREDICTION_SCHEMA,
    PROBLEM_SCHEMA,
    VARIANTS_SCHEMA,
)

_TITLE = "Taxi durations in New York"
_DESCRIPTION = """\
Predicts the minutes of a taxi ride in New York from its two zones, its start time and the kind of taxi.

To try it, open `POST /predict`, press *Try it out*, then *Execute*.

Zones are TLC's, 1 to 265, or their names. Times are in New York time, unless they end in an offset such as `Z` or \
`-05:00`. `GET /model` shows the model's origin.
"""
_ERRORS = {
    400: "The body is not JSON in UTF-8",
    413: "The body is longer than {max_bytes} bytes, or there are too many rides",
    415: "The body's media type is not JSON, its charset is not UTF-8, or it is compressed",
    422: "A field is missing, wrong, unknown or given twice",
    500: "The endpoint failed; its log has the error",
    503: "Too many requests came at a time; `Retry-After` has the seconds to wait",
    504: f"The request took longer than {REQUEST_TIMEOUT_SECONDS:g} seconds",
}
_PLAIN = {
    "/healthz": "Liveness",
    "/livez": "Liveness",
    "/readyz": "Readiness",
    "/metrics": "Counts, latencies and features of all workers, for Prometheus",
}
_PAGES = {"/": "This page", "/docs": "This page"}


def example_ride(services: Sequence[str]) -> dict[str, Any]:
    """An example body of `POST /predict` for a model of these services."""
    fields = {name: field["example"] for name, field in RIDE_SCHEMA["properties"].items()}
    return {**fields, "service": services[0]}


def example_batch(services: Sequence[str]) -> dict[str, Any]:
    """An example body of `POST /predict_many` for a model of these services."""
    ride = {name: value for name, value in example_ride(services).items() if name != "rider_key"}
    return {"rides": [ride, {**ride, "pickup_at": "2023-03-01T18:00", "passenger_count": None}]}


def describe(
    version: str, services: Sequence[str], prediction: msgspec.Struct, predictions: msgspec.Struct
) -> dict[str, Any]:
    """Build the OpenAPI document.

    Args:
        version: The service's version.
        services: The model's kinds of taxi.
        prediction: The response to `example_ride`.
        predictions: The response to `example_batch`.
    """
    paths = {
        "/predict": {"post": _predict(services, msgspec.to_builtins(prediction))},
        "/predict_many": {"post": _predict_many(services, msgspec.to_builtins(predictions))},
        "/feedback": {"post": _feedback()},
        **deployment_paths(),
        "/deployments/{version}/predict": {"post": _predict_by_version(services, msgspec.to_builtins(prediction))},
        "/model": {"get": _get("model", "The model's origin and its kinds of taxi", MODEL_SCHEMA)},
        "/variants": {"get": _get("variants", "The model versions that answer", VARIANTS_SCHEMA)},
        **{path: {"get": _text(sentence, "text/plain")} for path, sentence in _PLAIN.items()},
        **{path: {"get": _text(sentence, "text/html")} for path, sentence in _PAGES.items()},
    }
    return {
        "openapi": "3.0.3",
        "info": {"title": _TITLE, "description": _DESCRIPTION, "version": version},
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {"securitySchemes": {"token": TOKEN}},
    }


def _predict(services: Sequence[str], prediction: Mapping[str, Any]) -> dict[str, Any]:
    ride = copy.deepcopy(RIDE_SCHEMA)
    ride["properties"]["service"] |= {"enum": [*services, None], "example": services[0]}
    return {
        "summary": "Predict the duration and the end of a ride",
        "operationId": "predict",
        "requestBody": {"required": True, "content": _json(ride, example_ride(services))},
        "responses": {
            "200": {"description": "The prediction", "content": _json(PREDICTION_SCHEMA, prediction)},
            **_errors(MAX_RIDE_BYTES),
        },
    }


def _predict_by_version(services: Sequence[str], prediction: Mapping[str, Any]) -> dict[str, Any]:
    found = _predict(services, {**prediction, "variant": "deployment"})
    found |= {"summary": "Predict by exactly this deployed version", "operationId": "predict_by_version"}
    found["parameters"] = [VERSION_PARAMETER]
    found["responses"]["404"] = {**copy.deepcopy(found["responses"]["400"]), "description": "It is not deployed"}
    return found


def _predict_many(services: Sequence[str], predictions: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "summary": f"Predict up to {MAX_RIDES} rides, given as rows or columns, by one variant",
        "operationId": "predict_many",
        "requestBody": {"required": True, "content": _json(batch_schema(), example_batch(services))},
        "responses": {
            "200": {"description": "The predictions", "content": _json(BATCH_PREDICTION_SCHEMA, predictions)},
            **_errors(MAX_BATCH_BYTES),
        },
    }


def _feedback() -> dict[str, Any]:
    example = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30", "actual_minutes": 11.5}
    return {
        "summary": "Send the actual durations of rides, named by `request_id` or by their fields",
        "operationId": "feedback",
        "requestBody": {"required": True, "content": _json(FEEDBACK_SCHEMA, example)},
        "responses": {
            "200": {
                "description": "The feedback is logged",
                "content": _json(FEEDBACK_RESPONSE_SCHEMA, {"accepted": 1, "repeated": 0}),
            },
            **_errors(MAX_BATCH_BYTES),
        },
    }


def _errors(max_bytes: int) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": copy.deepcopy(PROBLEM_SCHEMA)}}
    found: dict[str, Any] = {
        str(status): {"description": sentence.format(max_bytes=max_bytes), "content": content}
        for status, sentence in _ERRORS.items()
    }
    found["503"]["headers"] = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}}
    return found


def _get(name: str, sentence: str, schema: dict[str, Any]) -> dict[str, Any]:
    responses = {"200": {"description": sentence, "content": _json(schema)}}
    return {"summary": sentence, "operationId": name, "responses": responses}


def _json(schema: dict[str, Any], example: Mapping[str, Any] | None = None) -> dict[str, Any]:
    content = {"schema": copy.deepcopy(schema)} | ({"example": dict(example)} if example else {})
    return {"application/json": content}


def _text(sentence: str, media_type: str) -> dict[str, Any]:
    return {"summary": sentence, "responses": {"200": {"description": "OK", "content": {media_type: {}}}}}

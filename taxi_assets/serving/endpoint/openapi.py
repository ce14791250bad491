"""The endpoint's OpenAPI document, which replaces BentoML's: every response, errors included."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from taxi_assets.serving.endpoint.request_limits import MAX_BODY_BYTES
from taxi_assets.serving.endpoint.ride_request import RIDE_SCHEMA

_TITLE = "Taxi durations in New York"
_DESCRIPTION = """\
Predicts the minutes of a taxi ride in New York from its two zones, its start time and the kind of taxi.

To try it, open `POST /predict`, press *Try it out*, then *Execute*.

Zones are TLC's, 1 to 265. Times are in New York time, unless they end in an offset such as `Z` or `-05:00`. \
`GET /info` shows the model's origin.
"""

REQUEST_TIMEOUT_SECONDS = 2  # of a request, including reading its body


def _object(title: str, properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object that has all of these properties."""
    return {"type": "object", "title": title, "properties": properties, "required": list(properties)}


_STRINGS = {"type": "array", "items": {"type": "string"}}
PREDICTION_SCHEMA = _object(
    "Prediction",
    {
        "duration_minutes": {"type": "number", "description": "Predicted duration of the ride", "example": 9.8},
        "interval_90": {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 2,
            "maxItems": 2,
            "description": "Nine rides in ten take between these minutes",
            "example": [6.1, 16.4],
        },
        "arrives_at": {
            "type": "string",
            "format": "date-time",
            "description": "Predicted end of the ride, in New York time",
            "example": "2023-03-01T08:39:48-05:00",
        },
        "service": {"type": "string", "description": "The kind of taxi, as given or by default"},
        "warnings": {
            **_STRINGS,
            "description": "Notes on an ambiguous start time, which New York's clocks skip or show twice",
            "example": [],
        },
        "model": {"type": "object", "description": "The model: name, version, MLflow run id"},
        "synthetic": {"type": "boolean", "description": "True if the model was trained on synthetic trips"},
        "data_snapshot": {"type": "integer", "description": "The warehouse snapshot the model was trained on"},
        "bento": {"type": "string", "description": "The Bento that made the prediction"},
    },
)
_INFO_SCHEMA = _object(
    "Info",
    {
        "bento": {"type": "string", "description": "The running Bento"},
        "services": {**_STRINGS, "description": "The kinds of taxi it predicts for"},
        "facts": {"type": "object", "description": "The model's origin: data, training, code"},
    },
)
_ERROR = {"error": {"type": "string", "description": "The error and the allowed values, in a sentence"}}
_FIELDS = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "description": "The error and the allowed values of each wrong field",
    "example": {"pickup_zone_id": "is 999: give a TLC zone, 1 to 265 (264: unknown, 265: outside New York)"},
}
_ERROR_SCHEMA = _object("Error", _ERROR)
_REFUSAL_SCHEMA = _object("InvalidRide", {**_ERROR, "fields": _FIELDS})
_PREDICT_ERRORS = {
    400: "The body is not JSON in UTF-8",
    413: f"The body is longer than {MAX_BODY_BYTES} bytes",
    415: "The body's media type is not JSON, its charset is not UTF-8, or it is compressed",
    500: "The endpoint failed; its log has the error",
    504: f"The request took longer than {REQUEST_TIMEOUT_SECONDS} seconds",
}
_INFRASTRUCTURE = {
    "/healthz": "Liveness",
    "/livez": "Liveness",
    "/readyz": "Readiness",
    "/metrics": "Request counts and durations, for Prometheus",
}


def example_ride(services: Sequence[str]) -> dict[str, Any]:
    """An example body of `POST /predict` for a model of these services."""
    fields = {name: field["example"] for name, field in RIDE_SCHEMA["properties"].items()}
    return {**fields, "service": services[0]}


def describe(version: str, services: Sequence[str], prediction: Mapping[str, Any]) -> dict[str, Any]:
    """Build the OpenAPI document.

    Args:
        version: The service's version.
        services: The model's kinds of taxi.
        prediction: The response to `example_ride`.
    """
    predict = {
        "summary": "Predict the duration and the end of a ride",
        "operationId": "predict",
        "requestBody": {"required": True, "content": _json(_ride_schema(services), example_ride(services))},
        "responses": {
            "200": {"description": "The prediction", "content": _json(PREDICTION_SCHEMA, prediction)},
            **{str(status): _error(sentence, _ERROR_SCHEMA) for status, sentence in _PREDICT_ERRORS.items()},
            "422": _error("A field is missing, wrong, unknown or given twice", _REFUSAL_SCHEMA),
        },
    }
    info = {
        "summary": "The model's origin and its kinds of taxi",
        "operationId": "info",
        "responses": {"200": {"description": "The facts", "content": _json(_INFO_SCHEMA)}},
    }
    others = {path: {"get": _plain(sentence)} for path, sentence in _INFRASTRUCTURE.items()}
    return {
        "openapi": "3.0.3",
        "info": {"title": _TITLE, "description": _DESCRIPTION, "version": version},
        "servers": [{"url": "."}],
        "paths": {"/predict": {"post": predict}, "/info": {"get": info}, **others},
    }


def _ride_schema(services: Sequence[str]) -> dict[str, Any]:
    schema = copy.deepcopy(RIDE_SCHEMA)
    schema["properties"]["service"] |= {"enum": [*services, None], "example": services[0]}
    return schema


def _json(schema: dict[str, Any], example: Mapping[str, Any] | None = None) -> dict[str, Any]:
    content = {"schema": copy.deepcopy(schema)} | ({"example": dict(example)} if example else {})
    return {"application/json": content}


def _error(sentence: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": sentence, "content": _json(schema)}


def _plain(sentence: str) -> dict[str, Any]:
    return {"summary": sentence, "responses": {"200": {"description": "OK", "content": {"text/plain": {}}}}}

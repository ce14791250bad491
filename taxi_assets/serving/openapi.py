"""The endpoint's OpenAPI document: every answer there is, errors included. BentoML's own lists others."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from taxi_assets.serving.request_limits import MAX_BODY_BYTES
from taxi_assets.serving.ride_request import RIDE_SCHEMA

__all__ = ["PREDICTION_SCHEMA", "REQUEST_TIMEOUT_SECONDS", "describe", "example_ride"]

_TITLE = "Taxi durations in New York"
_DESCRIPTION = """\
Minutes of a taxi ride in New York, from what is known when it starts: the two zones, the time, the kind of taxi.

To try it, open `POST /predict`, press *Try it out*, then *Execute*: the example is a ride this model answers.

Zones are TLC's, 1 to 265. Times are on New York's clock, unless they end in an offset such as `Z` or `-05:00`. \
`GET /info` tells what the model was made of and from.
"""

REQUEST_TIMEOUT_SECONDS = 2  # how long a request may take, its body included

PREDICTION_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Answer",
    "properties": {
        "duration_minutes": {"type": "number", "description": "How long the ride will take", "example": 9.8},
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
            "description": "When it ends, in New York",
            "example": "2023-03-01T08:39:48-05:00",
        },
        "service": {"type": "string", "description": "The kind of taxi it was asked for, or taken to be"},
        "warnings": {
            "type": "array",
            "items": {"type": "string"},
            "description": "How the question was read where it could be read otherwise: a time that New York's clocks "
            "skip or show twice",
            "example": [],
        },
        "model": {"type": "object", "description": "The model that answered: name, version, MLflow run id"},
        "synthetic": {"type": "boolean", "description": "Whether the model learned from made-up rides"},
        "data_snapshot": {"type": "integer", "description": "The lake's snapshot it learned from"},
        "bento": {"type": "string", "description": "The Bento that answered"},
    },
}
PREDICTION_SCHEMA["required"] = list(PREDICTION_SCHEMA["properties"])
_INFO_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Info",
    "properties": {
        "bento": {"type": "string", "description": "The Bento that answers"},
        "services": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The kinds of taxi it may be asked for",
        },
        "facts": {"type": "object", "description": "What the model was made of and from"},
    },
    "required": ["bento", "services", "facts"],
}
_ERROR = {"error": {"type": "string", "description": "What is wrong and what is allowed, in a sentence"}}
_FIELDS = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "description": "Of each wrong field what is wrong and what is allowed",
    "example": {"pickup_zone_id": "is 999: give a TLC zone, 1 to 265 (264: unknown, 265: outside New York)"},
}
_ERROR_SCHEMA = {"type": "object", "title": "Error", "properties": _ERROR, "required": ["error"]}
_REFUSAL_SCHEMA = {
    "type": "object",
    "title": "Refusal",
    "properties": {**_ERROR, "fields": _FIELDS},
    "required": ["error", "fields"],
}
_PREDICT_ERRORS = {
    400: "The body is not JSON in UTF-8",
    413: f"The body is longer than {MAX_BODY_BYTES} bytes",
    415: "The body is not called JSON, is in another charset than UTF-8, or is compressed",
    500: "The endpoint failed; its log says why",
    504: f"The request took longer than {REQUEST_TIMEOUT_SECONDS} seconds",
}
_INFRASTRUCTURE = {
    "/healthz": "Whether it lives",
    "/livez": "Whether it lives",
    "/readyz": "Whether it answers",
    "/metrics": "How much was asked and how long it took, for Prometheus",
}


def example_ride(services: Sequence[str]) -> dict[str, Any]:
    """A body of `POST /predict` that a model of these services answers."""
    fields = {name: field["example"] for name, field in RIDE_SCHEMA["properties"].items()}
    return {**fields, "service": services[0]}


def describe(version: str, services: Sequence[str], answer: Mapping[str, Any]) -> dict[str, Any]:
    """The document.

    Args:
        version: Of the service.
        services: The kinds of taxi its model knows.
        answer: What it answers to `example_ride`.
    """
    predict = {
        "summary": "How long a ride takes, when it ends, and which model says so",
        "operationId": "predict",
        "requestBody": {"required": True, "content": _json(_ride_schema(services), example_ride(services))},
        "responses": {
            "200": {"description": "The prediction", "content": _json(PREDICTION_SCHEMA, answer)},
            **{str(status): _error(sentence, _ERROR_SCHEMA) for status, sentence in _PREDICT_ERRORS.items()},
            "422": _error("A field is missing, wrong, unknown or given twice", _REFUSAL_SCHEMA),
        },
    }
    info = {
        "summary": "What the model was made of and from, and what it may be asked",
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
    return {"summary": sentence, "responses": {"200": {"description": "It does", "content": {"text/plain": {}}}}}

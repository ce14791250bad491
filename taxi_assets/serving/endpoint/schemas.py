"""JSON schemas of the endpoint's responses, for the OpenAPI document."""

from typing import Any

STRINGS = {"type": "array", "items": {"type": "string"}}


def object_schema(title: str, properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object that has all of these properties and no other."""
    return {
        "type": "object",
        "title": title,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


MODEL_VERSION = {"type": "integer", "description": "The version of the model in MLflow", "example": 3}
VARIANT = {"type": "string", "description": "The role of this version, such as champion", "example": "champion"}
SYNTHETIC = {"type": "boolean", "description": "True if the model was trained on synthetic trips"}
REQUEST_ID = {
    "type": "string",
    "description": "The id of this answer in the prediction log. Append `.` and the row, from 0, for a ride of a batch",
    "example": "650a1b2c3d4e5f60-1f0",
}
RECENT_TRAFFIC = object_schema(
    "RecentTraffic",
    {
        "known": {"type": "boolean", "description": "True if trips that ended before the pickup were used"},
        "age_seconds": {
            "type": "integer",
            "nullable": True,
            "description": "How long before the pickup the last of them ended; null if unknown",
        },
    },
)
RECENT_TRAFFIC_OF_ALL = object_schema(
    "RecentTrafficOfAllRides",
    {
        "known": {
            "type": "boolean",
            "description": "True if trips that ended before its pickup were used for each",
        },
        "age_seconds": {
            "type": "integer",
            "nullable": True,
            "description": "The longest time between the pickup of a ride and the end of the last trip before it; "
            "null unless known for each ride",
        },
    },
)
MINUTES = {"type": "number", "description": "Predicted duration of the ride", "example": 9.8}
INTERVAL = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 2,
    "maxItems": 2,
    "description": "Nine rides in ten take between these minutes",
    "example": [6.1, 16.4],
}
DROPOFF_AT = {
    "type": "string",
    "format": "date-time",
    "description": "Predicted end of the ride, in New York time",
    "example": "2023-03-01T08:39:48-05:00",
}

FEEDBACK_RESPONSE_SCHEMA = object_schema(
    "LoggedFeedback",
    {
        "accepted": {"type": "integer", "description": "Rides whose duration was logged"},
        "repeated": {"type": "integer", "description": "Rides left out, since their answer had feedback before"},
    },
)
PREDICTION_SCHEMA = object_schema(
    "Prediction",
    {
        "duration_minutes": MINUTES,
        "interval_90": INTERVAL,
        "dropoff_at": DROPOFF_AT,
        "service": {"type": "string", "description": "The kind of taxi, as given or by default"},
        "warnings": {
            **STRINGS,
            "description": "Notes on an ambiguous start time, which New York's clocks skip or show twice",
            "example": [],
        },
        "model_version": MODEL_VERSION,
        "variant": VARIANT,
        "synthetic": SYNTHETIC,
        "recent_traffic": RECENT_TRAFFIC,
        "request_id": REQUEST_ID,
    },
)
_OF_A_ROW = ("duration_minutes", "interval_90", "dropoff_at", "service")
_ROW = {name: PREDICTION_SCHEMA["properties"][name] for name in _OF_A_ROW}
_BATCH = {
    "model_version": MODEL_VERSION,
    "variant": VARIANT,
    "synthetic": SYNTHETIC,
    "recent_traffic": RECENT_TRAFFIC_OF_ALL,
    "request_id": REQUEST_ID,
    "warnings": {
        "type": "array",
        "description": "Notes on ambiguous start times",
        "items": object_schema(
            "RowWarning",
            {
                "row": {"type": "integer", "description": "The ride; the first is 0"},
                "warning": {"type": "string", "description": "The note"},
            },
        ),
    },
}
_ROWS = {"predictions": {"type": "array", "items": object_schema("PredictedRow", _ROW)}}
_COLUMNS = {name: {"type": "array", "items": field} for name, field in _ROW.items()}
BATCH_PREDICTION_SCHEMA = {
    "title": "Predictions",
    "oneOf": [
        object_schema("PredictedRows", {**_BATCH, **_ROWS}),
        object_schema("PredictedColumns", {**_BATCH, **_COLUMNS}),
    ],
}
_RMSE = {"type": "number", "description": "Root mean squared error, minutes"}
EVALUATION = object_schema(
    "Evaluation",
    {
        "month": {"type": "string", "description": "A month that the model was not trained on", "example": "2023-03"},
        "scope": {"type": "string", "description": "The scored trips, such as those of 1 to 60 minutes"},
        "rmse_minutes": object_schema(
            "RmseByCondition",
            {
                "without_recent_traffic": {**_RMSE, "example": 5.06},
                "with_recent_traffic": {**_RMSE, "example": 4.9},
            },
        ),
    },
)
MODEL_SCHEMA = object_schema(
    "Model",
    {
        "name": {"type": "string", "description": "The model's name in MLflow"},
        "version": MODEL_VERSION,
        "run_id": {"type": "string", "description": "The MLflow run that trained it"},
        "data_snapshot": {"type": "integer", "description": "The warehouse snapshot it was trained on"},
        "synthetic": SYNTHETIC,
        "bento": {"type": "string", "description": "The running Bento"},
        "services": {**STRINGS, "description": "The kinds of taxi it predicts for"},
        "evaluation": {**EVALUATION, "nullable": True},
        "facts": {"type": "object", "description": "The model's origin: data, training, code"},
    },
)
BY = {"type": "string", "description": "The command or the client that asked for it", "example": "api"}
AT = {"type": "string", "format": "date-time", "description": "The time, in UTC"}
REVISION = {"type": "integer", "description": "The number of the routing; each change has a higher one", "example": 7}
REFUSALS = {
    "type": "array",
    "description": "The model versions refused last, the newest first",
    "items": object_schema(
        "Refusal",
        {
            "model_version": MODEL_VERSION,
            "reason": {"type": "string", "description": "The failed check and the remedy"},
            "by": BY,
            "at": AT,
        },
    ),
}
VARIANTS_SCHEMA = object_schema(
    "Variants",
    {
        "revision": REVISION,
        "at": AT,
        "by": BY,
        "variants": {
            "type": "array",
            "description": "The model versions that answer",
            "items": object_schema(
                "Variant",
                {
                    "name": VARIANT,
                    "version": MODEL_VERSION,
                    "share": {"type": "number", "description": "The share of the riders whom it answers"},
                },
            ),
        },
        "deployed": {
            "type": "array",
            "description": "The loaded versions, each with an address of its own",
            "items": MODEL_VERSION,
        },
        "problems": {
            "type": "array",
            "description": "Why a newer routing does not answer, and which stored routings are damaged",
            "items": {"type": "string"},
        },
        "refusals": REFUSALS,
    },
)
PROBLEM_SCHEMA = object_schema(
    "Problem",
    {
        "type": {"type": "string", "description": "about:blank: the status explains the problem"},
        "title": {"type": "string", "description": "The status in words"},
        "status": {"type": "integer", "description": "The status"},
        "detail": {"type": "string", "description": "The fault and the remedy in a sentence"},
        "errors": {
            "type": "array",
            "description": "The wrong fields",
            "items": object_schema(
                "FieldError",
                {
                    "field": {"type": "string", "description": "The name of the field"},
                    "value": {"type": "string", "nullable": True, "description": "Its value as JSON; null if missing"},
                    "remedy": {"type": "string", "description": "The allowed values"},
                },
            ),
        },
    },
)

"""Parses the body of `POST /feedback` from JSON; errors name the ride and the allowed values."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.serving.endpoint.pickup_time import TIME, read_pickup_time
from taxi_assets.serving.endpoint.problem_details import FieldError, InvalidFields, Problem, as_json
from taxi_assets.serving.endpoint.ride_fields import RIDE_SCHEMA, parse_ride
from taxi_assets.serving.prediction_log.feedback_record import FeedbackRecord
from taxi_assets.serving.prediction_log.prediction_record import LoggedPrediction, new_york_time
from taxi_assets.serving.zone_names import ZoneNames

MAX_RIDES = 10_000
MAX_MINUTES = 24 * 60
_MAX_ERRORS = 20
_RIDE_NAMES = ("pickup_zone_id", "dropoff_zone_id", "pickup_at", "service", "vendor_id")
_NAMES = ("request_id", *_RIDE_NAMES, "actual_minutes", "dropoff_at")

_ACTUAL = {
    "actual_minutes": {
        "type": "number",
        "exclusiveMinimum": True,
        "minimum": 0,
        "maximum": MAX_MINUTES,
        "description": "How long the ride took; give this or `dropoff_at`",
        "example": 11.5,
    },
    "dropoff_at": {"type": "string", "description": f"When it ended: {TIME}", "example": "2023-03-01T08:41:30"},
}
_ANSWER_SCHEMA = {
    "type": "object",
    "title": "FeedbackOnAnswer",
    "properties": {
        "request_id": {
            "type": "string",
            "description": "The `request_id` of the answer",
            "example": "650a1b2c3d4e5f60-1f0",
        },
        **_ACTUAL,
    },
    "required": ["request_id"],
    "additionalProperties": False,
}
_TRIP_SCHEMA = {
    "type": "object",
    "title": "CompletedRide",
    "properties": {
        **{name: RIDE_SCHEMA["properties"][name] for name in _RIDE_NAMES},
        **_ACTUAL,
    },
    "required": RIDE_SCHEMA["required"],
    "additionalProperties": False,
}
_RIDE = {"oneOf": [_ANSWER_SCHEMA, _TRIP_SCHEMA]}
FEEDBACK_SCHEMA: dict[str, Any] = {
    "title": "Feedback",
    "oneOf": [
        *_RIDE["oneOf"],
        {
            "type": "object",
            "title": "FeedbackOnRides",
            "properties": {"rides": {"type": "array", "items": _RIDE, "minItems": 1, "maxItems": MAX_RIDES}},
            "required": ["rides"],
            "additionalProperties": False,
        },
    ],
}

FindPrediction = Callable[[str], LoggedPrediction | None]
"""Finds the prediction of a request id; raises TaxiError for a text that is none."""


@dataclass(frozen=True)
class FeedbackContext:
    """References of the fields of a body.

    Attributes:
        services: The model's services; the first is the default.
        zones: Names of the zones.
        find: Finds predictions in the log.
        now: Time of the receipt, UTC.
    """

    services: Sequence[str]
    zones: ZoneNames
    find: FindPrediction
    now: datetime


def parse_feedback(body: object, context: FeedbackContext) -> list[FeedbackRecord]:
    """Parse a JSON body: a ride, or an object with `rides`, a list of them.

    Raises:
        InvalidFields: a field is missing, wrong or unknown; the first errors are named.
        Problem: status 413 for more than `MAX_RIDES` rides.
    """
    if not isinstance(body, Mapping) or "rides" not in body:
        return [_parse_ride(body, context)]
    rides = body["rides"]
    if not isinstance(rides, list) or not rides or len(body) > 1:
        raise InvalidFields([FieldError("rides", as_json(rides), f"give a list of 1 to {MAX_RIDES} rides, alone")])
    if len(rides) > MAX_RIDES:
        raise Problem(413, f"there are {len(rides)} rides: send up to {MAX_RIDES} in one request")
    found, errors = [], list[FieldError]()
    for number, ride in enumerate(rides):
        try:
            found.append(_parse_ride(ride, context))
        except InvalidFields as invalid:
            errors += [FieldError(f"rides[{number}].{each.field}", each.value, each.remedy) for each in invalid.errors]
        if len(errors) >= _MAX_ERRORS:
            break
    if errors:
        raise InvalidFields(errors[:_MAX_ERRORS])
    return found


def _parse_ride(body: object, context: FeedbackContext) -> FeedbackRecord:
    if not isinstance(body, Mapping):
        raise InvalidFields([FieldError("body", as_json(body), f"send a JSON object with {', '.join(_NAMES)}")])
    fields = {name: value for name, value in body.items() if value is not None}
    unknown = [name for name in body if name not in _NAMES]
    if unknown:
        remedy = f"no field of feedback, use {', '.join(_NAMES)}"
        raise InvalidFields([FieldError(as_json(unknown[0]).strip('"'), as_json(body[unknown[0]]), remedy)])
    ride = _answered_ride(fields, context) if "request_id" in fields else _named_ride(fields, context)
    minutes, field = _minutes(fields, ride["pickup_at"])
    ended_at = ride["pickup_at"].astimezone(UTC) + timedelta(minutes=minutes)
    if ended_at > context.now + timedelta(minutes=1):
        remedy = f"the ride would end at {ended_at:%Y-%m-%dT%H:%MZ}, later than now: send it once it has ended"
        raise InvalidFields([FieldError(field, as_json(fields[field]), remedy)])
    return FeedbackRecord(received_at=context.now, actual_minutes=minutes, **ride)


def _answered_ride(fields: Mapping[str, Any], context: FeedbackContext) -> dict[str, Any]:
    """The ride of the answer with this request id."""
    request_id = fields["request_id"]
    named = [name for name in _RIDE_NAMES if name in fields]
    if named:
        raise InvalidFields(
            [FieldError(named[0], as_json(fields[named[0]]), "leave it out, `request_id` names the ride")]
        )
    remedy = "give the `request_id` of an answer of the last days, with `.` and the row for a ride of a batch"
    try:
        found = context.find(request_id) if isinstance(request_id, str) else None
    except Problem:
        raise
    except TaxiError:
        found = None
    if found is None or found.shadow_of:
        raise InvalidFields([FieldError("request_id", as_json(request_id), remedy)])
    names = ("service", "pickup_zone_id", "dropoff_zone_id", "vendor_id", "request_id")
    at = found.pickup_at if found.pickup_at.tzinfo else new_york_time(found.pickup_at)
    return {"pickup_at": at, **{name: getattr(found, name) for name in names}}


def _named_ride(fields: Mapping[str, Any], context: FeedbackContext) -> dict[str, Any]:
    """The ride that the fields name."""
    ride = parse_ride({name: fields[name] for name in _RIDE_NAMES if name in fields}, context.services, context.zones)
    return {name: getattr(ride, name) for name in _RIDE_NAMES} | {"pickup_at": new_york_time(ride.pickup_at)}


def _minutes(fields: Mapping[str, Any], pickup_at: datetime) -> tuple[float, str]:
    """The duration, and the field that gives it."""
    given = [name for name in _ACTUAL if name in fields]
    if len(given) != 1:
        value = None if not given else as_json(fields["actual_minutes"])
        raise InvalidFields([FieldError("actual_minutes", value, "give either it or `dropoff_at`")])
    field, value = given[0], fields[given[0]]
    remedy = f"give a number above 0 and up to {MAX_MINUTES}"
    if field == "actual_minutes":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        minutes = float(value) if is_number and 0 < value <= MAX_MINUTES else math.nan
    else:
        remedy = f"give {TIME}, up to a day after the pickup"
        minutes = _minutes_until(value, pickup_at)
    if not 0 < minutes <= MAX_MINUTES:
        raise InvalidFields([FieldError(field, as_json(value), remedy)])
    return minutes, field


def _minutes_until(dropoff_at: object, pickup_at: datetime) -> float:
    """Minutes to a time, NaN if it is none; in the repeated hour, one before the pickup is in the second."""
    try:
        local, _ = read_pickup_time(dropoff_at)
    except ValueError:
        return math.nan
    start = pickup_at.astimezone(UTC)
    found = [(new_york_time(local.replace(fold=fold)).astimezone(UTC) - start).total_seconds() for fold in (0, 1)]
    return (found[local.fold] if found[local.fold] > 0 else found[1]) / 60

"""Parses the body of `POST /predict_many` from JSON; errors name the row and the allowed values."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from taxi_assets.serving.endpoint.problem_details import FieldError, InvalidFields, Problem, as_json
from taxi_assets.serving.endpoint.ride_batch import RideBatch
from taxi_assets.serving.endpoint.ride_fields import RIDE_SCHEMA, parse_ride, read_rider_key
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.zone_names import ZoneNames

MAX_RIDES = 10_000
_MAX_ERRORS = 20
_RIDER_KEY = "rider_key"
_NAMES = tuple(name for name in RIDE_SCHEMA["properties"] if name != _RIDER_KEY)
_REQUIRED = RIDE_SCHEMA["required"]
_LIST = f"give a list with one value for each ride, 1 to {MAX_RIDES}"


def batch_schema() -> dict[str, Any]:
    """The JSON schema of a body: rows or columns."""
    fields = copy.deepcopy({name: RIDE_SCHEMA["properties"][name] for name in _NAMES})
    size = {"minItems": 1, "maxItems": MAX_RIDES}
    row = {**RIDE_SCHEMA, "title": "Row", "properties": fields}
    rider_key = {**RIDE_SCHEMA["properties"][_RIDER_KEY], "description": "Your name of the rider of all rides"}
    columns: dict[str, Any] = {name: {"type": "array", "items": field, **size} for name, field in fields.items()}
    columns["service"] = {"oneOf": [fields["service"], columns["service"]]}
    variants = {
        "Rows": {"rides": {"type": "array", "items": row, **size}, _RIDER_KEY: rider_key},
        "Columns": {**columns, _RIDER_KEY: rider_key},
    }
    required = {"Rows": ["rides"], "Columns": _REQUIRED}
    shared = {"type": "object", "additionalProperties": False}
    return {
        "title": "Rides",
        "oneOf": [
            {**shared, "title": title, "properties": properties, "required": required[title]}
            for title, properties in variants.items()
        ],
    }


def parse_batch(body: object, services: Sequence[str], zones: ZoneNames) -> RideBatch:
    """Parse a JSON body into a batch.

    Args:
        body: The parsed JSON: an object with `rides`, a list of rides, or with a list for each field of a ride.
        services: The model's services; the first is the default.
        zones: Names of the zones.

    Raises:
        InvalidFields: a field is missing, wrong or unknown; the first errors are named.
        Problem: status 413 for more than `MAX_RIDES` rides.
    """
    if not isinstance(body, Mapping):
        raise InvalidFields([FieldError("body", as_json(body), "send an object with rides, a list, or with columns")])
    is_rows = "rides" in body
    rows = _read_rows(body) if is_rows else _read_columns(body)
    if len(rows) > MAX_RIDES:
        raise Problem(413, f"there are {len(rows)} rides: send up to {MAX_RIDES} in one request")
    rider_key = body.get(_RIDER_KEY)
    try:
        key = read_rider_key(rider_key, services, zones)
    except ValueError as error:
        raise InvalidFields([FieldError(_RIDER_KEY, as_json(rider_key), str(error))]) from None
    return RideBatch.of(_parse_rows(rows, is_rows, services, zones), key, is_rows)


def _read_rows(body: Mapping[str, Any]) -> list[Any]:
    rows = body["rides"]
    if not isinstance(rows, list) or not rows:
        raise InvalidFields([FieldError("rides", as_json(rows), f"give a list of 1 to {MAX_RIDES} rides")])
    _reject_unknown(body, ("rides", _RIDER_KEY))
    return rows


def _read_columns(body: Mapping[str, Any]) -> list[Any]:
    _reject_unknown(body, (*_NAMES, _RIDER_KEY))
    columns = {name: body[name] for name in _NAMES if body.get(name) is not None}
    errors = [FieldError(name, None, _LIST) for name in _REQUIRED if name not in columns]
    count = max((len(column) for column in columns.values() if isinstance(column, list)), default=0)
    if isinstance(columns.get("service"), str):
        columns["service"] = [columns["service"]] * count
    for name, column in columns.items():
        if not isinstance(column, list) or not column:
            errors.append(FieldError(name, as_json(column), _LIST))
        elif len(column) != count:
            errors.append(FieldError(name, as_json(column), f"it has {len(column)} values, the longest list {count}"))
    if errors:
        raise InvalidFields(errors)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _reject_unknown(body: Mapping[str, Any], known: Sequence[str]) -> None:
    unknown = [name for name in body if name not in known][:_MAX_ERRORS]
    remedy = f"no field of a batch, use {', '.join(known)}"
    if unknown:
        raise InvalidFields([FieldError(as_json(name).strip('"'), as_json(body[name]), remedy) for name in unknown])


def _parse_rows(rows: Sequence[Any], is_rows: bool, services: Sequence[str], zones: ZoneNames) -> list[RideRequest]:
    rides, errors = [], []
    for number, row in enumerate(rows):
        try:
            if isinstance(row, Mapping) and _RIDER_KEY in row:
                raise InvalidFields([FieldError(_RIDER_KEY, as_json(row[_RIDER_KEY]), "give one for all rides")])
            rides.append(parse_ride(row, services, zones))
        except InvalidFields as invalid:
            errors += [_in_row(error, number, is_rows) for error in invalid.errors]
        if len(errors) >= _MAX_ERRORS:
            break
    if errors:
        raise InvalidFields(errors[:_MAX_ERRORS])
    return rides


def _in_row(error: FieldError, number: int, is_rows: bool) -> FieldError:
    place = f"rides[{number}].{error.field}" if is_rows else f"{error.field}[{number}]"
    return FieldError(place, error.value, error.remedy)

"""Parses a ride request from JSON; errors name the allowed values."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from taxi_assets.features.trip_features import ZONES
from taxi_assets.serving.endpoint.pickup_time import TIME, read_pickup_time
from taxi_assets.serving.endpoint.problem_details import FieldError, InvalidFields, as_json
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.zone_names import ZoneNames

MAX_PASSENGERS = 99
MAX_VENDOR = 99
MAX_RIDER_KEY_CHARACTERS = 200
MAX_UNKNOWN_SHOWN = 3

_ZONE = f"a TLC zone, 1 to {ZONES - 1} (264: unknown, 265: outside New York), or its name"
_CLOCK_CHANGES = (
    "Without an offset, a time that New York's clocks skip in spring is read as an hour later, and one that they show "
    "twice in autumn as the first; `warnings` has a note"
)

_ZONE_SCHEMA = {"oneOf": [{"type": "integer", "minimum": 1, "maximum": ZONES - 1}, {"type": "string"}]}
RIDE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Ride",
    "properties": {
        "pickup_zone_id": {**_ZONE_SCHEMA, "description": f"Where the ride starts: {_ZONE}", "example": 74},
        "dropoff_zone_id": {**_ZONE_SCHEMA, "description": f"Where the ride ends: {_ZONE}", "example": 75},
        "pickup_at": {
            "type": "string",
            "description": f"When it starts: {TIME}. {_CLOCK_CHANGES}",
            "example": "2023-03-01T08:30",
        },
        "service": {
            "type": "string",
            "nullable": True,
            "description": "The kind of taxi; the default is the first the model was trained on",
            "example": "green",
        },
        "passenger_count": {
            "type": "integer",
            "nullable": True,
            "minimum": 0,
            "maximum": MAX_PASSENGERS,
            "description": "Number of passengers; missing or null if unknown",
            "example": 1,
        },
        "vendor_id": {
            "type": "integer",
            "nullable": True,
            "minimum": 0,
            "maximum": MAX_VENDOR,
            "description": "TLC's id of the vendor, known to the taxi; 0, missing or null if unknown",
            "example": 2,
        },
        "rider_key": {
            "type": "string",
            "nullable": True,
            "minLength": 1,
            "maxLength": MAX_RIDER_KEY_CHARACTERS,
            "description": "Your name of the rider, who gets the same variant of the model in every request",
            "example": "rider-7",
        },
    },
    "required": ["pickup_zone_id", "dropoff_zone_id", "pickup_at"],
    "additionalProperties": False,
}


def parse_ride(body: object, services: Sequence[str], zones: ZoneNames) -> RideRequest:
    """Parse a JSON body into a ride request.

    Args:
        body: The parsed JSON: an object with the fields of `RIDE_SCHEMA`.
        services: The model's services; the first is the default.
        zones: Names of the zones.

    Raises:
        InvalidFields: a field is missing, wrong or unknown.
    """
    if not isinstance(body, Mapping):
        raise InvalidFields([FieldError("body", as_json(body), f"send a JSON object with {', '.join(_READERS)}")])
    unknown = [name for name in body if name not in _READERS][:MAX_UNKNOWN_SHOWN]
    errors = [
        FieldError(as_json(name).strip('"'), as_json(body[name]), f"no field of a ride, use {', '.join(_READERS)}")
        for name in unknown
    ]
    values: dict[str, Any] = {}
    for name, read in _READERS.items():
        try:
            values[name] = read(body.get(name), services, zones)
        except ValueError as error:
            value = body.get(name)
            errors.append(FieldError(name, None if value is None else as_json(value), str(error)))
    if errors:
        raise InvalidFields(errors)
    pickup_at, warnings = values.pop("pickup_at")
    return RideRequest(**values, pickup_at=pickup_at, warnings=warnings)


def read_zone(value: object, _services: Sequence[str], zones: ZoneNames) -> int:
    """The id of a zone given by its id or name; errors are ValueErrors with the remedy, here and below."""
    if isinstance(value, str) and value:
        return zones.find(value)
    return _read_integer(value, range(1, ZONES), f"give {_ZONE}")


def read_passengers(value: object, _services: Sequence[str], _zones: ZoneNames) -> int | None:
    """The number of passengers, None if unknown."""
    remedy = f"give a number of people, 0 to {MAX_PASSENGERS}, or null"
    return None if value is None else _read_integer(value, range(MAX_PASSENGERS + 1), remedy)


def read_vendor(value: object, _services: Sequence[str], _zones: ZoneNames) -> int:
    """TLC's id of the vendor, 0 if unknown."""
    remedy = f"give TLC's id, 0 to {MAX_VENDOR}, or null"
    return 0 if value is None else _read_integer(value, range(MAX_VENDOR + 1), remedy)


def read_service(value: object, services: Sequence[str], _zones: ZoneNames) -> str:
    """The kind of taxi, the first service if none is given."""
    if value is None:
        return services[0]
    if isinstance(value, str) and value in services:
        return value
    raise ValueError(f"give one the model was trained on: {', '.join(services)}")


def read_rider_key(value: object, _services: Sequence[str], _zones: ZoneNames) -> str | None:
    """The rider's key, None if none is given."""
    if value is None or (isinstance(value, str) and is_rider_key(value)):
        return value
    raise ValueError(f"give a text of 1 to {MAX_RIDER_KEY_CHARACTERS} printable characters, or null")


def is_rider_key(value: str) -> bool:
    """True if the text can be hashed and logged: it is short and printable."""
    return 0 < len(value) <= MAX_RIDER_KEY_CHARACTERS and value.isprintable()


def _read_time(value: object, _services: Sequence[str], _zones: ZoneNames) -> tuple[datetime, tuple[str, ...]]:
    try:
        return read_pickup_time(value)
    except ValueError as error:
        raise ValueError(f"give {error}") from None


def _read_integer(value: object, allowed: range, remedy: str) -> int:
    # In Python, True is the integer 1.
    if isinstance(value, int) and not isinstance(value, bool) and value in allowed:
        return value
    raise ValueError(remedy)


_READERS: Mapping[str, Callable[[object, Sequence[str], ZoneNames], object]] = {
    "pickup_zone_id": read_zone,
    "dropoff_zone_id": read_zone,
    "pickup_at": _read_time,
    "service": read_service,
    "passenger_count": read_passengers,
    "vendor_id": read_vendor,
    "rider_key": read_rider_key,
}

"""Parses a ride request from JSON; errors name the allowed values."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.features.trip_features import HOLIDAY_YEARS, ZONES
from taxi_assets.tlc.local_time import NEW_YORK

# A ride on New Year's Eve needs the next year's holidays, and one on New Year's Day the previous year's.
YEARS = HOLIDAY_YEARS[1:-1]
MAX_PASSENGERS = 99
MAX_UNKNOWN_SHOWN = 3

_ZONE = f"a TLC zone, 1 to {ZONES - 1} (264: unknown, 265: outside New York)"
_TIME = "a date and time such as 2023-03-01T08:30, in New York time unless an offset such as Z follows"
_YEARS = f"a time of the years {YEARS[0]} to {YEARS[-1]}, whose holidays are known"
_NO_YEAR = re.compile(r"[+-]?(0000|\d{5,})-|-\d{4}-")  # years that Python's dates do not support
_CLOCK_CHANGES = (
    "Without an offset, a time that New York's clocks skip in spring is read as an hour later, and one that they show "
    "twice in autumn as the first; `warnings` has a note"
)

_ZONE_SCHEMA = {"type": "integer", "minimum": 1, "maximum": ZONES - 1}
RIDE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Ride",
    "properties": {
        "pickup_zone_id": {**_ZONE_SCHEMA, "description": f"Where the ride starts: {_ZONE}", "example": 74},
        "dropoff_zone_id": {**_ZONE_SCHEMA, "description": f"Where the ride ends: {_ZONE}", "example": 75},
        "pickup_at": {
            "type": "string",
            "description": f"When it starts: {_TIME}. {_CLOCK_CHANGES}",
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
    },
    "required": ["pickup_zone_id", "dropoff_zone_id", "pickup_at"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class RideRequest:
    """A requested ride.

    Attributes:
        service: The kind of taxi.
        pickup_at: An existing New York time, without an offset; `fold` is 1 in the second of two equal hours.
        pickup_zone_id: TLC zone of its start.
        dropoff_zone_id: TLC zone of its end.
        passenger_count: Number of passengers, if known.
        warnings: Notes on how an ambiguous time was read.
    """

    service: str
    pickup_at: datetime
    pickup_zone_id: int
    dropoff_zone_id: int
    passenger_count: int | None = None
    warnings: tuple[str, ...] = ()


class InvalidRide(TaxiError):
    """An invalid ride request; `fields` has the problem and the allowed values of each wrong field."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name} {problem}" for name, problem in fields.items()))
        self.fields = dict(fields)


def parse_ride(body: object, services: Sequence[str]) -> RideRequest:
    """Parse a JSON body into a ride request.

    Args:
        body: The parsed JSON: an object with the fields of `RIDE_SCHEMA`.
        services: The model's services; the first is the default.

    Raises:
        InvalidRide: a field is missing, wrong or unknown.
    """
    if not isinstance(body, Mapping):
        raise InvalidRide({"body": f"is {_as_json(body)}: send a JSON object with {', '.join(_READERS)}"})
    unknown = [str(name) for name in body if name not in _READERS][:MAX_UNKNOWN_SHOWN]
    problems = {_as_json(name).strip('"'): f"is not a field of a ride: use {', '.join(_READERS)}" for name in unknown}
    values: dict[str, Any] = {"service": services[0]}
    for name, read in _READERS.items():
        try:
            if name != "service" or body.get(name) is not None:
                values[name] = read(body.get(name), services)
        except ValueError as error:
            problems[name] = str(error)
    if problems:
        raise InvalidRide(problems)
    pickup_at, warnings = _resolve_clock_change(values["pickup_at"])
    return RideRequest(**{**values, "pickup_at": pickup_at}, warnings=warnings)


def arrival_time(ride: RideRequest, minutes: float) -> datetime:
    """The end of the ride in New York time, with its offset, to the second."""
    start = ride.pickup_at.replace(tzinfo=NEW_YORK).astimezone(UTC)
    return (start + timedelta(minutes=minutes)).astimezone(NEW_YORK).replace(microsecond=0)


def _read_zone(value: object, _services: Sequence[str]) -> int:
    return _read_integer(value, range(1, ZONES), _ZONE)


def _read_passengers(value: object, _services: Sequence[str]) -> int | None:
    allowed = f"a number of people, 0 to {MAX_PASSENGERS}, or null"
    return None if value is None else _read_integer(value, range(MAX_PASSENGERS + 1), allowed)


def _read_integer(value: object, allowed: range, description: str) -> int:
    # In Python, True is the integer 1.
    if isinstance(value, int) and not isinstance(value, bool) and value in allowed:
        return value
    raise ValueError(_problem(value, description))


def _read_service(value: object, services: Sequence[str]) -> str:
    if isinstance(value, str) and value in services:
        return value
    raise ValueError(_problem(value, f"one the model was trained on: {', '.join(services)}"))


def _read_time(value: object, _services: Sequence[str]) -> datetime:
    """Parse a time; one with an offset is converted to New York time."""
    # Ten characters are a date alone, which Python would read as midnight.
    if not isinstance(value, str) or len(value) <= 10:
        raise ValueError(_problem(value, _TIME))
    if _NO_YEAR.match(value):
        raise ValueError(_problem(value, _YEARS))
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(_problem(value, _TIME)) from None
    # Conversion overflows for the first and last years that Python supports.
    if time.tzinfo and YEARS[0] - 1 <= time.year <= YEARS[-1] + 1:
        time = time.astimezone(NEW_YORK)
    if time.year not in YEARS:
        raise ValueError(_problem(value, _YEARS))
    return time


def _resolve_clock_change(time: datetime) -> tuple[datetime, tuple[str, ...]]:
    """The New York time without an offset, and a note if the clocks skip it or show it twice."""
    if time.tzinfo:
        return time.replace(tzinfo=None), ()
    first, second = (time.replace(tzinfo=NEW_YORK, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return time, ()
    utc = first.astimezone(UTC)
    existing = utc.astimezone(NEW_YORK).replace(tzinfo=None)
    given, in_utc = _minutes(time), f"{_minutes(utc)}Z"
    if existing != time:
        return existing, (f"pickup_at: New York's clocks skip {given}; it is read as {_minutes(existing)} ({in_utc})",)
    other = second.isoformat(timespec="minutes")
    return existing, (
        f"pickup_at: New York's clocks show {given} twice; it is read as the first ({in_utc}); "
        f"write {other} for the second",
    )


def _minutes(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M}"


_READERS: Mapping[str, Callable[[object, Sequence[str]], object]] = {
    "pickup_zone_id": _read_zone,
    "dropoff_zone_id": _read_zone,
    "pickup_at": _read_time,
    "service": _read_service,
    "passenger_count": _read_passengers,
}


def _problem(value: object, allowed: str) -> str:
    return f"is {'missing' if value is None else _as_json(value)}: give {allowed}"


def _as_json(value: object) -> str:
    """The value as JSON, cut at 40 characters so that it does not fill a response or a log."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."

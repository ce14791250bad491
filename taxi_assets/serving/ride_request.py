"""A ride as an endpoint is asked for it: JSON read into plain values, mistakes told with what is allowed."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.features.trip_features import HOLIDAY_YEARS, ZONES
from taxi_assets.tlc.local_time import NEW_YORK

__all__ = ["RIDE_SCHEMA", "InvalidRide", "RideRequest", "arrival_time", "parse_ride"]

# A ride on New Year's Eve must know the holidays of the year after, and one on New Year's Day those before.
YEARS = HOLIDAY_YEARS[1:-1]
MAX_PASSENGERS = 99
MAX_UNKNOWN_SHOWN = 3

_ZONE = f"a TLC zone, 1 to {ZONES - 1} (264: unknown, 265: outside New York)"
_TIME = "a date and time such as 2023-03-01T08:30, on New York's clock unless an offset such as Z follows"
_YEARS = f"a time of the years {YEARS[0]} to {YEARS[-1]}, whose holidays are known"
_NO_YEAR = re.compile(r"[+-]?(0000|\d{5,})-|-\d{4}-")  # written as a year, though none that Python's dates have
_CLOCK_CHANGES = (
    "A time without an offset that New York's clocks skip in spring is taken an hour later, one that they show twice "
    "in autumn as the first; `warnings` says so"
)

RIDE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Ride",
    "properties": {
        "pickup_zone_id": {
            "type": "integer",
            "minimum": 1,
            "maximum": ZONES - 1,
            "description": f"Where the ride starts: {_ZONE}",
            "example": 74,
        },
        "dropoff_zone_id": {
            "type": "integer",
            "minimum": 1,
            "maximum": ZONES - 1,
            "description": f"Where the ride ends: {_ZONE}",
            "example": 75,
        },
        "pickup_at": {
            "type": "string",
            "description": f"When it starts: {_TIME}. {_CLOCK_CHANGES}",
            "example": "2023-03-01T08:30",
        },
        "service": {
            "type": "string",
            "nullable": True,
            "description": "The kind of taxi; left out, the first the model learned from",
            "example": "green",
        },
        "passenger_count": {
            "type": "integer",
            "nullable": True,
            "minimum": 0,
            "maximum": MAX_PASSENGERS,
            "description": "How many ride; left out or null, it is not known",
            "example": 1,
        },
    },
    "required": ["pickup_zone_id", "dropoff_zone_id", "pickup_at"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class RideRequest:
    """A ride someone asks about.

    Attributes:
        service: The kind of taxi.
        pickup_at: A time that exists on New York's clock, without an offset; `fold` is 1 in the second of two hours.
        pickup_zone_id: TLC zone of its start.
        dropoff_zone_id: TLC zone of its end.
        passenger_count: How many ride, where that is known.
        warnings: How what was asked has been read, where it could be read otherwise.
    """

    service: str
    pickup_at: datetime
    pickup_zone_id: int
    dropoff_zone_id: int
    passenger_count: int | None = None
    warnings: tuple[str, ...] = ()


class InvalidRide(TaxiError):
    """What was asked is not a ride; `fields` says of each wrong field what is wrong and what is allowed."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name} {problem}" for name, problem in fields.items()))
        self.fields = dict(fields)


def parse_ride(body: object, services: Sequence[str]) -> RideRequest:
    """The ride a JSON body asks about.

    Args:
        body: What the JSON said: an object with the fields of `RIDE_SCHEMA`.
        services: Those the model knows; the first is taken where none is named.

    Raises:
        InvalidRide: a field is missing, wrong, or none of a ride's.
    """
    if not isinstance(body, Mapping):
        raise InvalidRide({"body": f"is {_as_json(body)}: send a JSON object with {', '.join(_READERS)}"})
    unknown = [str(name) for name in body if name not in _READERS][:MAX_UNKNOWN_SHOWN]
    problems = {
        _as_json(name).strip('"'): f"is no field of a ride: there are {', '.join(_READERS)}" for name in unknown
    }
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
    """When the ride ends, with New York's offset at that moment, to the second."""
    start = ride.pickup_at.replace(tzinfo=NEW_YORK).astimezone(UTC)
    return (start + timedelta(minutes=minutes)).astimezone(NEW_YORK).replace(microsecond=0)


def _read_zone(value: object, _services: Sequence[str]) -> int:
    return _read_integer(value, range(1, ZONES), _ZONE)


def _read_passengers(value: object, _services: Sequence[str]) -> int | None:
    allowed = f"a number of people, 0 to {MAX_PASSENGERS}, or null"
    return None if value is None else _read_integer(value, range(MAX_PASSENGERS + 1), allowed)


def _read_integer(value: object, allowed: range, description: str) -> int:
    # To Python, true is the integer 1.
    if isinstance(value, int) and not isinstance(value, bool) and value in allowed:
        return value
    raise ValueError(_problem(value, description))


def _read_service(value: object, services: Sequence[str]) -> str:
    if isinstance(value, str) and value in services:
        return value
    raise ValueError(_problem(value, f"one the model learned from: {', '.join(services)}"))


def _read_time(value: object, _services: Sequence[str]) -> datetime:
    """New York's clock; with its offset where one was given, so that it means one moment."""
    # Ten characters are a date alone, which Python would read as its midnight.
    if not isinstance(value, str) or len(value) <= 10:
        raise ValueError(_problem(value, _TIME))
    if _NO_YEAR.match(value):
        raise ValueError(_problem(value, _YEARS))
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(_problem(value, _TIME)) from None
    # Years at the ends of what a clock can tell have no moment in New York.
    if moment.tzinfo and YEARS[0] - 1 <= moment.year <= YEARS[-1] + 1:
        moment = moment.astimezone(NEW_YORK)
    if moment.year not in YEARS:
        raise ValueError(_problem(value, _YEARS))
    return moment


def _resolve_clock_change(moment: datetime) -> tuple[datetime, tuple[str, ...]]:
    """The time on New York's clock, without an offset, and how it was read where it has none or two meanings."""
    if moment.tzinfo:
        return moment.replace(tzinfo=None), ()
    first, second = (moment.replace(tzinfo=NEW_YORK, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return moment, ()
    utc = first.astimezone(UTC)
    existing = utc.astimezone(NEW_YORK).replace(tzinfo=None)
    asked, moment_of = _minutes(moment), f"{_minutes(utc)}Z"
    if existing != moment:
        return existing, (
            f"pickup_at: New York's clocks skip {asked}; it is taken as {_minutes(existing)} ({moment_of})",
        )
    other = second.isoformat(timespec="minutes")
    return existing, (
        f"pickup_at: New York's clocks show {asked} twice; it is taken as the first ({moment_of}); "
        f"write {other} for the second",
    )


def _minutes(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M}"


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
    """The value as JSON, cut where it is long: what is sent must not fill an answer or a log."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."

"""Decodes a plain body into a ride request in microseconds; `ride_fields` parses all others."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from taxi_assets.features.trip_features import ZONES
from taxi_assets.serving.endpoint.pickup_time import read_pickup_time
from taxi_assets.serving.endpoint.request_body import parse_json
from taxi_assets.serving.endpoint.ride_fields import MAX_PASSENGERS, MAX_VENDOR, is_rider_key, parse_ride
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.zone_names import ZoneNames

Value = TypeVar("Value", int, str)


class _RideBody(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    pickup_zone_id: int | str
    dropoff_zone_id: int | str
    pickup_at: str
    service: str | UnsetType | None = UNSET
    passenger_count: int | UnsetType | None = UNSET
    vendor_id: int | UnsetType | None = UNSET
    rider_key: str | UnsetType | None = UNSET


_DECODER = msgspec.json.Decoder(_RideBody)


def decode_ride(body: bytes, services: Sequence[str], zones: ZoneNames) -> RideRequest:
    """Parse the bytes of a body into a ride request, equal to that of `parse_json` and `parse_ride`.

    Args:
        body: JSON in UTF-8.
        services: The model's services; the first is the default.
        zones: Names of the zones.

    Raises:
        Problem: the body is not JSON, or a field is missing, wrong or unknown.
    """
    return _decode(body, services, zones) or parse_ride(parse_json(body), services, zones)


def _decode(body: bytes, services: Sequence[str], zones: ZoneNames) -> RideRequest | None:
    """The ride of a plain body; None for one that needs a closer check or an explanation."""
    # Without a backslash, every quote begins or ends a name or a text.
    if b"\\" in body:
        return None
    try:
        sent = _DECODER.decode(body)
        if body.count(b'"') != 2 * _texts(sent):  # msgspec accepts a field that is given twice
            return None
        start, end = find_zone(sent.pickup_zone_id, zones), find_zone(sent.dropoff_zone_id, zones)
        pickup_at, warnings = read_pickup_time(sent.pickup_at)
    except (msgspec.MsgspecError, ValueError):
        return None
    service, passengers, rider_key = given(sent.service), given(sent.passenger_count), given(sent.rider_key)
    service, vendor = (services[0] if service is None else service), given(sent.vendor_id) or 0
    is_valid = (
        service in services
        and (passengers is None or 0 <= passengers <= MAX_PASSENGERS)
        and 0 <= vendor <= MAX_VENDOR
        and (rider_key is None or is_rider_key(rider_key))
    )
    if not is_valid:
        return None
    return RideRequest(service, pickup_at, start, end, passengers, rider_key, warnings, vendor)


def _texts(sent: _RideBody) -> int:
    """The number of names and texts in a body with these fields, each given once."""
    optional = (sent.service, sent.passenger_count, sent.vendor_id, sent.rider_key)
    values = (sent.pickup_zone_id, sent.dropoff_zone_id, sent.pickup_at, *optional)
    return 3 + sum(each is not UNSET for each in optional) + sum(isinstance(each, str) for each in values)


def given(value: Value | UnsetType | None) -> Value | None:
    """None for a field that is missing or null."""
    return None if value is UNSET else value


def find_zone(value: int | str, zones: ZoneNames) -> int:
    """The id of a zone given by its id or name.

    Raises:
        ValueError: there is no such zone.
    """
    if isinstance(value, str):
        return zones.find(value)
    if 0 < value < ZONES:
        return value
    raise ValueError(value)

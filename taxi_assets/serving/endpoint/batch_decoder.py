"""Decodes the body of `POST /predict_many`, columns or rows; errors name the row."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from taxi_assets.serving.endpoint.batch_fields import MAX_RIDES, parse_batch
from taxi_assets.serving.endpoint.pickup_time import read_pickup_time
from taxi_assets.serving.endpoint.request_body import parse_json
from taxi_assets.serving.endpoint.ride_batch import RideBatch
from taxi_assets.serving.endpoint.ride_decoder import find_zone, given
from taxi_assets.serving.endpoint.ride_fields import MAX_PASSENGERS, MAX_VENDOR, is_rider_key
from taxi_assets.serving.zone_names import ZoneNames


class _Row(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    pickup_zone_id: int | str
    dropoff_zone_id: int | str
    pickup_at: str
    service: str | UnsetType | None = UNSET
    passenger_count: int | UnsetType | None = UNSET
    vendor_id: int | UnsetType | None = UNSET


class _Rows(msgspec.Struct, forbid_unknown_fields=True):
    rides: list[_Row]
    rider_key: str | UnsetType | None = UNSET


class _Columns(msgspec.Struct, forbid_unknown_fields=True):
    pickup_zone_id: list[int | str]
    dropoff_zone_id: list[int | str]
    pickup_at: list[str]
    service: str | list[str | None] | UnsetType | None = UNSET
    passenger_count: list[int | None] | UnsetType | None = UNSET
    vendor_id: list[int | None] | UnsetType | None = UNSET
    rider_key: str | UnsetType | None = UNSET


_PASSENGERS, _VENDORS = {None, *range(MAX_PASSENGERS + 1)}, {*range(MAX_VENDOR + 1)}
_UNKNOWN = (None, UNSET)
_ROWS, _COLUMNS = msgspec.json.Decoder(_Rows), msgspec.json.Decoder(_Columns)


def decode_batch(body: bytes, services: Sequence[str], zones: ZoneNames) -> RideBatch:
    """Parse the bytes of a body into a batch, equal to that of `parse_json` and `parse_batch`.

    Args:
        body: JSON in UTF-8.
        services: The model's services; the first is the default.
        zones: Names of the zones.

    Raises:
        Problem: the body is not JSON, a field of a row is wrong, or there are too many rows.
    """
    return _decode(body, services, zones) or parse_batch(parse_json(body), services, zones)


def _decode(body: bytes, services: Sequence[str], zones: ZoneNames) -> RideBatch | None:
    """The batch of a plain body; None for one that needs a closer check or an explanation."""
    # Without a backslash, every quote begins or ends a name or a text.
    if b"\\" in body:
        return None
    try:
        sent = _read_rows(_ROWS.decode(body)) if b'"rides"' in body else _read_columns(_COLUMNS.decode(body))
        # msgspec accepts a field that is given twice.
        if body.count(b'"') == 2 * sent.texts and 0 < len(sent.pickup_at) <= MAX_RIDES:
            return _check(sent, services, zones)
    except (msgspec.MsgspecError, ValueError):
        pass
    return None


@dataclass(frozen=True)
class _Sent:
    """Undecoded columns, and the number of names and texts in the body."""

    starts: Sequence[int | str]
    ends: Sequence[int | str]
    pickup_at: Sequence[str]
    services: Sequence[object]
    passengers: Sequence[object]
    vendors: Sequence[object]
    rider_key: str | None
    texts: int
    is_rows: bool


def _read_rows(sent: _Rows) -> _Sent:
    rows = sent.rides
    starts, ends = [row.pickup_zone_id for row in rows], [row.dropoff_zone_id for row in rows]
    services, passengers = [row.service for row in rows], [row.passenger_count for row in rows]
    vendors = [row.vendor_id for row in rows]
    names = 1 + 6 * len(rows) - services.count(UNSET) - passengers.count(UNSET) - vendors.count(UNSET)
    texts = names + len(rows) + _texts(starts) + _texts(ends) + _texts(services) + _texts_of_key(sent.rider_key)
    columns = starts, ends, [row.pickup_at for row in rows], services, passengers, vendors
    return _Sent(*columns, given(sent.rider_key), texts, is_rows=True)


def _read_columns(sent: _Columns) -> _Sent:
    count, service, passengers = len(sent.pickup_at), sent.service, sent.passenger_count
    services = service if isinstance(service, list) else [service] * count
    names = 3 + sum(each is not UNSET for each in (service, passengers, sent.vendor_id))
    texts = names + count + _texts(sent.pickup_zone_id) + _texts(sent.dropoff_zone_id) + _texts_of_key(sent.rider_key)
    texts += _texts(service) if isinstance(service, list) else isinstance(service, str)
    people = passengers if isinstance(passengers, list) else [None] * count
    vendors = sent.vendor_id if isinstance(sent.vendor_id, list) else [None] * count
    columns = sent.pickup_zone_id, sent.dropoff_zone_id, sent.pickup_at, services, people, vendors
    return _Sent(*columns, given(sent.rider_key), texts, is_rows=False)


def _check(sent: _Sent, services: Sequence[str], zones: ZoneNames) -> RideBatch:
    """The batch of valid columns.

    Raises:
        ValueError: a value is wrong, or a column has another length.
    """
    starts, ends = ([find_zone(value, zones) for value in column] for column in (sent.starts, sent.ends))
    times = [read_pickup_time(value) for value in sent.pickup_at]
    taxis = [service or services[0] for service in sent.services]
    people = [None if count is UNSET else count for count in sent.passengers]
    vendors = [0 if vendor in _UNKNOWN else vendor for vendor in sent.vendors]
    is_valid = (
        len({len(column) for column in (starts, ends, times, taxis, people, vendors)}) == 1
        and set(taxis) <= set(services)
        and set(people) <= _PASSENGERS
        and set(vendors) <= _VENDORS
        and (sent.rider_key is None or is_rider_key(sent.rider_key))
        and "" not in sent.services
    )
    if not is_valid:
        raise ValueError(sent)
    pickup_at, warnings = [time for time, _ in times], [notes for _, notes in times]
    return RideBatch(taxis, pickup_at, starts, ends, people, vendors, warnings, sent.rider_key, sent.is_rows)  # type: ignore[arg-type]


def _texts(values: Sequence[object]) -> int:
    return sum(isinstance(value, str) for value in values)


def _texts_of_key(rider_key: str | UnsetType | None) -> int:
    return (rider_key is not UNSET) + isinstance(rider_key, str)

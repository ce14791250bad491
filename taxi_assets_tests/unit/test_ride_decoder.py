"""A body is decoded to the ride, or refused with the problem, that the parser of single fields gives."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taxi_assets.serving.endpoint import ride_decoder
from taxi_assets.serving.endpoint.problem_details import Problem
from taxi_assets.serving.endpoint.request_body import parse_json
from taxi_assets.serving.endpoint.ride_decoder import decode_ride
from taxi_assets.serving.endpoint.ride_fields import RIDE_SCHEMA, parse_ride
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.zone_names import ZoneNames

SERVICES = ("green", "fhvhv")
ZONE_NAMES = ZoneNames({74: "East Harlem North", 132: "JFK Airport", 56: "Corona", 57: "Corona"})
RIDE = {"pickup_zone_id": 74, "dropoff_zone_id": "JFK Airport", "pickup_at": "2023-03-01T08:30"}

names = st.sampled_from([*RIDE_SCHEMA["properties"], "tip"])
zones = st.integers(-1, 300) | st.sampled_from(["JFK Airport", "jfk  airport", "Corona", "", "x"])
times = st.datetimes().map(str) | st.sampled_from(["2023-03-12T02:30", "2023-11-05T01:30", "2023-03-01T08:30Z", "9"])
values = (
    zones
    | times
    | st.sampled_from(
        [None, True, 74.0, 1e400, 10**40, "green", "fhvhv", "yellow", "ключ", 'a"b', "\\", "a" * 201, [1], {}]
    )
    | st.integers(-1, 101)
)


def outcome(parse: Any) -> object:
    try:
        return parse()
    except Problem as problem:
        return problem.status, problem.detail, problem.errors


def assert_equal(body: bytes) -> None:
    expected = outcome(lambda: parse_ride(parse_json(body), SERVICES, ZONE_NAMES))
    assert outcome(lambda: decode_ride(body, SERVICES, ZONE_NAMES)) == expected


@given(st.dictionaries(names, values), st.booleans(), st.booleans())
@example({"service": None, "passenger_count": None, "rider_key": None}, True, False)
@example({"passenger_count": 7.0}, True, True)
@example({"vendor_id": None}, True, True)
@example({"pickup_zone_id": -0.0}, True, True)
def test_every_body_is_decoded_as_its_fields_are_parsed(fields: dict[str, Any], complete: bool, escaped: bool) -> None:
    assert_equal(json.dumps({**RIDE, **fields} if complete else fields, ensure_ascii=escaped).encode())


@given(st.lists(st.tuples(names, values), max_size=4))
def test_a_field_given_twice_is_refused_by_both(pairs: list[tuple[str, Any]]) -> None:
    members = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in (*RIDE.items(), *pairs)]
    assert_equal(f"{{{', '.join(members)}}}".encode())


@given(st.binary(max_size=40), st.integers(0, 80))
def test_damaged_bodies_get_the_same_problem(noise: bytes, place: int) -> None:
    body = json.dumps(RIDE).encode()
    assert_equal(body[:place] + noise + body[place:])


@pytest.mark.parametrize("number", ["74.0", "7.4e1", "0x4a", "-0", "074", "+74", "74e0", "NaN", "1" * 5000])
def test_other_notations_of_a_number_get_the_same_result(number: str) -> None:
    assert_equal(json.dumps({**RIDE, "pickup_zone_id": 0}).replace("0", number, 1).encode())
    assert_equal(json.dumps({**RIDE, "passenger_count": 777}).replace("777", number).encode())


def test_plain_bodies_take_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ride_decoder, "parse_json", None)
    sent = {**RIDE, "service": None, "passenger_count": 2, "vendor_id": 1, "rider_key": "rider-7"}
    ride = decode_ride(json.dumps(sent).encode(), SERVICES, ZONE_NAMES)
    assert isinstance(ride, RideRequest)
    assert (ride.dropoff_zone_id, ride.service, ride.rider_key) == (132, "green", "rider-7")
    assert (ride.passenger_count, ride.vendor_id) == (2, 1)

"""A ride request is parsed, or refused with the allowed values of each wrong field."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.serving.endpoint.pickup_time import dropoff_time
from taxi_assets.serving.endpoint.problem_details import InvalidFields
from taxi_assets.serving.endpoint.ride_fields import RIDE_SCHEMA, parse_ride
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.zone_names import ZoneNames
from taxi_assets.tlc.local_time import existing_time, is_repeated

SERVICES = ("green", "fhvhv")
ZONE_NAMES = ZoneNames(
    {74: "East Harlem North", 75: "East Harlem South", 56: "Corona", 57: "Corona", 132: "JFK Airport"}
)
CLOCK_CHANGES = (datetime(2023, 3, 12, 2, 30), datetime(2023, 11, 5, 1, 30), datetime(2040, 3, 11, 2))
RIDE = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
field_names = st.sampled_from([*RIDE_SCHEMA["properties"], "trip_distance"])


def refusal(body: object) -> InvalidFields:
    with pytest.raises(InvalidFields) as caught:
        parse_ride(body, SERVICES, ZONE_NAMES)
    return caught.value


def remedy(body: object, field: str) -> str:
    """The remedy of a wrong field."""
    return {error.field: error.remedy for error in refusal(body).errors}[field]


def read(**changes: Any) -> RideRequest:
    return parse_ride({**RIDE, **changes}, SERVICES, ZONE_NAMES)


def test_a_request_is_parsed() -> None:
    assert read(service="fhvhv", passenger_count=2) == RideRequest("fhvhv", datetime(2023, 3, 1, 8, 30), 74, 75, 2)


def test_service_and_passenger_count_have_defaults() -> None:
    assert (
        read() == read(service=None, passenger_count=None) == RideRequest("green", datetime(2023, 3, 1, 8, 30), 74, 75)
    )


@pytest.mark.parametrize("zone", [1, 264, 265])
def test_every_tlc_zone_is_accepted(zone: int) -> None:
    assert read(pickup_zone_id=zone, dropoff_zone_id=zone).pickup_zone_id == zone


@pytest.mark.parametrize("zone", [0, 266, -1, 10**30, 74.0, True, None, [74], ""])
def test_an_unknown_zone_is_refused(zone: object) -> None:
    assert "a TLC zone, 1 to 265" in remedy({**RIDE, "pickup_zone_id": zone}, "pickup_zone_id")


@pytest.mark.parametrize("name", ["East Harlem North", "east  harlem north ", "EAST HARLEM NORTH"])
def test_a_zone_is_found_by_its_name(name: str) -> None:
    assert read(pickup_zone_id=name) == read(pickup_zone_id=74)


@pytest.mark.parametrize(
    ("name", "expected_message"),
    [
        ("Corona", "give an id, since zones 56, 57 have this name"),
        ("East Harlem Nort", "give the name of a TLC zone, such as East Harlem North, East Harlem South"),
        ("74", "give the id or the name of a TLC zone"),
    ],
)
def test_an_unknown_or_ambiguous_name_is_refused(name: str, expected_message: str) -> None:
    assert remedy({**RIDE, "dropoff_zone_id": name}, "dropoff_zone_id") == expected_message


@pytest.mark.parametrize("key", ["", "a" * 201, "a\nb", "\ud800", 7])
def test_an_invalid_rider_key_is_refused(key: object) -> None:
    assert "1 to 200 printable characters" in remedy({**RIDE, "rider_key": key}, "rider_key")
    assert read(rider_key="rider 7").rider_key == "rider 7"


@pytest.mark.parametrize(
    ("time_text", "local"),
    [
        ("2023-03-01T08:30:15", datetime(2023, 3, 1, 8, 30, 15)),
        ("2023-03-01 08:30", datetime(2023, 3, 1, 8, 30)),
        ("2023-03-01T08:30-05:00", datetime(2023, 3, 1, 8, 30)),
        ("2023-03-01T13:30Z", datetime(2023, 3, 1, 8, 30)),
        ("2023-07-01T12:30Z", datetime(2023, 7, 1, 8, 30)),
        ("2023-03-01T00:30+09:00", datetime(2023, 2, 28, 10, 30)),
    ],
)
def test_times_are_converted_to_new_york_time(time_text: str, local: datetime) -> None:
    assert read(pickup_at=time_text).pickup_at == local


@pytest.mark.parametrize(
    "time_text", ["", "now", "2023-03-01", "2023-02-30T08:30", "08:30", 1677659400, None, "9" * 500]
)
def test_an_invalid_time_is_refused(time_text: object) -> None:
    assert "such as 2023-03-01T08:30" in remedy({**RIDE, "pickup_at": time_text}, "pickup_at")


@pytest.mark.parametrize(
    "time_text",
    [
        "1999-03-01T08:30",
        "2050-01-01T00:00",
        "0001-01-01T00:00",
        "9999-12-31T23:59",
        "0001-01-01T00:00Z",
        "0001-01-01T00:00+23:00",
        "9999-12-31T23:59-23:00",
        "2050-01-01T05:00Z",
        "2009-01-01T04:59Z",
        "0000-01-01T00:00",
        "12023-03-01T08:30",
        "-2023-03-01T08:30:00Z",
        "+002023-03-01T08:30",
    ],
)
def test_years_with_unknown_holidays_are_refused(time_text: str) -> None:
    assert "2009 to 2049" in remedy({**RIDE, "pickup_at": time_text}, "pickup_at")


@pytest.mark.parametrize(
    ("time_text", "local", "fold", "warning"),
    [
        ("2023-03-12T01:59", "2023-03-12T01:59", 0, ""),
        ("2023-03-12T02:30", "2023-03-12T03:30", 0, "clocks skip 2023-03-12T02:30; it is read as 2023-03-12T03:30"),
        ("2023-03-12T03:30", "2023-03-12T03:30", 0, ""),
        ("2023-03-12T07:30Z", "2023-03-12T03:30", 0, ""),
        ("2023-03-12T02:30-05:00", "2023-03-12T03:30", 0, ""),
        (
            "2023-11-05T01:30",
            "2023-11-05T01:30",
            0,
            "read as the first (2023-11-05T05:30Z); write 2023-11-05T01:30-05:00",
        ),
        ("2023-11-05T01:30-04:00", "2023-11-05T01:30", 0, ""),
        ("2023-11-05T01:30-05:00", "2023-11-05T01:30", 1, ""),
        ("2023-11-05T06:30Z", "2023-11-05T01:30", 1, ""),
        ("2023-11-05T02:00", "2023-11-05T02:00", 0, ""),
    ],
)
def test_ambiguous_time_is_one_ride_with_a_warning(time_text: str, local: str, fold: int, warning: str) -> None:
    ride = read(pickup_at=time_text)
    assert (ride.pickup_at.isoformat(timespec="minutes"), ride.pickup_at.fold) == (local, fold)
    assert len(ride.warnings) == bool(warning)
    assert warning in "".join(ride.warnings)


def test_time_suggested_by_a_warning_is_the_other_hour() -> None:
    first = read(pickup_at="2023-11-05T01:30")
    second = read(pickup_at=first.warnings[0].split("write ")[1].split()[0])
    # Two times of one zone differ by the difference of their clocks.
    assert dropoff_time(second.pickup_at, 10).timestamp() - dropoff_time(first.pickup_at, 10).timestamp() == 3600
    assert second.warnings == ()


def test_a_service_without_training_is_refused_with_the_available_ones() -> None:
    assert str(refusal({**RIDE, "service": "yellow"})).endswith(
        'is "yellow": give one the model was trained on: green, fhvhv'
    )


@pytest.mark.parametrize("count", [-1, 100, 1.5, "2", True])
def test_an_invalid_passenger_count_is_refused(count: object) -> None:
    assert "0 to 99" in remedy({**RIDE, "passenger_count": count}, "passenger_count")


def test_every_error_is_reported_at_once() -> None:
    errors = refusal({"pickup_zone_id": 0}).errors
    assert [(error.field, error.value) for error in errors] == [
        ("pickup_zone_id", "0"),
        ("dropoff_zone_id", None),
        ("pickup_at", None),
    ]


def test_an_unknown_field_is_refused() -> None:
    assert "trip_distance is 3.2: no field of a ride" in str(refusal({**RIDE, "trip_distance": 3.2}))


def test_many_unknown_fields_keep_the_error_short() -> None:
    assert len(str(refusal({**RIDE, **{f"{number}" * 50: 0 for number in range(1000)}}))) < 1000


@pytest.mark.parametrize("body", [None, [], [RIDE], "ride", 7])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    assert "send a JSON object" in str(refusal(body))


@given(
    json_values | st.dictionaries(field_names, json_values) | st.dictionaries(field_names, json_values).map(RIDE.__or__)
)
def test_any_body_is_parsed_or_rejected_in_one_line(body: object) -> None:
    problem = ""
    try:
        assert parse_ride(body, SERVICES, ZONE_NAMES).service in SERVICES
    except InvalidFields as refused:
        problem = str(refused)
    assert "\n" not in problem
    assert len(problem) < 2000


@given(
    st.datetimes(datetime(2009, 1, 1), datetime(2049, 12, 31)) | st.sampled_from(CLOCK_CHANGES),
    st.integers(1, 265),
    st.sampled_from(SERVICES),
)
def test_every_written_request_is_read_back(pickup_at: datetime, zone: int, service: str) -> None:
    ride = read(pickup_at=pickup_at.isoformat(timespec="microseconds"), pickup_zone_id=zone, service=service)
    assert ride.pickup_at == existing_time(np.array([pickup_at])).item() + timedelta(microseconds=pickup_at.microsecond)
    assert (ride.service, ride.pickup_zone_id, ride.passenger_count) == (service, zone, None)
    assert len(ride.warnings) == (ride.pickup_at != pickup_at or bool(is_repeated(np.array([pickup_at]))))


def test_dropoff_time_is_pickup_plus_minutes() -> None:
    assert dropoff_time(read().pickup_at, 9.51).isoformat() == "2023-03-01T08:39:30-05:00"


def test_dropoff_time_over_a_clock_change_uses_elapsed_time() -> None:
    spring = read(pickup_at="2023-03-12T01:50")
    assert dropoff_time(spring.pickup_at, 20).isoformat() == "2023-03-12T03:10:00-04:00"
    autumn, an_hour_later = read(pickup_at="2023-11-05T05:50Z"), read(pickup_at="2023-11-05T06:50Z")
    assert autumn.pickup_at == an_hour_later.pickup_at  # both show 01:50
    assert dropoff_time(an_hour_later.pickup_at, 20) - dropoff_time(autumn.pickup_at, 20) == timedelta(hours=1)

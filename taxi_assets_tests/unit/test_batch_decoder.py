"""A batch is decoded to the rides, or refused with the problem, that the parser of single rows gives."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.serving.endpoint import batch_decoder
from taxi_assets.serving.endpoint.batch_decoder import decode_batch
from taxi_assets.serving.endpoint.batch_fields import parse_batch
from taxi_assets.serving.endpoint.pickup_time import dropoff_time, read_pickup_time
from taxi_assets.serving.endpoint.problem_details import InvalidFields, Problem
from taxi_assets.serving.endpoint.request_body import parse_json
from taxi_assets.serving.endpoint.ride_batch import RideBatch
from taxi_assets.serving.zone_names import ZoneNames

SERVICES = ("green", "fhvhv")
ZONE_NAMES = ZoneNames({74: "East Harlem North", 132: "JFK Airport"})
RIDE = {"pickup_zone_id": 74, "dropoff_zone_id": 132, "pickup_at": "2023-03-01T08:30"}

zones = st.sampled_from([74, 132, "JFK Airport", 0, "x", None, 7.0])
times = st.sampled_from(["2023-03-01T08:30", "2023-11-05T01:30", "2023-11-05T01:30-05:00", "2023-03-12T02:30", "9", 7])
services = st.sampled_from(["green", "fhvhv", None, "yellow", ""])
people = st.sampled_from([1, None, 0, 100, "2"])
fields = {
    "pickup_zone_id": zones,
    "dropoff_zone_id": zones,
    "pickup_at": times,
    "service": services,
    "passenger_count": people,
    "vendor_id": people,
}
valid = {
    "pickup_zone_id": st.sampled_from([74, "JFK Airport"]),
    "dropoff_zone_id": st.integers(1, 265),
    "pickup_at": st.datetimes(datetime(2022, 1, 1), datetime(2024, 1, 1)).map(datetime.isoformat),
    "service": st.sampled_from(SERVICES),
    "passenger_count": st.none() | st.integers(0, 99),
    "vendor_id": st.none() | st.integers(0, 99),
}
rows = st.lists(st.fixed_dictionaries(valid) | st.fixed_dictionaries({}, optional=fields), max_size=4)
columns = st.integers(0, 3).flatmap(
    lambda n: st.fixed_dictionaries(
        {name: st.lists(value, min_size=n, max_size=n) for name, value in valid.items() if name != "service"},
        optional={"service": services | st.lists(services, max_size=4)},
    )
)
keys = st.sampled_from(["rider-7", "", None, 7])
bodies = (
    st.fixed_dictionaries({"rides": rows}, optional={"rider_key": keys, "tip": keys})
    | st.fixed_dictionaries({}, optional={**{name: st.lists(value, max_size=3) for name, value in fields.items()}})
    | columns
)


def outcome(parse: Any) -> object:
    try:
        return asdict(parse())
    except Problem as problem:
        return problem.status, problem.detail, problem.errors


def assert_equal(body: bytes) -> None:
    expected = outcome(lambda: parse_batch(parse_json(body), SERVICES, ZONE_NAMES))
    assert outcome(lambda: decode_batch(body, SERVICES, ZONE_NAMES)) == expected


@given(bodies)
def test_every_batch_is_decoded_as_its_rows_are_parsed(body: dict[str, Any]) -> None:
    assert_equal(json.dumps(body).encode())


@given(st.binary(max_size=20), st.integers(0, 120))
def test_damaged_batches_get_the_same_problem(noise: bytes, place: int) -> None:
    body = json.dumps({"rides": [RIDE]}).encode()
    assert_equal(body[:place] + noise + body[place:])


@pytest.mark.parametrize("body", [{"rides": [RIDE, RIDE]}, {**{name: [value] * 2 for name, value in RIDE.items()}}])
def test_plain_batches_take_the_fast_path(body: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_decoder, "parse_json", None)
    batch = decode_batch(json.dumps({**body, "rider_key": "r"}).encode(), SERVICES, ZONE_NAMES)
    assert (len(batch), batch.rider_key, batch.is_rows) == (2, "r", "rides" in body)


def refusal(body: object) -> Problem:
    with pytest.raises(Problem) as caught:
        decode_batch(json.dumps(body).encode(), SERVICES, ZONE_NAMES)
    return caught.value


def test_errors_name_the_row_and_the_field() -> None:
    wrong = {**RIDE, "pickup_zone_id": 999}
    assert [error.field for error in refusal({"rides": [RIDE, wrong]}).errors] == ["rides[1].pickup_zone_id"]
    of_columns = {name: [value, wrong[name]] for name, value in RIDE.items()}
    (error,) = refusal(of_columns).errors
    assert (error.field, error.value) == ("pickup_zone_id[1]", "999")


@pytest.mark.parametrize(
    ("body", "expected_message"),
    [
        ({"rides": []}, "rides is []: give a list of 1 to 10000 rides"),
        ({"rides": 7}, "rides is 7: give a list"),
        ({"rides": [7]}, "rides[0].body is 7: send a JSON object"),
        ({"rides": [{**RIDE, "rider_key": "r"}]}, 'rides[0].rider_key is "r": give one for all rides'),
        ({"rides": [RIDE], "pickup_at": []}, "pickup_at is []: no field of a batch, use rides, rider_key"),
        ({"pickup_at": ["2023-03-01T08:30"]}, "pickup_zone_id is missing: give a list with one value for each ride"),
        (
            {**{name: [value] for name, value in RIDE.items()}, "passenger_count": [1, 2]},
            "it has 1 values",
        ),
        ({**RIDE, "pickup_at": ["2023-03-01T08:30"]}, "pickup_zone_id is 74: give a list"),
        ([RIDE], "body is [{"),
    ],
)
def test_a_body_of_another_shape_is_refused(body: object, expected_message: str) -> None:
    assert expected_message in str(refusal(body))


def test_many_errors_keep_the_response_short() -> None:
    problem = refusal({"rides": [{}] * 10_000})
    assert isinstance(problem, InvalidFields)
    assert len(problem.errors) == 20


def test_more_rides_than_the_limit_are_refused() -> None:
    assert refusal({"rides": [RIDE] * 10_001}).status == 413
    assert refusal({name: [value] * 10_001 for name, value in RIDE.items()}).status == 413


@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(2022, 1, 1), datetime(2024, 12, 31)).map(datetime.isoformat)
            | st.sampled_from(["2023-11-05T01:30-05:00", "2023-11-05T01:30-04:00", "2023-03-12T01:59:59.9"]),
            st.floats(0, 300),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_ends_of_many_rides_equal_the_ends_of_single_ones(rides: list[tuple[str, float]]) -> None:
    times, minutes = [read_pickup_time(text)[0] for text, _ in rides], [each for _, each in rides]
    count = len(rides)
    batch = RideBatch(["green"] * count, times, [1] * count, [1] * count, [None] * count, [0] * count, [()] * count)
    expected = [dropoff_time(time, each).isoformat() for time, each in zip(times, minutes, strict=True)]
    assert batch.dropoff_times(np.array(minutes)) == expected

"""The index gives one ride the features that `recent_traffic.py` computes for many trips at once."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_assets.features.recent_traffic import (
    RECENT_TRAFFIC_FEATURES,
    CompletedTrips,
    fixed_duration_minutes,
    lookback_seconds,
    recent_traffic_features,
)
from taxi_assets.features.traffic_index import CompletedTrip, TrafficIndex
from taxi_assets.features.trip_features import ZONES

BOROUGH = np.arange(ZONES, dtype=np.int64) % 5
NOON = 1_700_000_000
HOUR, DAY = 3_600, 86_400

zones = st.integers(1, 6)
# Ends within a few hours, days or weeks of noon, so that every window has an edge among them.
times = st.one_of(*(st.integers(NOON - reach, NOON + reach) for reach in (2 * HOUR, 3 * DAY, 30 * DAY)))
trips = st.builds(
    CompletedTrip,
    ended_at=times,
    start=zones,
    end=zones,
    minutes=st.floats(1, 180),
    expected=st.floats(2, 90),
    vendor=st.integers(0, 2),
)


def completed(of: list[CompletedTrip]) -> CompletedTrips:
    def column(name: str, kind: type) -> np.ndarray:
        return np.array([getattr(trip, name) for trip in of], kind)

    return CompletedTrips(
        *(column(name, np.int64) for name in ("ended_at", "start", "end", "vendor")),
        *(column(name, np.float64) for name in ("minutes", "expected")),
    )


def batch_features(of: list[CompletedTrip], at: int, start: int, end: int) -> list[float]:
    asked = (np.array([value]) for value in (at, start, end))
    found = recent_traffic_features(*asked, BOROUGH, completed(of))
    return [float(found[name][0]) for name in RECENT_TRAFFIC_FEATURES]


def index_of(of: list[CompletedTrip], known: int = 0, max_trips: int = 500_000) -> TrafficIndex:
    """An index that starts with some of the trips and gets the others one by one."""
    index = TrafficIndex(BOROUGH, completed(of[:known]), max_trips)
    for trip in of[known:]:
        index.add(trip)
    return index


@settings(max_examples=150, deadline=None)
@given(st.lists(trips, max_size=40), st.data(), times, zones, zones)
def test_features_are_those_of_the_batch(
    of: list[CompletedTrip], data: st.DataObject, at: int, start: int, end: int
) -> None:
    index = index_of(of, data.draw(st.integers(0, len(of))))
    assert index.features(at, start, end) == pytest.approx(batch_features(of, at, start, end), abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(trips, max_size=60, unique_by=lambda trip: trip.ended_at),
    st.floats(5, 20),
    times,
    st.integers(0, 3),
)
def test_fixed_durations_are_those_of_the_batch(of: list[CompletedTrip], fixed: float, at: int, vendor: int) -> None:
    # Vendor 1 writes the same duration for all trips.
    of = [
        CompletedTrip(each.ended_at, each.start, each.end, fixed, each.expected, 1) if each.vendor == 1 else each
        for each in of
    ]
    expected = float(fixed_duration_minutes(np.array([at]), np.array([vendor]), completed(of))[0])
    found = index_of(of).fixed_duration_minutes(at, vendor)
    assert found == pytest.approx(expected, abs=1e-4, nan_ok=True)


def trip(ended_at: int, minutes: float = 20, expected: float = 10) -> CompletedTrip:
    return CompletedTrip(ended_at, 1, 2, minutes, expected)


def test_a_trip_that_ends_at_the_pickup_is_not_known_yet() -> None:
    index = index_of([trip(NOON)])
    assert index.features(NOON, 1, 2) == [1] * len(RECENT_TRAFFIC_FEATURES)
    assert min(index.features(NOON + 1, 1, 2)) > 1


def test_old_trips_are_removed_and_counted_without_a_change_of_the_features() -> None:
    of = [trip(NOON + 60 * minute, minutes=10 + minute % 7) for minute in range(0, 60 * 24 * 60, 5)]
    index, at = index_of(of), of[-1].ended_at + 60
    assert len(of) - index.removed == len(index) < len(of)
    assert len(index) > lookback_seconds() / 300 - 1
    assert index.features(at, 1, 2) == pytest.approx(batch_features(of, at, 1, 2), abs=1e-6)


def test_the_number_of_trips_is_bounded() -> None:
    of = [trip(NOON + second) for second in range(20_000)]
    index = index_of(of, max_trips=1_000)
    assert len(index) <= 1_000 + 4_096
    assert index.removed == len(of) - len(index)
    at = of[-1].ended_at + 1
    assert index.features(at, 1, 2) == pytest.approx(batch_features(of[-len(index) :], at, 1, 2), abs=1e-6)


def test_an_empty_index_expects_usual_traffic() -> None:
    index = TrafficIndex(BOROUGH)
    assert (len(index), index.newest) == (0, None)
    assert index.features(NOON, 1, 2) == [1] * len(RECENT_TRAFFIC_FEATURES)
    assert math.isnan(index.fixed_duration_minutes(NOON, 1))
    index.add(trip(NOON))
    assert index.newest == NOON

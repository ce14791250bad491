"""The index gives one ride the features that `recent_traffic.py` computes for many trips at once."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_assets.features.recent_traffic import (
    RECENT_TRAFFIC_FEATURES,
    WINDOWS,
    CompletedTrips,
    fixed_duration_minutes,
    lookback_seconds,
    recent_traffic_features,
)
from taxi_assets.features.traffic_index import EXACT_TRIPS, CompletedTrip, TrafficIndex
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


def index_of(of: list[CompletedTrip], known: int = 0, exact_trips: int = EXACT_TRIPS) -> TrafficIndex:
    """An index that starts with some of the trips and gets the others one by one."""
    index = TrafficIndex(BOROUGH, completed(of[:known]), exact_trips)
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


def test_old_trips_are_removed_without_a_change_of_the_features() -> None:
    of = [trip(NOON + 60 * minute, minutes=10 + minute % 7) for minute in range(0, 60 * 24 * 60, 5)]
    index, at = index_of(of), of[-1].ended_at + 60
    kept = lookback_seconds() / 300
    assert kept <= len(index) < 1.4 * kept
    assert index.features(at, 1, 2) == pytest.approx(batch_features(of, at, 1, 2), abs=1e-6)


def with_merged_ends(of: list[CompletedTrip], exact_since: int, span: int, key: Callable[[CompletedTrip], int]) -> Any:
    """The trips, of which those before a time end with the last one of their span and key."""
    last: dict[tuple[int, int], int] = {}
    for each in of:
        place = each.ended_at // span, key(each)
        if each.ended_at < exact_since:
            last[place] = max(last.get(place, 0), each.ended_at)
    ends = [last.get((each.ended_at // span, key(each)), each.ended_at) for each in of]
    return replace(
        completed(of), ended_at=np.where([e.ended_at < exact_since for e in of], ends, completed(of).ended_at)
    )


KEYS: dict[str, tuple[int, Callable[[CompletedTrip], int]]] = {
    "city": (HOUR, lambda _: 0),
    "borough": (HOUR, lambda trip: int(BOROUGH[trip.start])),
    "start": (HOUR, lambda trip: trip.start),
    "end": (HOUR, lambda trip: trip.end),
    "pair": (6 * HOUR, lambda trip: trip.start * ZONES + trip.end),
}


@settings(max_examples=60, deadline=None)
@given(st.lists(trips, min_size=1, max_size=40), st.integers(1, 10), times, zones, zones)
def test_older_trips_are_merged_by_hour(of: list[CompletedTrip], exact: int, at: int, start: int, end: int) -> None:
    # Trips that no window reaches are not compared.
    of = [each for each in of if each.ended_at >= max(trip.ended_at for trip in of) - lookback_seconds()]
    index = index_of(of, len(of), exact)
    exact_since = sorted(each.ended_at for each in of)[-exact:][0]
    found = dict(zip(RECENT_TRAFFIC_FEATURES, index.features(at, start, end), strict=True))
    asked = [np.array([value]) for value in (at, start, end)]
    for grouping, (span, key) in KEYS.items():
        merged = with_merged_ends(of, exact_since, span, key) if len(of) > exact else completed(of)
        expected = recent_traffic_features(*asked, BOROUGH, merged)
        for name, window in WINDOWS.items():
            if window.grouped_by == grouping:
                assert found[name] == pytest.approx(float(expected[name][0]), abs=1e-6), name


def test_memory_is_bounded_and_the_newest_trips_stay_exact() -> None:
    of = [trip(NOON + 25 * number, minutes=10 + number % 7) for number in range(20_000)]
    index, at = index_of(of, exact_trips=200), of[-1].ended_at + 1
    most = 1.3 * (200 + (of[-1].ended_at - of[0].ended_at) / HOUR)
    assert len(index) < most
    assert index.nbytes < 5 * 24 * most
    found, expected = index.features(at, 1, 2), batch_features(of, at, 1, 2)
    short = [position for position, each in enumerate(WINDOWS.values()) if each.hours * HOUR < 25 * 200]
    assert [found[position] for position in short] == pytest.approx([expected[p] for p in short], abs=1e-6)
    assert found == pytest.approx(expected, rel=0.01)


def test_a_vendors_last_trips_are_not_merged() -> None:
    of = [CompletedTrip(NOON + 60 * number, 1, 2, 15 + number % 2 / 100, 10, 1) for number in range(500)]
    at = of[-1].ended_at + 1
    assert index_of(of, exact_trips=50).fixed_duration_minutes(at, 1) == index_of(of).fixed_duration_minutes(at, 1)


def test_an_empty_index_expects_usual_traffic() -> None:
    index = TrafficIndex(BOROUGH)
    assert (len(index), index.newest) == (0, None)
    assert index.features(NOON, 1, 2) == [1] * len(RECENT_TRAFFIC_FEATURES)
    assert math.isnan(index.fixed_duration_minutes(NOON, 1))
    index.add(trip(NOON))
    assert index.newest == NOON

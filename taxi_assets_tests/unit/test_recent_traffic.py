"""Recent-traffic features use only trips that ended before the pickup, and only similar ones."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_assets.features.recent_traffic import (
    FIXED_DURATION,
    RECENT_TRAFFIC_COLUMNS,
    RECENT_TRAFFIC_FEATURES,
    CompletedTrips,
    fixed_duration_minutes,
    recent_traffic_features,
)
from taxi_assets.features.trip_features import ZONES
from taxi_assets.features.zone_geometry import ZoneGeometry
from taxi_assets.training.training_set import completed_trips, recent_traffic_columns

HOUR, DAY = 3_600, 86_400
NOW = 53 * 365 * DAY
BOROUGHS = np.arange(ZONES) // 50


def ended_trips(**columns: Any) -> CompletedTrips:
    """Trips that ended half an hour ago after the ten expected minutes; keyword arguments replace columns."""
    defaults = {"ended_at": NOW - HOUR // 2, "starts": 74, "ends": 75, "vendor": 2, "minutes": 10.0, "expected": 10.0}
    defaults |= columns
    count = max(np.size(values) for values in defaults.values())
    kinds = {"minutes": np.float64, "expected": np.float64}
    return CompletedTrips(**{name: np.full(count, v, kinds.get(name, np.int64)) for name, v in defaults.items()})


def features_of(
    completed: CompletedTrips, at: int = NOW, starts: int = 74, ends: int = 75, vendor: int = 2
) -> dict[str, float]:
    found = features_of_many(completed, *(np.array([value], np.int64) for value in (at, starts, ends, vendor)))
    return {name: float(values[0]) for name, values in found.items()}


def features_of_many(completed: CompletedTrips, at: Any, starts: Any, ends: Any, vendor: Any) -> dict[str, Any]:
    ratios = recent_traffic_features(at, starts, ends, BOROUGHS, completed)
    return ratios | {FIXED_DURATION: fixed_duration_minutes(at, vendor, completed)}


def test_every_feature_is_computed_in_its_order() -> None:
    found = features_of(ended_trips())
    assert tuple(found) == RECENT_TRAFFIC_COLUMNS == (*RECENT_TRAFFIC_FEATURES, FIXED_DURATION)
    assert all(RECENT_TRAFFIC_FEATURES.values())
    assert all(found[name] == 1 for name in RECENT_TRAFFIC_FEATURES)


def test_slow_trips_that_ended_lately_raise_every_ratio() -> None:
    found = features_of(ended_trips(minutes=np.full(300, 15.0)))
    assert all(1.1 < found[name] < 1.5 for name in RECENT_TRAFFIC_FEATURES)
    assert found["city_1h_ratio"] > found["city_28d_ratio"]  # which has a larger prior


def test_a_trip_that_has_not_ended_changes_nothing() -> None:
    slow = np.full(300, 25.0)
    for name, ratio in features_of(ended_trips(minutes=slow, ended_at=NOW)).items():
        assert name == FIXED_DURATION or ratio == 1, name
    assert features_of(ended_trips(minutes=slow, ended_at=NOW - 1))["city_1h_ratio"] > 1.5


def test_each_window_has_its_stated_length() -> None:
    slow = np.full(300, 20.0)
    assert features_of(ended_trips(minutes=slow, ended_at=NOW - HOUR))["city_1h_ratio"] > 1
    older = features_of(ended_trips(minutes=slow, ended_at=NOW - HOUR - 1))
    assert (older["city_1h_ratio"], older["pair_2h_ratio"] > 1) == (1, True)
    oldest = features_of(ended_trips(minutes=slow, ended_at=NOW - 28 * DAY - 1))
    assert all(oldest[name] == 1 for name in RECENT_TRAFFIC_FEATURES)


def test_trips_elsewhere_change_the_city_ratios_only() -> None:
    found = features_of(ended_trips(minutes=np.full(300, 20.0), starts=200, ends=210))
    assert found["city_3h_ratio"] > 1.2
    for name in ("borough_3h_ratio", "pickup_zone_1d_ratio", "dropoff_zone_14d_ratio", "pair_2h_ratio"):
        assert found[name] == 1, name


def test_a_forgotten_meter_counts_as_a_slow_trip_and_no_more() -> None:
    forgotten, slow = (features_of(ended_trips(minutes=np.full(50, minutes))) for minutes in (170.0, 25.0))
    assert forgotten["city_1h_ratio"] == slow["city_1h_ratio"]


def test_without_completed_trips_every_ratio_is_one() -> None:
    nothing = ended_trips().subset(np.array([False]))
    found = features_of(nothing)
    assert all(found[name] == 1 for name in RECENT_TRAFFIC_FEATURES)
    assert np.isnan(found[FIXED_DURATION])


# A vendor that writes the same duration for every trip


def test_a_fixed_duration_vendor_is_detected() -> None:
    assert features_of(ended_trips(minutes=np.linspace(59, 61, 6), vendor=6), vendor=6)[
        FIXED_DURATION
    ] == pytest.approx(60)


@pytest.mark.parametrize(
    ("completed", "vendor"),
    [
        (ended_trips(minutes=np.linspace(59, 61, 4), vendor=6), 6),  # too few
        (ended_trips(minutes=np.linspace(59, 61, 6), vendor=6), 2),  # another vendor's
        (ended_trips(minutes=np.linspace(59, 61, 6), vendor=0), 0),  # no vendor
        (ended_trips(minutes=np.linspace(20, 100, 20), vendor=6), 6),  # not equal
        (ended_trips(minutes=np.full(20, 10.5), vendor=6), 6),  # equal, and as expected: no sign of a fixed duration
        (ended_trips(minutes=np.full(20, 60.0), vendor=6, ended_at=NOW - 29 * DAY), 6),  # long ago
    ],
    ids=["too few", "another vendor's", "no vendor", "not equal", "as expected", "long ago"],
)
def test_any_other_vendor_has_no_fixed_duration(completed: CompletedTrips, vendor: int) -> None:
    if vendor == 6 and completed.minutes[0] == 10.5:
        completed = ended_trips(minutes=np.full(20, 10.5) + np.linspace(-1, 1, 20), vendor=6)
    assert np.isnan(features_of(completed, vendor=vendor)[FIXED_DURATION])


def test_a_vendor_that_begins_to_measure_is_detected_within_a_few_trips() -> None:
    before = ended_trips(minutes=np.full(40, 60.0), vendor=6, ended_at=NOW - DAY + np.arange(40))
    measured = ended_trips(minutes=np.linspace(6, 14, 12), vendor=6, ended_at=NOW - HOUR + np.arange(12))
    assert features_of(before, vendor=6)[FIXED_DURATION] == pytest.approx(60)
    assert np.isnan(features_of(before.concat(measured), vendor=6)[FIXED_DURATION])


# No feature depends on trips that end after the pickup

Drawn = st.integers(0, 2**32 - 1)


@given(Drawn)
@settings(max_examples=25, deadline=None)
def test_trips_that_end_at_the_pickup_or_later_change_nothing(seed: int) -> None:
    draw = np.random.default_rng(seed)
    ends_at = NOW + draw.integers(-3 * DAY, 3 * DAY, 400)
    completed = ended_trips(
        ended_at=ends_at,
        starts=draw.integers(70, 80, 400),
        ends=draw.integers(70, 80, 400),
        vendor=draw.integers(0, 3, 400),
        minutes=draw.uniform(2, 60, 400),
    )
    later = ends_at >= NOW
    changed = CompletedTrips(**vars(completed) | {"minutes": np.where(later, 1.0, completed.minutes)})
    for others in (changed, completed.subset(~later)):
        assert features_of(others) == pytest.approx(features_of(completed), nan_ok=True)


@pytest.mark.parametrize(
    ("pickup_at", "minutes", "requested_at", "is_counted"),
    [
        ("2023-03-12T01:55", 20.0, "2023-03-12T03:10", False),  # ends at 03:15: the clocks go forward
        ("2023-03-12T01:55", 20.0, "2023-03-12T03:16", True),
        ("2023-03-12T02:10", 20.0, "2023-03-12T03:20", False),  # 02:10 does not exist: it is read as 03:10
        ("2023-11-05T00:50", 15.0, "2023-11-05T01:06", True),
        ("2023-11-05T01:30", 10.0, "2023-11-05T01:45", False),  # it may have begun in the second hour
        ("2023-11-05T01:30", 10.0, "2023-11-05T02:00", True),
        ("2023-11-05T00:50", 75.0, "2023-11-05T01:45", False),
        ("2023-11-05T00:50", 75.0, "2023-11-05T02:00", True),
    ],
)
def test_a_trip_counts_once_it_is_over_by_elapsed_time(
    zones, pickup_at: str, minutes: float, requested_at: str, is_counted: bool
) -> None:
    def trips(at: str) -> dict[str, Any]:
        ids = {"pickup_zone_id": np.full(300, 74), "dropoff_zone_id": np.full(300, 75), "service_id": np.zeros(300)}
        return {"pickup_at": np.full(300, np.datetime64(at, "s")), **ids}

    ended_trips = completed_trips(trips(pickup_at), np.full(300, minutes), np.full(300, minutes / 2))
    found = recent_traffic_columns(trips(requested_at), ZoneGeometry(zones), {0: ended_trips})
    assert (found["city_1d_ratio"][0] > 1) is np.bool_(is_counted)


@given(Drawn)
@settings(max_examples=10, deadline=None)
def test_many_trips_have_the_features_of_each_alone(seed: int) -> None:
    draw = np.random.default_rng(seed)
    at, starts, ends, vendor = (
        NOW + draw.integers(-DAY, DAY, 20),
        *draw.integers(70, 75, (2, 20)),
        draw.integers(0, 3, 20),
    )
    completed = ended_trips(ended_at=NOW + draw.integers(-9 * DAY, DAY, 200), minutes=draw.uniform(2, 60, 200))
    many = features_of_many(completed, at, starts, ends, vendor)
    for row in range(20):
        alone = features_of(completed, *(int(values[row]) for values in (at, starts, ends, vendor)))
        assert {name: float(values[row]) for name, values in many.items()} == pytest.approx(alone, nan_ok=True)

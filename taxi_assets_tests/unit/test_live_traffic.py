"""Predictions with a feed of completed rides are those of the evaluation with recent traffic."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_model

from taxi_assets.features.trip_features import SERVICE_IDS
from taxi_assets.serving.completed_rides import CompletedRides
from taxi_assets.serving.live_traffic import LiveTraffic
from taxi_assets.serving.packaging.onnx_export import write_serving_folder
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.served_model import ServedModel

ROWS = 600
NAMES = {number: name for name, number in SERVICE_IDS.items()}
RIDE = RideRequest("green", datetime(2023, 1, 9, 8), 74, 75)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    folder = tmp_path_factory.mktemp("served") / "model"
    return write_serving_folder(small_model.fitted(), folder, small_model.FACTS, small_model.ZONE_NAMES)


@pytest.fixture(scope="module")
def later_trips() -> pd.DataFrame:
    """Slow trips of the week after training; vendor 2 writes nearly the same minutes for all."""
    draw = np.random.default_rng(11)
    columns = small_model.trips(ROWS, seed=12)
    columns["pickup_at"] = columns["pickup_at"] + np.timedelta64(7, "D")
    trips = small_model.frame(columns)
    minutes = 1.4 * (4 + 3 * trips["zone_distance_miles"].fillna(5)) + draw.normal(0, 2, ROWS)
    vendor = draw.integers(0, 3, ROWS)
    minutes = np.where(vendor == 2, draw.normal(15, 0.1, ROWS), minutes.clip(0.5, 90))
    return trips.assign(duration_minutes=np.round(minutes, 1), vendor_id=vendor, passenger_count=1.0)


def events(trips: pd.DataFrame) -> Iterator[tuple[bool, Any]]:
    """Pickups and drop-offs in the order of time; a ride that ends at a pickup ends after it."""
    listed = []
    for trip in trips.itertuples():
        listed += [(trip.pickup_at, 0, trip), (trip.pickup_at + timedelta(minutes=trip.duration_minutes), 1, trip)]
    for _, is_end, trip in sorted(listed, key=lambda each: each[:2]):
        yield bool(is_end), trip


def ride(trip: Any) -> RideRequest:
    at = trip.pickup_at.to_pydatetime()
    zones, passengers = (trip.pickup_zone_id, trip.dropoff_zone_id), int(trip.passenger_count)
    return RideRequest(NAMES[trip.service_id], at, *zones, passengers, vendor_id=trip.vendor_id)


def replay(served: ServedModel, trips: pd.DataFrame, feeds: bool = True) -> np.ndarray:
    """Minutes and interval of each trip, predicted at its pickup; durations are known at the drop-off."""
    traffic, found = LiveTraffic(served), {}
    for is_end, trip in events(trips):
        if is_end and feeds:
            traffic.add(ride(trip), trip.duration_minutes)
        elif not is_end:
            prediction = traffic.predict_ride(ride(trip)).prediction
            found[trip.Index] = [prediction.minutes[0], prediction.low[0], prediction.high[0]]
    return np.array([found[number] for number in range(len(trips))])


def test_predictions_are_those_of_the_evaluation(served: ServedModel, later_trips: pd.DataFrame) -> None:
    model = small_model.fitted()
    expected = model.predict_interval(model.add_recent_traffic(later_trips))
    differences = np.abs(replay(served, later_trips) - np.column_stack([expected.minutes, expected.low, expected.high]))
    ends = later_trips["pickup_at"] + pd.to_timedelta(later_trips["duration_minutes"], "min")
    is_known = later_trips["pickup_at"] > ends.groupby(later_trips["service_id"]).transform("min")
    assert is_known.sum() > ROWS - 20
    assert differences[is_known].max() < 1e-3
    fixed = model.add_recent_traffic(later_trips)["fixed_duration_vendor_minutes"]
    assert fixed.notna().sum() > 100  # so this rule is compared too


def test_rides_known_at_the_start_count_as_those_added_one_by_one(
    served: ServedModel, later_trips: pd.DataFrame
) -> None:
    rides, one_by_one = CompletedRides(), LiveTraffic(served)
    for is_end, trip in events(later_trips):
        if is_end:
            rides.append(ride(trip), trip.duration_minutes)
            one_by_one.add(ride(trip), trip.duration_minutes)
    known = LiveTraffic(served, rides)
    for trip in later_trips.iloc[::20].itertuples():
        (found, expected) = (each.predict_ride(ride(trip)) for each in (known, one_by_one))
        assert np.allclose(found.matrix, expected.matrix, atol=1e-6, equal_nan=True)
        assert found.prediction.minutes == pytest.approx(expected.prediction.minutes, abs=1e-4)
        assert found.traffic_age_seconds == expected.traffic_age_seconds


def test_implausible_rides_known_at_the_start_are_left_out(served: ServedModel) -> None:
    rides = CompletedRides()
    rides.append(RIDE, 61)
    assert LiveTraffic(served, rides).newest("green") is None


def test_a_feed_of_completed_rides_lowers_the_error(served: ServedModel, later_trips: pd.DataFrame) -> None:
    actual = later_trips["duration_minutes"].to_numpy()
    errors = [
        float(np.sqrt(np.mean((replay(served, later_trips, feeds)[:, 0] - actual) ** 2))) for feeds in (True, False)
    ]
    assert errors[0] < 0.9 * errors[1]


def test_traffic_is_known_from_the_first_ride_on(served: ServedModel) -> None:
    traffic = LiveTraffic(served)
    later = RideRequest("green", RIDE.pickup_at + timedelta(minutes=30), 74, 75)
    assert traffic.newest("green") is None
    assert traffic.predict_ride(later).traffic_age_seconds is None
    assert traffic.add(RIDE, 20.0)
    newest = traffic.newest("green")
    assert newest is not None
    assert newest.isoformat() == "2023-01-09T08:20:00-05:00"
    assert traffic.predict_ride(later).traffic_age_seconds == 600


def test_training_trips_are_part_of_it_if_they_are_recent(served: ServedModel) -> None:
    found = []
    for days in (0, 40):
        traffic, pickup_at = LiveTraffic(served), RIDE.pickup_at + timedelta(days=days)
        traffic.add(RideRequest("green", pickup_at, 74, 75), 20.0)
        found.append(len(traffic._indexes[SERVICE_IDS["green"]]))
    assert found[0] > found[1] == 1


def test_implausible_durations_and_other_services_are_not_added(served: ServedModel) -> None:
    traffic = LiveTraffic(served)
    assert not traffic.add(RIDE, 61)
    assert not traffic.add(RIDE, 0.5)
    assert not traffic.add(RideRequest("yellow", RIDE.pickup_at, 74, 75), 10)
    assert traffic.newest("yellow") is None


def test_a_model_without_recent_traffic_keeps_no_trips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model.fitted()
    monkeypatch.setattr(model, "use_recent_traffic", False)
    served = write_serving_folder(model, tmp_path / "model", small_model.FACTS, small_model.ZONE_NAMES)
    traffic = LiveTraffic(served)
    assert (traffic.newest("green"), traffic.add(RIDE, 10)) == (None, False)
    expected = served.predict_ride(RIDE)
    assert traffic.predict_ride(RIDE).prediction.minutes == pytest.approx(expected.minutes)


def test_traffic_is_unknown_a_day_after_the_last_ride(served: ServedModel) -> None:
    traffic = LiveTraffic(served)
    traffic.add(RIDE, 20.0)
    ended_at = RIDE.pickup_at + timedelta(minutes=20)
    for seconds, age in ((1, 1), (86_400, 86_400), (86_401, None)):
        later = RideRequest("green", ended_at + timedelta(seconds=seconds), 74, 75)
        found = traffic.predict_ride(later)
        assert found.traffic_age_seconds == age
        assert np.isnan(found.matrix).any() == (age is None) or age is not None
    assert found.prediction.minutes == pytest.approx(served.predict_ride(later).minutes)

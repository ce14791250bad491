"""The recent traffic of a batch is that of its rides one by one."""

from datetime import datetime, timedelta

import numpy as np
import pytest
import small_model
from hypothesis import given, settings
from hypothesis import strategies as st
from test_traffic_index import BOROUGH, NOON, index_of, times, trips, zones

from taxi_assets.features.traffic_index import CompletedTrip, TrafficIndex
from taxi_assets.features.traffic_of_many import ages_of_many, features_of_many
from taxi_assets.serving.endpoint.ride_batch import RideBatch
from taxi_assets.serving.live_traffic import LiveTraffic
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.served_model import ServedModel

TOLERANCE_MINUTES = 1e-3
# Around the night in which New York's clocks show an hour twice.
PICKUP_AT = datetime(2023, 11, 5, 0, 30)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    return ServedModel.load(small_model.write(tmp_path_factory.mktemp("model") / "serving"))


@settings(max_examples=150)
@given(st.lists(trips, max_size=40), st.lists(st.tuples(times, zones, zones), min_size=1, max_size=20))
def test_features_are_those_of_single_rides(of: list[CompletedTrip], rides: list[tuple[int, int, int]]) -> None:
    index = index_of(of)
    found = features_of_many(index, *(np.array(column) for column in zip(*rides, strict=True)))
    assert found == pytest.approx(np.array([index.features(*ride) for ride in rides]), abs=1e-6)


@given(st.lists(trips, max_size=5), st.lists(times, min_size=1, max_size=5))
def test_ages_are_those_of_single_rides(of: list[CompletedTrip], at: list[int]) -> None:
    index = index_of(of)
    expected = [np.nan if (age := index.age_seconds(each)) is None else age for each in at]
    assert ages_of_many(index, np.array(at)) == pytest.approx(np.array(expected), nan_ok=True)


def test_an_empty_index_expects_usual_traffic() -> None:
    rides = np.array([NOON]), np.array([1]), np.array([2])
    assert (features_of_many(TrafficIndex(BOROUGH), *rides) == 1).all()
    assert len(features_of_many(TrafficIndex(BOROUGH), *(each[:0] for each in rides))) == 0
    assert np.isnan(ages_of_many(TrafficIndex(BOROUGH), rides[0])).all()


some_zones = st.integers(70, 76)
requests = st.builds(
    RideRequest,
    st.sampled_from(small_model.SERVICES),
    st.builds(
        lambda minutes, fold: (PICKUP_AT + timedelta(minutes=minutes)).replace(fold=fold),
        st.integers(-120, 2 * 24 * 60),
        st.integers(0, 1),
    ),
    some_zones,
    some_zones,
    st.none() | st.integers(0, 6),
    vendor_id=st.integers(0, 2),
)


@settings(max_examples=40)
@given(st.data())
def test_predictions_are_those_of_single_rides(served: ServedModel, data: st.DataObject) -> None:
    known = data.draw(st.lists(st.tuples(requests, st.integers(1, 60)), max_size=15))
    rides = data.draw(st.lists(requests, min_size=1, max_size=15))
    traffic = LiveTraffic(served)
    for ride, minutes in known:
        # Vendor 2 writes the same duration for all trips.
        traffic.add(ride, 15 if ride.vendor_id == 2 else minutes)
    batch = RideBatch.of(rides, None, is_rows=True)
    found = traffic.predict_many(batch.columns(), batch.pickup_seconds, batch.vendor_ids)
    single = [traffic.predict_ride(ride) for ride in rides]
    assert list(found.traffic_age_seconds) == [each.traffic_age_seconds for each in single]
    for name, values in vars(found.prediction).items():
        expected = [getattr(each.prediction, name)[0] for each in single]
        assert np.abs(values - expected).max() <= TOLERANCE_MINUTES


def test_recent_traffic_changes_the_predictions_of_a_batch(served: ServedModel) -> None:
    traffic, batch = (
        LiveTraffic(served),
        RideBatch.of([RideRequest("green", PICKUP_AT, 74, 75)] * 2, None, is_rows=True),
    )
    found = []
    for _ in range(2):
        found.append(traffic.predict_many(batch.columns(), batch.pickup_seconds, batch.vendor_ids))
        for minute in range(60, 120):
            traffic.add(RideRequest("green", PICKUP_AT - timedelta(minutes=minute), 74, 75), 55)
    unknown, slow = found
    assert (unknown.traffic_age_seconds, slow.traffic_age_seconds) == ([None] * 2, [300] * 2)
    assert unknown.prediction.minutes == pytest.approx(served.predict_interval(batch.columns()).minutes)
    assert slow.prediction.minutes != pytest.approx(unknown.prediction.minutes, rel=0.01)

"""One trip is encoded to the row, bit by bit, that many trips are encoded to."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
import small_model
from hypothesis import example, given
from hypothesis import strategies as st

from taxi_assets.errors import TaxiError
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.served_model import ServedModel

ZONES = st.integers(1, 265)
TIMES = st.datetimes(datetime(2009, 1, 1), datetime(2049, 12, 31))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    return ServedModel.load(small_model.write(tmp_path_factory.mktemp("served") / "model"))


@given(TIMES, ZONES, ZONES, st.none() | st.integers(0, 99))
@example(datetime(2023, 3, 12, 2, 30), 74, 74, None)  # skipped by the clocks
@example(datetime(2023, 11, 5, 1, 30), 264, 265, 0)  # shown twice by the clocks; zones without a location
@example(datetime(2024, 2, 29, 23, 59, 59), 1, 132, 99)
def test_one_ride_is_predicted_as_one_of_many(
    served: ServedModel, pickup_at: datetime, start: int, end: int, passengers: int | None
) -> None:
    ride = RideRequest(served.services[0], pickup_at, start, end, passengers)
    alone, among = served.predict_ride(ride), served.predict_request_intervals([ride, ride])
    for name, values in vars(alone).items():
        np.testing.assert_array_equal(values, vars(among)[name][:1])


def test_a_ride_of_a_service_without_training_is_refused(served: ServedModel) -> None:
    fewer = replace(served, tables={})
    with pytest.raises(TaxiError, match="not been trained on trips of green"):
        fewer.predict_ride(RideRequest("green", datetime(2023, 3, 1, 8), 74, 75))

"""One ride's minutes and interval are those of `predict_interval`, also at the edges of its bins."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.serving.single_prediction import SinglePrediction
from taxi_assets.training.intervals import Intervals
from taxi_assets.training.predictions import predict_interval

DRAW = np.random.default_rng(0)
INTERVALS = Intervals(
    np.arange(14.0),
    np.array([0.25, 0.5, 0.75, 1.0]),
    -DRAW.uniform(0.3, 5, (15, 5)),
    DRAW.uniform(0.3, 5, (15, 5)),
    DRAW.uniform(0.5, 2, (16, 5)),
)
minutes = st.sampled_from([0.0, 1.0, 2.0, 4.0, 13.0, 200.0]) | st.floats(0, 100, width=32)


@given(st.floats(0, 3, width=32), minutes, minutes, st.integers(0, 15), st.integers(0, 1439))
def test_one_ride_has_the_interval_of_one_row(
    correction: float, expected: float, spread: float, borough: int, minute: int
) -> None:
    row = np.zeros((1, len(MATRIX_COLUMNS)), np.float32)
    values = {
        "expected_minutes": expected,
        "pair_spread_minutes": spread,
        "pickup_borough": borough,
        "minute_of_day": minute,
    }
    for name, value in values.items():
        row[0, MATRIX_COLUMNS.index(name)] = value
    with np.errstate(divide="ignore", invalid="ignore"):
        many = predict_interval(np.array([correction], np.float32), row, None, INTERVALS)
    single = SinglePrediction(INTERVALS).predict(float(np.float32(correction)), row)
    for name, found in vars(single).items():
        np.testing.assert_array_equal(found, vars(many)[name])

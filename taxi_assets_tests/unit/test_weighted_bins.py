"""The faster bins are scikit-learn's own, value by value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.ensemble._hist_gradient_boosting import binning

from taxi_assets.training.weighted_bins import one_sort_per_column


@given(st.integers(0, 2**32 - 1), st.integers(2, 3_000), st.sampled_from([2, 40, 10**6]), st.sampled_from([8, 255]))
def test_bins_are_those_of_scikit_learn(seed: int, rows: int, values: int, max_bins: int) -> None:
    random = np.random.default_rng(seed)
    column = random.integers(0, values, rows).astype(np.float64)
    column[1:][random.random(rows - 1) < 0.1] = np.nan
    column[random.integers(0, rows)] = 1
    weights = np.where(random.random(rows) < 0.1, 0, random.random(rows))
    weights[~np.isnan(column)] += 1e-3 * (random.random() < 0.5)
    weights[np.flatnonzero(~np.isnan(column))[0]] = 1
    for given_weights in (weights, None):
        expected = binning._find_binning_thresholds(column, max_bins, given_weights)
        with one_sort_per_column():
            found = binning._find_binning_thresholds(column, max_bins, given_weights)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


def test_trees_are_the_same_and_scikit_learn_is_as_before() -> None:
    random, own = np.random.default_rng(7), binning._find_binning_thresholds
    matrix, target, weights = random.normal(size=(2_000, 3)), random.normal(size=2_000), random.random(2_000)

    def predict() -> np.ndarray:
        return HistGradientBoostingRegressor(max_iter=5).fit(matrix, target, sample_weight=weights).predict(matrix)

    with one_sort_per_column():
        ours = predict()
    np.testing.assert_array_equal(ours, predict())
    with pytest.raises(ValueError, match="stop"), one_sort_per_column():
        raise ValueError("stop")
    assert binning._find_binning_thresholds is own

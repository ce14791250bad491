"""Bins of weighted columns for scikit-learn's trees: equal bins, from one sort a column, not 254."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray


@contextmanager
def one_sort_per_column() -> Iterator[None]:
    """Makes fits of `HistGradientBoostingRegressor` in the block faster; their results stay equal.

    scikit-learn 1.9 computes each of a weighted column's 254 quantiles by a sort of its own.
    """
    from sklearn.ensemble._hist_gradient_boosting import binning

    slow = binning._find_binning_thresholds

    def find(values: NDArray[Any], max_bins: int, sample_weight: NDArray[Any] | None = None) -> NDArray[np.float64]:
        if sample_weight is None:
            return slow(values, max_bins)  # type: ignore[no-any-return]
        used = ~np.isnan(values) & (sample_weight != 0)
        order = np.argsort(values[used])
        ordered = values[used][order]
        if 1 + np.count_nonzero(np.diff(ordered)) <= max_bins:
            return slow(values, max_bins, sample_weight)  # type: ignore[no-any-return]
        quantiles = _quantiles(ordered, sample_weight[used][order], np.linspace(0, 100, max_bins + 1)[1:-1] / 100)
        return np.unique(np.clip(quantiles, None, binning.ALMOST_INF))

    binning._find_binning_thresholds = find
    try:
        yield
    finally:
        binning._find_binning_thresholds = slow


def _quantiles(
    ordered: NDArray[np.float64], weights: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted quantiles of ordered values as scikit-learn rounds and averages them, for shares above 0."""
    below = np.cumsum(weights)
    ranks, last = shares * below[-1], len(ordered) - 1
    at = np.minimum(np.searchsorted(below, ranks), last)
    is_inside = below[at] - ranks > np.finfo(np.float64).eps
    averages = (ordered[at] + ordered[np.minimum(at + 1, last)]) / 2
    found: NDArray[np.float64] = np.where(is_inside, ordered[at], averages)
    return found

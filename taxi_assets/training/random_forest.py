"""A random forest on what is known of the trip alone, without history: another way to learn, to compare with."""

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.utils.validation import check_is_fitted

from taxi_assets.features.trip_features import MODEL_INPUTS

__all__ = ["RandomForestModel"]

# Each tree sees so many trips at most: more make it slower and hardly better.
_MAX_TRIPS_PER_TREE = 60_000


class RandomForestModel(RegressorMixin, BaseEstimator):
    """Minutes of a trip from its zones, places and calendar; takes and gives what `DurationModel` does.

    Args:
        max_iter: Trees.
        max_leaf_nodes: Leaves of a tree; a forest's are larger than boosted ones: so many times eight.
        min_samples_leaf: Trips in a leaf; a forest's are smaller: a tenth of it.
        random_state: Seed.
    """

    def __init__(
        self, *, max_iter: int = 130, max_leaf_nodes: int = 63, min_samples_leaf: int = 200, random_state: int = 0
    ) -> None:
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: NDArray[np.float64]) -> Self:  # noqa: N803 - scikit-learn's name
        """Learn from trips: `X` has the columns `MODEL_INPUTS`, `y` their minutes, shape (n,)."""
        matrix = _matrix(X)
        self.trees_ = RandomForestRegressor(
            n_estimators=max(1, self.max_iter // 4),
            max_leaf_nodes=8 * self.max_leaf_nodes,
            min_samples_leaf=max(1, self.min_samples_leaf // 10),
            max_samples=min(_MAX_TRIPS_PER_TREE, len(matrix)),
            max_features=0.5,
            n_jobs=-1,
            random_state=self.random_state,
        ).fit(matrix, np.asarray(y, np.float64))
        self.trees_.set_params(n_jobs=1)  # threads would add the trees' minutes in an order of their own
        return self

    def predict(self, X: pd.DataFrame) -> NDArray[np.float64]:  # noqa: N803
        """Minutes of each trip, shape (n,)."""
        check_is_fitted(self)
        return np.asarray(self.trees_.predict(_matrix(X)))


def _matrix(trips: pd.DataFrame) -> NDArray[np.float32]:
    """The inputs that are numbers: the calendar tells of the pickup what a forest can learn from."""
    names = [name for name in MODEL_INPUTS if name != "pickup_at"]
    return trips[names].to_numpy(np.float32)

"""A random forest on the trip's own features, without target encoding, for comparison."""

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.utils.validation import check_is_fitted

from taxi_assets.features.feature_names import MODEL_INPUTS

# Trips per tree: more make it slower and hardly better.
_MAX_TRIPS_PER_TREE = 60_000


class RandomForestModel(RegressorMixin, BaseEstimator):
    """Predicts a trip's minutes from its zones and calendar, with the interface of `DurationModel`.

    The parameters are those of boosted trees, scaled to a forest.

    Args:
        max_iter: Four times the number of trees.
        max_leaf_nodes: An eighth of the leaves of a tree.
        min_samples_leaf: Ten times the fewest trips of a leaf.
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
        """Fits the forest: `X` has the columns `MODEL_INPUTS`, `y` the trips' minutes, shape (n,)."""
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
        self.trees_.set_params(n_jobs=1)  # threads would sum the trees' minutes in varying order
        return self

    def predict(self, X: pd.DataFrame) -> NDArray[np.float64]:  # noqa: N803
        """Minutes of each trip, shape (n,)."""
        check_is_fitted(self)
        return np.asarray(self.trees_.predict(_matrix(X)))


def _matrix(trips: pd.DataFrame) -> NDArray[np.float32]:
    """The numeric inputs; calendar features stand for `pickup_at`."""
    names = [name for name in MODEL_INPUTS if name != "pickup_at"]
    return trips[names].to_numpy(np.float32)

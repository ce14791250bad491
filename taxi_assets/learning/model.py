"""The duration model: what past rides lead to expect, times a correction by boosted trees. Plain scikit-learn.

`DurationModel` is a scikit-learn regressor over frames of `MODEL_INPUTS`. The history of a training row is told out of
fold, that of a predicted ride by all of the window, as scikit-learn's own `TargetEncoder` does. The trees learn the
ratio of actual to expected minutes, weighted by the square of what was expected: that is the squared error in minutes.
"""

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.utils.validation import check_is_fitted

from taxi_assets.rides.encoding import (
    MATRIX_COLUMNS,
    SEASONAL_COLUMNS,
    encode,
    encode_rides,
    expected_minutes,
    periods,
)
from taxi_assets.rides.features import MODEL_INPUTS, Rides, ZoneMap
from taxi_assets.rides.history import HISTORY_FEATURES, PastRides, Smoothing, Tables, fit_tables, out_of_fold
from taxi_assets.rides.places import Places

__all__ = ["DurationModel"]

# A season seen once is told from nothing but chance: with less than a year the trees do not see the calendar's.
_LEAST_MONTHS_OF_SEASONS = 12
_WEIGHT_MONTHS = 24  # a ride this much older counts a third as much


class DurationModel(RegressorMixin, BaseEstimator):
    """Minutes of a ride from what is known when it starts.

    Args:
        zones: Where the zones are.
        smoothing: How the history is smoothed.
        learning_rate, max_iter, max_leaf_nodes, min_samples_leaf, l2_regularization, random_state: Of the
            `HistGradientBoostingRegressor`.

    After `fit`: `places_`, `tables_` (history by service id) and `trees_`.
    """

    def __init__(  # noqa: PLR0913 - scikit-learn wants every parameter named here
        self,
        zones: ZoneMap,
        smoothing: Smoothing | None = None,
        *,
        learning_rate: float = 0.1,
        max_iter: int = 130,
        max_leaf_nodes: int = 63,
        min_samples_leaf: int = 200,
        l2_regularization: float = 5.0,
        random_state: int = 0,
    ) -> None:
        self.zones = zones
        self.smoothing = smoothing
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: NDArray[np.float64]) -> Self:  # noqa: N803 - scikit-learn's name
        """Learn from rides: `X` has the columns `MODEL_INPUTS`, `y` their minutes, shape (n,)."""
        self.places_ = Places(self.zones)
        rides, minutes = columns(X), np.asarray(y, np.float64)
        smoothing = self.smoothing or Smoothing()
        past = {name: np.empty(len(minutes), np.float32) for name in HISTORY_FEATURES}
        self.tables_: dict[int, Tables] = {}
        for service in np.unique(rides["service_id"]):
            own = rides["service_id"] == service
            service_rides = _past_rides({name: values[own] for name, values in rides.items()}, minutes[own])
            for name, values in out_of_fold(service_rides, self.places_, smoothing).items():
                past[name][own] = values
            next_month = float(service_rides.month.max()) + 1
            self.tables_[int(service)] = fit_tables(service_rides, self.places_, next_month, smoothing)
        matrix = encode(rides, self.places_, past)
        month = rides["pickup_at"].astype("datetime64[M]").astype(np.int64)
        if len(np.unique(month)) < _LEAST_MONTHS_OF_SEASONS:
            matrix[:, [MATRIX_COLUMNS.index(name) for name in SEASONAL_COLUMNS]] = 0
        weights = expected_minutes(matrix) ** 2 * np.exp(-(month.max() + 1 - month) / _WEIGHT_MONTHS)
        self.trees_ = self._trees().fit(matrix, minutes / expected_minutes(matrix), sample_weight=weights)
        return self

    def predict(self, X: pd.DataFrame) -> NDArray[np.float64]:  # noqa: N803
        """Minutes of each ride, shape (n,)."""
        check_is_fitted(self)
        matrix = self.encode(X)
        return np.asarray(self.trees_.predict(matrix)) * expected_minutes(matrix)

    def encode(self, X: pd.DataFrame) -> NDArray[np.float32]:  # noqa: N803
        """The rides as the trees see them."""
        return encode_rides(columns(X), self.places_, self.tables_)

    def _trees(self) -> HistGradientBoostingRegressor:
        return HistGradientBoostingRegressor(
            learning_rate=self.learning_rate,
            max_iter=self.max_iter,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=self.min_samples_leaf,
            l2_regularization=self.l2_regularization,
            early_stopping=False,  # a fixed number of trees: the same data give the same model everywhere
            random_state=self.random_state,
        )


def columns(frame: pd.DataFrame) -> Rides:
    """The frame's model inputs as arrays."""
    return {name: frame[name].to_numpy() for name in MODEL_INPUTS}


def _past_rides(rides: Rides, minutes: NDArray[np.float64]) -> PastRides:
    pickup_at = rides["pickup_at"]
    return PastRides(
        starts=rides["pickup_zone_id"].astype(np.int64),
        ends=rides["dropoff_zone_id"].astype(np.int64),
        period=periods(rides),
        month=pickup_at.astype("datetime64[M]").astype(np.int64),
        week=pickup_at.astype("datetime64[W]").astype(np.int64),
        minutes=minutes,
    )

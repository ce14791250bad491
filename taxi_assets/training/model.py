"""The duration model: what past rides lead to expect, times a correction by boosted trees. Plain scikit-learn.

`DurationModel` is a scikit-learn regressor over frames of `MODEL_INPUTS`; `OPTIONAL_INPUTS` are used where a frame has
them. The history of a training row is told by the months before it, that of a predicted ride by all of the window.
The trees learn the ratio of actual to expected minutes, weighted by the square of what was expected: that is the
squared error in minutes.
"""

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.utils.validation import check_is_fitted

from taxi_assets.features.encoding import MATRIX_COLUMNS, encode_rides, expected_minutes
from taxi_assets.features.recent_traffic import NOW_INPUTS, STEADY, FinishedRides
from taxi_assets.features.target_encoding import Smoothing, Tables
from taxi_assets.features.trip_features import Rides, ZoneMap
from taxi_assets.features.zone_geometry import Places
from taxi_assets.training.intervals import Intervals
from taxi_assets.training.predictions import Answers, answer, learn_intervals
from taxi_assets.training.training_set import Lessons, columns, fill_unknown, finished_rides, lessons, now_columns

__all__ = ["DurationModel"]

Floats = NDArray[np.float64]

# The last third of the rides, of half a year at most, tells how wide intervals are; a smaller model that learned from
# some of the others is judged on them. It costs a tenth, and of its errors nine in ten are as small.
_CALIBRATION_SHARE, _CALIBRATION_MONTHS, _CALIBRATION_RIDES = 1 / 3, 6, 100_000
_SMALLER_MODEL = {"max_iter": 25, "max_leaf_nodes": 31, "learning_rate": 0.2, "max_bins": 31}
_SMALLER_RIDES = 50_000
_SMALLER_COLUMNS = [
    MATRIX_COLUMNS.index(name)
    for name in (
        "minute_of_day",
        "hour_of_week",
        "ride_miles",
        "reverse_pair_minutes",
        "pair_typical_minutes",
        "pair_spread_minutes",
        "pair_period_log_rides",
        "city_1h_ratio",
        "city_3h_ratio",
        "borough_3h_ratio",
        "pair_2h_ratio",
        "pair_28d_ratio",
    )
]


class DurationModel(RegressorMixin, BaseEstimator):
    """Minutes of a ride from what is known when it starts.

    Args:
        zones: Where the zones are.
        smoothing: How the history is smoothed.
        row_months: The trees learn from rides of so many months; the history from all.
        use_now: Let rides that have just ended tell of the streets now.
        use_passengers: Look at `passenger_count`.
        learning_rate, max_iter, max_leaf_nodes, min_samples_leaf, l2_regularization, random_state: Of the
            `HistGradientBoostingRegressor`.

    After `fit`: `places_`, `tables_` (history by service id), `finished_` (the last rides by service id),
    `minutes_range_` (shortest and longest ride learned from), `trees_` and `intervals_`.
    """

    def __init__(  # noqa: PLR0913 - scikit-learn wants every parameter named here
        self,
        zones: ZoneMap,
        smoothing: Smoothing | None = None,
        *,
        row_months: int = 24,
        use_now: bool = True,
        use_passengers: bool = True,
        learning_rate: float = 0.1,
        max_iter: int = 130,
        max_leaf_nodes: int = 63,
        min_samples_leaf: int = 200,
        l2_regularization: float = 5.0,
        random_state: int = 0,
    ) -> None:
        self.zones = zones
        self.smoothing = smoothing
        self.row_months = row_months
        self.use_now = use_now
        self.use_passengers = use_passengers
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: Floats) -> Self:  # noqa: N803 - scikit-learn's name
        """Learn from rides: `X` has the columns `MODEL_INPUTS`, `y` their minutes, shape (n,).

        `passenger_count` and `vendor_id` are used where `X` has them. What rides tell of the streets is worked out
        here, from pickups and minutes.
        """
        self.places_ = Places(self.zones)
        minutes = np.asarray(y, np.float64)
        self.minutes_range_ = (float(minutes.min()), float(minutes.max()))
        learned = lessons(
            columns(X),
            minutes,
            self.places_,
            self.smoothing or Smoothing(),
            self.row_months,
            self._left_out(),
            self.random_state,
        )
        self.tables_: dict[int, Tables] = dict(learned.tables)
        self.finished_: dict[int, FinishedRides] = dict(learned.finished)
        self.intervals_ = self._calibrate(learned)
        ratio = learned.minutes / expected_minutes(learned.matrix)
        self.trees_ = _learn(self._trees(), learned.matrix, ratio, learned.weights)
        return self

    def predict(self, X: pd.DataFrame) -> Floats:  # noqa: N803
        """Minutes of each ride, shape (n,)."""
        return self.answer(X).minutes

    def answer(self, X: pd.DataFrame) -> Answers:  # noqa: N803
        """Minutes of each ride, and the interval nine rides in ten end in."""
        check_is_fitted(self)
        matrix = self.encode(X)
        steady = self._columns(X).get(STEADY)
        return answer(self.trees_.predict(matrix), matrix, steady, self.intervals_)

    def encode(self, X: pd.DataFrame) -> NDArray[np.float32]:  # noqa: N803
        """The rides as the trees see them."""
        return encode_rides(self._columns(X), self.places_, self.tables_)

    def tell_now(self, rides: pd.DataFrame, finished: pd.DataFrame | None = None) -> pd.DataFrame:
        """The rides, with what rides that ended before the pickup of each tell of the streets: `NOW_INPUTS`.

        Args:
            rides: Columns `MODEL_INPUTS`, and `vendor_id` where it is known.
            finished: Rides that are over, with `duration_minutes`; unset, `rides` themselves. The last rides the
                model learned from are looked at too. None tells a ride anything before its own drop-off.
        """
        check_is_fitted(self)
        over = rides if finished is None else finished
        shortest, longest = self.minutes_range_
        over = over[over["duration_minutes"].between(shortest, longest)]
        told = columns(over)
        minutes, expected = over["duration_minutes"].to_numpy(np.float64), expected_minutes(self.encode(over))
        known: dict[int, FinishedRides] = {}
        for service, last in self.finished_.items():
            own = told["service_id"] == service
            ended = finished_rides({name: values[own] for name, values in told.items()}, minutes[own], expected[own])
            known[service] = last.plus(ended)
        return rides.assign(**now_columns(columns(rides), self.places_, known))

    def _calibrate(self, learned: Lessons) -> Intervals:
        order = np.argsort(learned.at, kind="stable")
        late = learned.at[order] >= learned.at.max() - _CALIBRATION_MONTHS * 30 * 86_400
        cut = len(order) - max(1, min(int(late.sum()), int(len(order) * _CALIBRATION_SHARE)))
        early = _thinned(order[:cut] if cut else order, _SMALLER_RIDES)
        later = _thinned(order[cut:], _CALIBRATION_RIDES)
        taught, judged = learned.matrix[early], learned.matrix[later]
        trees = self._trees().set_params(**_SMALLER_MODEL)
        ratio = learned.minutes[early] / expected_minutes(taught)
        _learn(trees, taught[:, _SMALLER_COLUMNS], ratio, learned.weights[early])
        predicted = trees.predict(judged[:, _SMALLER_COLUMNS]) * expected_minutes(judged)
        return learn_intervals(learned.minutes[later], predicted, judged)

    def _left_out(self) -> frozenset[str]:
        now = () if self.use_now else NOW_INPUTS
        return frozenset(now if self.use_passengers else (*now, "passenger_count"))

    def _columns(self, frame: pd.DataFrame) -> Rides:
        left_out = self._left_out()
        return {name: values for name, values in columns(frame).items() if name not in left_out}

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


def _learn(
    trees: HistGradientBoostingRegressor, matrix: NDArray[np.float32], ratio: Floats, weights: Floats
) -> HistGradientBoostingRegressor:
    fill_unknown(matrix)
    return trees.fit(matrix, ratio, sample_weight=weights)


def _thinned(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """So many of the rows at most, evenly spread."""
    return rows[:: max(1, -(-len(rows) // most))]

"""The duration model: expected minutes from past trips, times a correction by boosted trees.

`DurationModel` is a scikit-learn regressor over frames of `MODEL_INPUTS` and optional columns of `OPTIONAL_INPUTS`. A
training row is encoded from the months before it, a predicted trip from the whole window. The trees are fitted to the
ratio of actual to expected minutes. Its weight is the square of expected minutes: the loss is the squared error in
minutes.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from taxi_assets.features.encoding import MATRIX_COLUMNS, encode_trips, expected_minutes
from taxi_assets.features.recent_traffic import FIXED_DURATION, RECENT_TRAFFIC_COLUMNS, CompletedTrips
from taxi_assets.features.target_encoding import EncodingTables, Smoothing
from taxi_assets.features.trip_features import TripColumns, ZoneMap
from taxi_assets.features.zone_geometry import ZoneGeometry
from taxi_assets.training.intervals import Intervals
from taxi_assets.training.predictions import Prediction, calibrate_intervals, predict_interval
from taxi_assets.training.training_set import (
    TrainingSet,
    build_training_set,
    completed_trips,
    model_columns,
    recent_traffic_columns,
    zero_empty_columns,
)
from taxi_assets.training.weighted_bins import one_sort_per_column

Floats = NDArray[np.float64]

# OpenMP wakes its threads some 20,000 times in a fit, which takes four seconds: on two cores, 129,000 trips take 8.1 s
# with both and 5.3 s with one. Decision 15 says why they do not spin. The trees are equal.
_ONE_THREAD_TRIPS = 300_000

# Intervals are calibrated on the last third of the trips, at most half a year, with the errors of a smaller model
# trained on earlier trips. It costs a tenth of the full model, and nine in ten of its errors are as small.
_CALIBRATION_SHARE, _CALIBRATION_MONTHS, _CALIBRATION_TRIPS = 1 / 3, 6, 100_000
_CALIBRATION_PARAMETERS = {"max_iter": 25, "max_leaf_nodes": 31, "learning_rate": 0.2, "max_bins": 31}
_CALIBRATION_TRAIN_TRIPS = 50_000
_CALIBRATION_COLUMNS = [
    MATRIX_COLUMNS.index(name)
    for name in (
        "minute_of_day",
        "hour_of_week",
        "straight_line_miles",
        "reverse_pair_minutes",
        "pair_typical_minutes",
        "pair_spread_minutes",
        "pair_period_log_trips",
        "city_1h_ratio",
        "city_3h_ratio",
        "borough_3h_ratio",
        "pair_2h_ratio",
        "pair_28d_ratio",
    )
]


class DurationModel(RegressorMixin, BaseEstimator):
    """Predicts a trip's minutes from data known at its pickup.

    Args:
        zones: Locations of the zones.
        smoothing: Strengths of the target encoding's smoothing.
        row_months: The trees are trained on the last so many months, the encoding tables on all.
        use_recent_traffic: Use the recent-traffic features.
        use_passenger_count: Use `passenger_count`.
        learning_rate, max_iter, max_leaf_nodes, min_samples_leaf, l2_regularization, random_state: Parameters of
            `HistGradientBoostingRegressor`.

    After `fit`: `zone_geometry_`, `encoding_tables_` and `completed_trips_` (the last ones) by service id,
    `minutes_range_` (shortest and longest training trip), `trees_` and `intervals_`.
    """

    def __init__(  # noqa: PLR0913 - scikit-learn wants every parameter named here
        self,
        zones: ZoneMap,
        smoothing: Smoothing | None = None,
        *,
        row_months: int = 24,
        use_recent_traffic: bool = True,
        use_passenger_count: bool = True,
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
        self.use_recent_traffic = use_recent_traffic
        self.use_passenger_count = use_passenger_count
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: Floats) -> Self:  # noqa: N803 - scikit-learn's name
        """Fits the model: `X` has the columns `MODEL_INPUTS`, `y` the trips' minutes, shape (n,).

        `passenger_count` and `vendor_id` are used if `X` has them. Recent traffic is computed here from `X` and `y`.
        """
        self.zone_geometry_ = ZoneGeometry(self.zones)
        minutes = np.asarray(y, np.float64)
        self.minutes_range_ = (float(minutes.min()), float(minutes.max()))
        training_set = build_training_set(
            model_columns(X),
            minutes,
            self.zone_geometry_,
            self.smoothing or Smoothing(),
            self.row_months,
            self._excluded(),
            self.random_state,
        )
        self.encoding_tables_: dict[int, EncodingTables] = dict(training_set.tables)
        self.completed_trips_: dict[int, CompletedTrips] = dict(training_set.completed)
        calibrate = self._calibration(training_set)
        ratio = training_set.minutes / expected_minutes(training_set.matrix)
        with one_sort_per_column(), ThreadPoolExecutor(1) as beside:
            # A small fit uses one core: the intervals take the other.
            intervals = beside.submit(calibrate)
            self.trees_ = _fit_trees(self._trees(), training_set.matrix, ratio, training_set.weights)
            self.intervals_ = intervals.result()
        return self

    def predict(self, X: pd.DataFrame) -> Floats:  # noqa: N803
        """Minutes of each trip, shape (n,)."""
        return self.predict_interval(X).minutes

    def predict_interval(self, X: pd.DataFrame) -> Prediction:  # noqa: N803
        """Minutes of each trip and its 90 % interval."""
        check_is_fitted(self)
        matrix = self.encode(X)
        fixed_minutes = self._columns(X).get(FIXED_DURATION)
        return predict_interval(self.trees_.predict(matrix), matrix, fixed_minutes, self.intervals_)

    def encode(self, X: pd.DataFrame) -> NDArray[np.float32]:  # noqa: N803
        """The matrix of the trips, shape (n, len(MATRIX_COLUMNS))."""
        return encode_trips(self._columns(X), self.zone_geometry_, self.encoding_tables_)

    def add_recent_traffic(self, trips: pd.DataFrame) -> pd.DataFrame:
        """The trips with `RECENT_TRAFFIC_COLUMNS`, from these and the last training trips.

        A trip counts only after its own drop-off.

        Args:
            trips: Columns `MODEL_INPUTS` and `duration_minutes`, and `vendor_id` if known.
        """
        check_is_fitted(self)
        ended_trips = trips[trips["duration_minutes"].between(*self.minutes_range_)]
        completed_columns = model_columns(ended_trips)
        minutes, expected = (
            ended_trips["duration_minutes"].to_numpy(np.float64),
            expected_minutes(self.encode(ended_trips)),
        )
        completed_by_service: dict[int, CompletedTrips] = {}
        for service, last in self.completed_trips_.items():
            own = completed_columns["service_id"] == service
            ended = completed_trips(
                {name: values[own] for name, values in completed_columns.items()}, minutes[own], expected[own]
            )
            completed_by_service[service] = last.concat(ended)
        return trips.assign(**recent_traffic_columns(model_columns(trips), self.zone_geometry_, completed_by_service))

    def _calibration(self, training_set: TrainingSet) -> Callable[[], Intervals]:
        """The calibration of the intervals, on copies of the trips: the fit of the trees changes their matrix."""
        order = np.argsort(training_set.pickup_seconds, kind="stable")
        late = (
            training_set.pickup_seconds[order] >= training_set.pickup_seconds.max() - _CALIBRATION_MONTHS * 30 * 86_400
        )
        cut = len(order) - max(1, min(int(late.sum()), int(len(order) * _CALIBRATION_SHARE)))
        early = _evenly_spaced(order[:cut] if cut else order, _CALIBRATION_TRAIN_TRIPS)
        later = _evenly_spaced(order[cut:], _CALIBRATION_TRIPS)
        train_matrix, calibration_matrix = training_set.matrix[early], training_set.matrix[later]
        ratio = training_set.minutes[early] / expected_minutes(train_matrix)

        def calibrate() -> Intervals:
            trees = self._trees().set_params(**_CALIBRATION_PARAMETERS)
            _fit_trees(trees, train_matrix[:, _CALIBRATION_COLUMNS], ratio, training_set.weights[early])
            expected = expected_minutes(calibration_matrix)
            predicted = trees.predict(calibration_matrix[:, _CALIBRATION_COLUMNS]) * expected
            return calibrate_intervals(training_set.minutes[later], predicted, calibration_matrix)

        return calibrate

    def _excluded(self) -> frozenset[str]:
        traffic = () if self.use_recent_traffic else RECENT_TRAFFIC_COLUMNS
        return frozenset(traffic if self.use_passenger_count else (*traffic, "passenger_count"))

    def _columns(self, frame: pd.DataFrame) -> TripColumns:
        excluded = self._excluded()
        return {name: values for name, values in model_columns(frame).items() if name not in excluded}

    def _trees(self) -> HistGradientBoostingRegressor:
        return HistGradientBoostingRegressor(
            learning_rate=self.learning_rate,
            max_iter=self.max_iter,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=self.min_samples_leaf,
            l2_regularization=self.l2_regularization,
            early_stopping=False,  # with a fixed number of trees, the same data give the same model
            random_state=self.random_state,
        )


def _fit_trees(
    trees: HistGradientBoostingRegressor, matrix: NDArray[np.float32], ratio: Floats, weights: Floats
) -> HistGradientBoostingRegressor:
    zero_empty_columns(matrix)
    with threadpool_limits(1 if len(matrix) < _ONE_THREAD_TRIPS else None, user_api="openmp"):
        return trees.fit(matrix, ratio, sample_weight=weights)


def _evenly_spaced(rows: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """At most `limit` of the rows, evenly spaced."""
    return rows[:: max(1, -(-len(rows) // limit))]

"""Ten planted leaks are each found by name; in the platform's own features nothing is found."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from leakage_probes import future_leaking_trips, leaking_columns, self_leaking_trips, unscored_count
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from taxi_assets.errors import TaxiError
from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.features.feature_names import MODEL_INPUTS
from taxi_assets.features.leakage_rules import leaking_names
from taxi_assets.features.recent_traffic import RECENT_TRAFFIC_FEATURES
from taxi_assets.months import not_earlier, parse_months
from taxi_assets.training.model import DurationModel
from taxi_assets.training.tuning import time_splits

Matrix = NDArray[Any]
POST_TRIP_FIELDS = ["trip_distance_miles", "fare_usd", "tip_usd", "payment_type_id", "dropoff_at"]


class Recorder(HistGradientBoostingRegressor):
    """Trees that keep their training features."""

    def fit(self, X: Matrix, y: Matrix, sample_weight: Matrix | None = None) -> Self:  # noqa: N803
        self.training_features = np.array(X)
        return super().fit(X, y, sample_weight=sample_weight)


class Recorded(DurationModel):
    """The platform's model with a single tree that keeps its training features."""

    def _trees(self) -> Recorder:
        return Recorder(max_iter=1, min_samples_leaf=5, early_stopping=False)


@pytest.fixture(scope="module")
def sample(trips: pd.DataFrame) -> pd.DataFrame:
    """A few hundred trips of two months, in file order, with fields known only after each trip."""
    chosen = trips.iloc[:: len(trips) // 300].reset_index(drop=True)
    rng = np.random.default_rng(0)
    return chosen.assign(
        trip_distance_miles=chosen["duration_minutes"] / 4,
        fare_usd=3 + chosen["duration_minutes"] * 0.7,
        tip_usd=chosen["duration_minutes"] * 0.2,
        payment_type_id=rng.integers(1, 5, len(chosen)),
        dropoff_at=chosen["pickup_at"] + pd.to_timedelta(chosen["duration_minutes"], unit="min"),
    )


@pytest.fixture(scope="module")
def serving_features(zones: Any, sample: pd.DataFrame) -> Callable[[pd.DataFrame], Matrix]:
    """Features of other trips by a fitted model, without recent traffic."""
    model = Recorded(zones).fit(sample, sample["duration_minutes"].to_numpy())
    return model.encode


@pytest.fixture(scope="module")
def scored(zones: Any, sample: pd.DataFrame) -> Callable[[pd.DataFrame], Matrix]:
    """Features of scored trips, with recent traffic."""
    model = Recorded(zones).fit(sample, sample["duration_minutes"].to_numpy())
    return lambda trips: model.encode(model.add_recent_traffic(trips))


@pytest.fixture(scope="module")
def training_features(zones: Any) -> Callable[[pd.DataFrame], Matrix]:
    """Features of training trips, as the trees are fitted on them."""

    def features(trips: pd.DataFrame) -> Matrix:
        model = Recorded(zones).fit(trips, trips["duration_minutes"].to_numpy())
        return np.asarray(model.trees_.training_features)

    return features


def middle(trips: pd.DataFrame) -> pd.Timestamp:
    return pd.Timestamp(trips["pickup_at"].sort_values().iloc[len(trips) // 2])


# The platform's own features


def test_no_feature_depends_on_post_trip_fields(serving_features: Any, sample: pd.DataFrame) -> None:
    assert leaking_columns(serving_features, sample, [*POST_TRIP_FIELDS, "duration_minutes"]) == []


@pytest.mark.slow
def test_no_training_trip_depends_on_its_own_duration(training_features: Any, sample: pd.DataFrame) -> None:
    assert training_features(sample).shape[0] == len(sample)
    assert self_leaking_trips(training_features, sample, sample_size=3) == []


@pytest.mark.slow
def test_no_trip_of_a_long_window_depends_on_its_own_duration(training_features: Any, sample: pd.DataFrame) -> None:
    """From the fourth month on, recent traffic uses expectations from earlier months only."""
    later = pd.to_timedelta(np.arange(len(sample)) % 9 * 31, unit="D")
    spread = sample.assign(pickup_at=sample["pickup_at"] + later, vendor_id=0)
    month = spread["pickup_at"].dt.year * 12 + spread["pickup_at"].dt.month
    before, late = training_features(spread), (month - month.min() > 3).to_numpy()
    traffic = before[:, [MATRIX_COLUMNS.index(name) for name in RECENT_TRAFFIC_FEATURES]]
    assert np.isnan(traffic[(month - month.min() < 3).to_numpy()]).all()
    assert np.isfinite(traffic[late]).any()
    for position in np.flatnonzero(late)[:3]:
        own = spread.index == position
        longer = spread.assign(duration_minutes=spread["duration_minutes"].mask(own, 55.0))
        np.testing.assert_array_equal(training_features(longer)[position], before[position])


def test_no_scored_trip_depends_on_itself_or_on_later_trips(scored: Any, sample: pd.DataFrame) -> None:
    assert (scored(sample) != scored(sample.assign(duration_minutes=10.0))).any()  # it depends on earlier ones
    assert self_leaking_trips(scored, sample, sample_size=5) == []
    assert future_leaking_trips(scored, sample, middle(sample)) == []


# Planted leaks


@pytest.mark.parametrize("post_trip_field", POST_TRIP_FIELDS)
def test_planted_post_trip_field_is_found_under_any_name(
    serving_features: Any, sample: pd.DataFrame, post_trip_field: str
) -> None:
    def planted(trips: pd.DataFrame) -> Matrix:
        innocent = (
            trips[post_trip_field].astype(np.int64) if post_trip_field == "dropoff_at" else trips[post_trip_field]
        )
        return np.column_stack([serving_features(trips), innocent.to_numpy(np.float64)])

    assert leaking_names([*MODEL_INPUTS, post_trip_field]) == [post_trip_field]
    assert leaking_columns(planted, sample, POST_TRIP_FIELDS) == [post_trip_field]


def test_planted_statistic_of_the_same_month_is_found(serving_features: Any, sample: pd.DataFrame) -> None:
    def planted(trips: pd.DataFrame) -> Matrix:
        month = trips["pickup_at"].dt.to_period("M")
        return np.column_stack([serving_features(trips), trips["duration_minutes"].groupby(month).transform("mean")])

    assert future_leaking_trips(planted, sample, middle(sample))
    assert self_leaking_trips(planted, sample)


def test_planted_random_split_is_found(sample: pd.DataFrame) -> None:
    pickups = sample["pickup_at"].sort_values().reset_index(drop=True)
    cut = len(pickups) * 3 // 4
    assert not_earlier(list(pickups[:cut]), pickups[cut]) == []
    drawn = pickups.sample(frac=1, random_state=0)
    assert not_earlier(list(drawn[:cut]), drawn.iloc[cut:].min())
    with pytest.raises(TaxiError, match="2023-02 cannot be scored by a model trained on 2023-03"):
        time_splits([*parse_months("2023-03"), *parse_months("2023-01..2023-02")], 1)


def test_planted_target_encoding_without_folds_is_found(serving_features: Any, sample: pd.DataFrame) -> None:
    def planted(trips: pd.DataFrame) -> Matrix:
        zone = trips["duration_minutes"].groupby(trips["pickup_zone_id"])
        smoothed = (zone.transform("sum") + 20 * 12.0) / (zone.transform("size") + 20)
        return np.column_stack([serving_features(trips), smoothed])

    assert len(self_leaking_trips(planted, sample, sample_size=8)) == 8


def recent(trips: pd.DataFrame, *, by_dropoff: bool) -> NDArray[np.float64]:
    """Mean minutes of the ten trips before, by drop-off time; with the leak, by pickup time."""
    when = trips["dropoff_at"] if by_dropoff else trips["pickup_at"]
    order = np.argsort(when.to_numpy())
    sums = np.concatenate([[0.0], np.cumsum(trips["duration_minutes"].to_numpy()[order])])
    upto = np.searchsorted(when.to_numpy()[order], trips["pickup_at"].to_numpy(), "left")
    since = np.maximum(upto - 10, 0)
    return (sums[upto] - sums[since]) / np.maximum(upto - since, 1)


def test_planted_future_trips_in_recent_speed_are_found(serving_features: Any, sample: pd.DataFrame) -> None:
    # Trips are made to overlap: many that began earlier have not ended.
    first = sample["pickup_at"].min()
    crowd = sample.assign(pickup_at=first + (sample["pickup_at"] - first) / 2000)
    crowd["dropoff_at"] = crowd["pickup_at"] + pd.to_timedelta(crowd["duration_minutes"], unit="min")
    at = middle(crowd)
    assert future_leaking_trips(lambda trips: recent(trips, by_dropoff=True)[:, None], crowd, at) == []
    assert future_leaking_trips(lambda trips: recent(trips, by_dropoff=False)[:, None], crowd, at)

    def centred(trips: pd.DataFrame) -> Matrix:
        return trips["duration_minutes"].rolling(5, center=True, min_periods=1).mean().to_numpy()[:, None]

    assert future_leaking_trips(centred, sample.sort_values("pickup_at", ignore_index=True), middle(sample))


def test_planted_filter_of_the_scored_trips_is_found(sample: pd.DataFrame) -> None:
    scored = sample[sample["trip_distance_miles"] > sample["trip_distance_miles"].median()]
    assert unscored_count(len(scored), len(sample)) == len(sample) - len(scored) > 0
    assert unscored_count(len(sample), len(sample)) == 0


# The probes themselves


def test_a_later_trip_may_change() -> None:
    pickups = pd.date_range("2023-01-01", periods=10, freq="h")
    trips = pd.DataFrame({"pickup_at": pickups, "duration_minutes": 10.0})

    def ended_before(trips: pd.DataFrame) -> Matrix:
        ends = trips["pickup_at"] + pd.to_timedelta(trips["duration_minutes"], unit="min")
        totals = [trips["duration_minutes"][(ends < at).to_numpy()].sum() for at in trips["pickup_at"]]
        return np.array(totals)[:, None]

    assert future_leaking_trips(ended_before, trips, pickups[5]) == []
    assert ended_before(trips)[-1] > ended_before(trips)[5]


def test_nan_before_and_after_is_equal() -> None:
    trips = pd.DataFrame({"pickup_at": pd.date_range("2023-01-01", periods=3), "duration_minutes": [1.0, 2, 3]})
    assert self_leaking_trips(lambda trips: np.full((len(trips), 2), np.nan), trips) == []

"""Ten leaks, each planted, each found by name; and the platform's own way to features, in which nothing is found."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from taxi_assets.errors import TaxiError
from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.features.leakage_probes import (
    following,
    left_out,
    out_of_order,
    telling_of_later_rides,
    telling_of_themselves,
)
from taxi_assets.features.leakage_rules import leaking
from taxi_assets.features.recent_traffic import NOW_FEATURES
from taxi_assets.features.trip_features import MODEL_INPUTS
from taxi_assets.months import parse_months
from taxi_assets.training.model import DurationModel
from taxi_assets.tuning.tune import folds

Matrix = NDArray[Any]
KNOWN_AFTER = ["trip_distance_miles", "fare_usd", "tip_usd", "payment_type_id", "dropoff_at"]


class Recorder(HistGradientBoostingRegressor):
    """Trees that keep what they were taught."""

    def fit(self, X: Matrix, y: Matrix, sample_weight: Matrix | None = None) -> Self:  # noqa: N803
        self.taught = np.array(X)
        return super().fit(X, y, sample_weight=sample_weight)


class Recorded(DurationModel):
    """The platform's model, whose trees hardly learn and keep what they were taught."""

    def _trees(self) -> Recorder:
        return Recorder(max_iter=1, min_samples_leaf=5, early_stopping=False)


@pytest.fixture(scope="module")
def some(rides: pd.DataFrame) -> pd.DataFrame:
    """A few hundred rides of two months, in the order of the file, with what is known only after each."""
    chosen = rides.iloc[:: len(rides) // 300].reset_index(drop=True)
    rng = np.random.default_rng(0)
    return chosen.assign(
        trip_distance_miles=chosen["duration_minutes"] / 4,
        fare_usd=3 + chosen["duration_minutes"] * 0.7,
        tip_usd=chosen["duration_minutes"] * 0.2,
        payment_type_id=rng.integers(1, 5, len(chosen)),
        dropoff_at=chosen["pickup_at"] + pd.to_timedelta(chosen["duration_minutes"], unit="min"),
    )


@pytest.fixture(scope="module")
def served(zones: Any, some: pd.DataFrame) -> Callable[[pd.DataFrame], Matrix]:
    """The features of rides that are scored or served, by a model of other rides."""
    model = Recorded(zones).fit(some, some["duration_minutes"].to_numpy())
    return model.encode


@pytest.fixture(scope="module")
def scored(zones: Any, some: pd.DataFrame) -> Callable[[pd.DataFrame], Matrix]:
    """The same of rides that are scored: what has just ended tells of the streets."""
    model = Recorded(zones).fit(some, some["duration_minutes"].to_numpy())
    return lambda rides: model.encode(model.tell_now(rides))


@pytest.fixture(scope="module")
def taught(zones: Any) -> Callable[[pd.DataFrame], Matrix]:
    """The features of rides that are learned from, as the trees are taught them."""

    def features(rides: pd.DataFrame) -> Matrix:
        model = Recorded(zones).fit(rides, rides["duration_minutes"].to_numpy())
        return np.asarray(model.trees_.taught)

    return features


def middle(rides: pd.DataFrame) -> pd.Timestamp:
    return pd.Timestamp(rides["pickup_at"].sort_values().iloc[len(rides) // 2])


# The platform's own features


def test_no_feature_follows_what_is_known_after_a_ride(served: Any, some: pd.DataFrame) -> None:
    assert following(served, some, [*KNOWN_AFTER, "duration_minutes"]) == []


@pytest.mark.slow
def test_no_ride_learned_from_tells_of_itself(taught: Any, some: pd.DataFrame) -> None:
    assert taught(some).shape[0] == len(some)
    assert telling_of_themselves(taught, some, tried=3) == []


@pytest.mark.slow
def test_no_ride_of_a_long_window_tells_of_itself(taught: Any, some: pd.DataFrame) -> None:
    """From the fourth month on rides are told of now, too: by rides whose own past is none of theirs."""
    later = pd.to_timedelta(np.arange(len(some)) % 9 * 31, unit="D")
    spread = some.assign(pickup_at=some["pickup_at"] + later, vendor_id=0)  # a steady vendor's are left out
    month = spread["pickup_at"].dt.year * 12 + spread["pickup_at"].dt.month
    before, late = taught(spread), (month - month.min() > 3).to_numpy()
    now = before[:, [MATRIX_COLUMNS.index(name) for name in NOW_FEATURES]]
    assert np.isnan(now[(month - month.min() < 3).to_numpy()]).all()
    assert np.isfinite(now[late]).any()
    for position in np.flatnonzero(late)[:3]:
        own = spread.index == position
        longer = spread.assign(duration_minutes=spread["duration_minutes"].mask(own, 55.0))
        np.testing.assert_array_equal(taught(longer)[position], before[position])


def test_no_scored_ride_tells_of_itself_or_is_told_of_later_ones(scored: Any, some: pd.DataFrame) -> None:
    assert (scored(some) != scored(some.assign(duration_minutes=10.0))).any()  # it is told of earlier ones
    assert telling_of_themselves(scored, some, tried=5) == []
    assert telling_of_later_rides(scored, some, middle(some)) == []


# Planted


@pytest.mark.parametrize("known_after", KNOWN_AFTER)
def test_planted_what_is_known_after_the_ride_is_found_by_name_and_under_any_other(
    served: Any, some: pd.DataFrame, known_after: str
) -> None:
    def planted(rides: pd.DataFrame) -> Matrix:
        innocent = rides[known_after].astype(np.int64) if known_after == "dropoff_at" else rides[known_after]
        return np.column_stack([served(rides), innocent.to_numpy(np.float64)])

    assert leaking([*MODEL_INPUTS, known_after]) == [known_after]
    assert following(planted, some, KNOWN_AFTER) == [known_after]


def test_planted_statistic_of_the_same_month_is_found(served: Any, some: pd.DataFrame) -> None:
    def planted(rides: pd.DataFrame) -> Matrix:
        month = rides["pickup_at"].dt.to_period("M")
        return np.column_stack([served(rides), rides["duration_minutes"].groupby(month).transform("mean")])

    assert telling_of_later_rides(planted, some, middle(some))
    assert telling_of_themselves(planted, some)


def test_planted_random_split_is_found(some: pd.DataFrame) -> None:
    pickups = some["pickup_at"].sort_values().reset_index(drop=True)
    cut = len(pickups) * 3 // 4
    assert out_of_order(list(pickups[:cut]), pickups[cut]) == []
    drawn = pickups.sample(frac=1, random_state=0)
    assert out_of_order(list(drawn[:cut]), drawn.iloc[cut:].min())
    with pytest.raises(TaxiError, match="2023-02 cannot be scored by a model of 2023-03"):
        folds([*parse_months("2023-03"), *parse_months("2023-01..2023-02")], 1)


def test_planted_target_encoding_without_folds_is_found(served: Any, some: pd.DataFrame) -> None:
    def planted(rides: pd.DataFrame) -> Matrix:
        zone = rides["duration_minutes"].groupby(rides["pickup_zone_id"])
        smoothed = (zone.transform("sum") + 20 * 12.0) / (zone.transform("size") + 20)
        return np.column_stack([served(rides), smoothed])

    assert len(telling_of_themselves(planted, some, tried=8)) == 8


def recent(rides: pd.DataFrame, *, honest: bool) -> NDArray[np.float64]:
    """Mean minutes of the ten rides before, by when they ended, or dishonestly by when they began."""
    when = rides["dropoff_at"] if honest else rides["pickup_at"]
    order = np.argsort(when.to_numpy())
    sums = np.concatenate([[0.0], np.cumsum(rides["duration_minutes"].to_numpy()[order])])
    upto = np.searchsorted(when.to_numpy()[order], rides["pickup_at"].to_numpy(), "left")
    since = np.maximum(upto - 10, 0)
    return (sums[upto] - sums[since]) / np.maximum(upto - since, 1)


def test_planted_future_rides_in_recent_speed_are_found(served: Any, some: pd.DataFrame) -> None:
    # Rides are made to overlap: in a crowd, who began before has often not ended.
    first = some["pickup_at"].min()
    crowd = some.assign(pickup_at=first + (some["pickup_at"] - first) / 2000)
    crowd["dropoff_at"] = crowd["pickup_at"] + pd.to_timedelta(crowd["duration_minutes"], unit="min")
    at = middle(crowd)
    assert telling_of_later_rides(lambda rides: recent(rides, honest=True)[:, None], crowd, at) == []
    assert telling_of_later_rides(lambda rides: recent(rides, honest=False)[:, None], crowd, at)

    def centred(rides: pd.DataFrame) -> Matrix:
        return rides["duration_minutes"].rolling(5, center=True, min_periods=1).mean().to_numpy()[:, None]

    assert telling_of_later_rides(centred, some.sort_values("pickup_at", ignore_index=True), middle(some))


def test_planted_filter_of_the_scored_rides_is_found(some: pd.DataFrame) -> None:
    scored = some[some["trip_distance_miles"] > some["trip_distance_miles"].median()]
    assert left_out(len(scored), len(some)) == len(some) - len(scored) > 0
    assert left_out(len(some), len(some)) == 0


# The guards themselves


def test_a_ride_that_comes_later_may_change() -> None:
    pickups = pd.date_range("2023-01-01", periods=10, freq="h")
    rides = pd.DataFrame({"pickup_at": pickups, "duration_minutes": 10.0})

    def ended_before(rides: pd.DataFrame) -> Matrix:
        ends = rides["pickup_at"] + pd.to_timedelta(rides["duration_minutes"], unit="min")
        told = [rides["duration_minutes"][(ends < at).to_numpy()].sum() for at in rides["pickup_at"]]
        return np.array(told)[:, None]

    assert telling_of_later_rides(ended_before, rides, pickups[5]) == []
    assert ended_before(rides)[-1] > ended_before(rides)[5]


def test_what_is_missing_before_and_after_is_equal() -> None:
    rides = pd.DataFrame({"pickup_at": pd.date_range("2023-01-01", periods=3), "duration_minutes": [1.0, 2, 3]})
    assert telling_of_themselves(lambda rides: np.full((len(rides), 2), np.nan), rides) == []

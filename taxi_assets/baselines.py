"""What the model has to beat: two rules of thumb and the course's regression. Each learns from past rides.

Frames of rides have the columns `pickup_zone_id`, `dropoff_zone_id`, `hour_of_week`; those learned from have
`duration_minutes` too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError
from taxi_assets.features import ZONES

__all__ = ["BASELINES", "PAIR", "Level", "Predict", "fit_baselines", "fit_medians", "fit_one_hot_linear_regression"]

Floats = NDArray[np.float64]
Predict = Callable[[pd.DataFrame], Floats]

BASELINES: Mapping[str, str] = MappingProxyType(
    {
        "zone_pair_median": "median of past rides between the two zones, else from the pickup zone, else of all",
        "one_hot_linear_regression": "the course's: linear regression on one-hot pickup and drop-off zones",
        "zone_pair_hour_median": "median of past rides between the two zones in that hour of the week, else as above",
    }
)


@dataclass(frozen=True)
class Level:
    """Rides that are alike: those equal in `columns`, where there are `least_rides` of them."""

    columns: tuple[str, ...]
    least_rides: int = 1


PICKUP = Level(("pickup_zone_id",))
PAIR = Level(("pickup_zone_id", "dropoff_zone_id"))
# Five rides: over 2023-2025 the best of 1, 3, 5, 10, 20, 40; the median of one or two is worse than the pair's.
PAIR_HOUR = Level((*PAIR.columns, "hour_of_week"), least_rides=5)


def fit_baselines(trips: pd.DataFrame) -> dict[str, Predict]:
    """Every baseline of `BASELINES`, learned from these trips.

    Returns:
        By name, a function from a frame of rides to their minutes, shape (n,).

    Raises:
        TaxiError: there are no trips.
    """
    if trips.empty:
        raise TaxiError("there are no trips to learn the baselines from: choose months that have been published")
    return {
        "zone_pair_median": fit_medians(trips, PAIR, PICKUP),
        "one_hot_linear_regression": fit_one_hot_linear_regression(trips),
        "zone_pair_hour_median": fit_medians(trips, PAIR_HOUR, PAIR, PICKUP),
    }


def fit_medians(trips: pd.DataFrame, *levels: Level) -> Predict:
    """The median minutes of rides alike at the first level that knows any, in the order given; else of all rides."""
    overall = float(trips["duration_minutes"].median())
    medians = [(level, _median_by_key(trips, level)) for level in levels]

    def predict(rides: pd.DataFrame) -> Floats:
        minutes = np.full(len(rides), overall)
        for level, known in reversed(medians):
            found = known.reindex(_keys(rides, level)).to_numpy()
            minutes = np.where(np.isnan(found), minutes, found)
        return minutes

    return predict


def fit_one_hot_linear_regression(trips: pd.DataFrame) -> Predict:
    """Least squares on one-hot pickup and drop-off zones with an intercept, of the least norm.

    The solution scikit-learn's `LinearRegression` approaches on `OneHotEncoder`'s matrix. Solved from how many rides each
    pair has, it takes a second where the matrix of a year's rides takes a minute.
    A zone without a past ride counts nothing, as with the course's `DictVectorizer`.
    """
    starts, ends = _zones(trips)
    minutes = trips["duration_minutes"].to_numpy(np.float64)
    pairs = np.bincount(starts * ZONES + ends, minlength=ZONES**2).reshape(ZONES, ZONES)
    share = np.concatenate([pairs.sum(1), pairs.sum(0)]) / len(trips)
    gram = np.block([[np.diag(pairs.sum(1)), pairs], [pairs.T, np.diag(pairs.sum(0))]]) / len(trips)
    moment = np.concatenate([np.bincount(zone, minutes, ZONES) for zone in (starts, ends)]) / len(trips)
    centred = gram - np.outer(share, share), moment - share * minutes.mean()
    # The pickup columns sum to one, and so do the drop-off ones: what is zero but for rounding must count as zero.
    weights = np.linalg.lstsq(*centred, rcond=1e-12)[0]
    intercept = minutes.mean() - share @ weights

    def predict(rides: pd.DataFrame) -> Floats:
        starts, ends = _zones(rides)
        return np.asarray(intercept + weights[starts] + weights[ZONES + ends])

    return predict


def _median_by_key(trips: pd.DataFrame, level: Level) -> pd.Series:
    groups = trips["duration_minutes"].groupby(_keys(trips, level))
    return groups.median()[groups.size() >= level.least_rides]


def _keys(rides: pd.DataFrame, level: Level) -> NDArray[np.int64]:
    """One number for each combination of the level's columns, whose values lie below 1,000."""
    keys = np.zeros(len(rides), dtype=np.int64)
    for column in level.columns:
        keys = keys * 1000 + rides[column].to_numpy(np.int64)
    return keys


def _zones(rides: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return rides["pickup_zone_id"].to_numpy(np.int64), rides["dropoff_zone_id"].to_numpy(np.int64)

"""What the model has to beat: two rules of thumb and the course's regression. Each learns from past trips.

Frames of trips have the columns `pickup_zone_id`, `dropoff_zone_id`, `hour_of_week`; those learned from have
`duration_minutes` too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError
from taxi_assets.features.trip_features import ZONES

__all__ = [
    "BASELINES",
    "PAIR",
    "Baseline",
    "Level",
    "Medians",
    "OneHotRegression",
    "fit_baselines",
    "fit_medians",
    "fit_one_hot_linear_regression",
]

Floats = NDArray[np.float64]

BASELINES: Mapping[str, str] = MappingProxyType(
    {
        "zone_pair_median": "median of past trips between the two zones, else from the pickup zone, else all",
        "one_hot_linear_regression": "the course's: linear regression on one-hot pickup and drop-off zones",
        "zone_pair_hour_median": "the same in that hour of the week where it has five trips, else as above",
    }
)


class Baseline(Protocol):
    """Anything that has learned to tell the minutes of trips."""

    def predict(self, trips: pd.DataFrame) -> Floats:
        """Minutes of each trip, shape (n,)."""


@dataclass(frozen=True)
class Level:
    """Trips that are alike: those equal in `columns`, where there are `min_trips` of them."""

    columns: tuple[str, ...]
    min_trips: int = 1


PICKUP = Level(("pickup_zone_id",))
PAIR = Level(("pickup_zone_id", "dropoff_zone_id"))
# Five trips: over 2023-2025 the best of 1, 3, 5, 10, 20, 40; a median of one or two is worse than the pair's.
PAIR_HOUR = Level((*PAIR.columns, "hour_of_week"), min_trips=5)


@dataclass(frozen=True)
class Medians:
    """Median minutes of trips alike, by level, the finest first; `overall` where no level knows the trip."""

    levels: tuple[tuple[Level, pd.Series], ...]
    overall: float

    def predict(self, trips: pd.DataFrame) -> Floats:
        """Minutes of each trip, shape (n,)."""
        minutes = np.full(len(trips), self.overall)
        for level, medians in reversed(self.levels):
            found = medians.reindex(_keys(trips, level)).to_numpy()
            minutes = np.where(np.isnan(found), minutes, found)
        return minutes


@dataclass(frozen=True)
class OneHotRegression:
    """Minutes as a sum of an intercept and a weight for each zone, by zone id, shape (266,)."""

    intercept: float
    pickup_weights: Floats
    dropoff_weights: Floats

    def predict(self, trips: pd.DataFrame) -> Floats:
        """Minutes of each trip, shape (n,)."""
        starts, ends = _zones(trips)
        return np.asarray(self.intercept + self.pickup_weights[starts] + self.dropoff_weights[ends])


def fit_baselines(trips: pd.DataFrame) -> dict[str, Baseline]:
    """Every baseline of `BASELINES`, by name, learned from these trips.

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


def fit_medians(trips: pd.DataFrame, *levels: Level) -> Medians:
    """Medians of trips alike at each level, the first given being asked first."""
    medians = tuple((level, _median_by_key(trips, level)) for level in levels)
    return Medians(medians, float(trips["duration_minutes"].median()))


def fit_one_hot_linear_regression(trips: pd.DataFrame) -> OneHotRegression:
    """Least squares on one-hot pickup and drop-off zones with an intercept, of the least norm.

    What scikit-learn's `LinearRegression` comes near on `OneHotEncoder`'s matrix. Solved from how many trips
    each pair has, it takes a second where the matrix of a year's trips takes a minute. A zone without a past
    trip counts nothing, as with the course's `DictVectorizer`.
    """
    starts, ends = _zones(trips)
    minutes = trips["duration_minutes"].to_numpy(np.float64)
    pairs = np.bincount(starts * ZONES + ends, minlength=ZONES**2).reshape(ZONES, ZONES)
    share = np.concatenate([pairs.sum(1), pairs.sum(0)]) / len(trips)
    gram = np.block([[np.diag(pairs.sum(1)), pairs], [pairs.T, np.diag(pairs.sum(0))]]) / len(trips)
    moment = np.concatenate([np.bincount(zone, minutes, ZONES) for zone in (starts, ends)]) / len(trips)
    centred = gram - np.outer(share, share), moment - share * minutes.mean()
    # Pickup columns sum to one, and so do drop-off columns: what is zero but for rounding must count as zero.
    # Rounded, since threads add in an order of their own: the same trips give the same digits every time.
    weights = np.linalg.lstsq(*centred, rcond=1e-12)[0].round(9)
    intercept = round(float(minutes.mean() - share @ weights), 9)
    return OneHotRegression(intercept, weights[:ZONES], weights[ZONES:])


def _median_by_key(trips: pd.DataFrame, level: Level) -> pd.Series:
    groups = trips["duration_minutes"].groupby(_keys(trips, level))
    return groups.median()[groups.size() >= level.min_trips]


def _keys(trips: pd.DataFrame, level: Level) -> NDArray[np.int64]:
    """One number for each combination of the level's columns, whose values lie below 1,000."""
    keys = np.zeros(len(trips), dtype=np.int64)
    for column in level.columns:
        keys = keys * 1000 + trips[column].to_numpy(np.int64)
    return keys


def _zones(trips: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return trips["pickup_zone_id"].to_numpy(np.int64), trips["dropoff_zone_id"].to_numpy(np.int64)

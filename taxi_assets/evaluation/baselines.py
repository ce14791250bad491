"""Baselines that the model must beat: two medians and MLOps Zoomcamp's linear regression.

Frames of trips have the columns `pickup_zone_id`, `dropoff_zone_id`, `hour_of_week`; training frames also have
`duration_minutes`.
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

Floats = NDArray[np.float64]

BASELINES: Mapping[str, str] = MappingProxyType(
    {
        "zone_pair_median": "median of past trips between the two zones, else from the pickup zone, else all",
        "one_hot_linear_regression": "MLOps Zoomcamp: linear regression on one-hot pickup and drop-off zones",
        "zone_pair_hour_median": "zone_pair_median in the same hour of the week, if it has five trips",
    }
)


class Baseline(Protocol):
    """A fitted baseline."""

    def predict(self, trips: pd.DataFrame) -> Floats:
        """Predicts the minutes of each trip, shape (n,)."""


@dataclass(frozen=True)
class Level:
    """A grouping of trips by `columns`; groups with fewer than `min_trips` are ignored."""

    columns: tuple[str, ...]
    min_trips: int = 1


PICKUP = Level(("pickup_zone_id",))
PAIR = Level(("pickup_zone_id", "dropoff_zone_id"))
# Five trips: the best of 1, 3, 5, 10, 20, 40 over 2023-2025. A median of one or two is worse than the pair's.
PAIR_HOUR = Level((*PAIR.columns, "hour_of_week"), min_trips=5)


@dataclass(frozen=True)
class Medians:
    """Median minutes by group and level, the finest level first; `overall` for groups in no level."""

    levels: tuple[tuple[Level, pd.Series], ...]
    overall: float

    def predict(self, trips: pd.DataFrame) -> Floats:
        """Predicts the minutes of each trip, shape (n,)."""
        minutes = np.full(len(trips), self.overall)
        for level, medians in reversed(self.levels):
            found = medians.reindex(_keys(trips, level)).to_numpy()
            minutes = np.where(np.isnan(found), minutes, found)
        return minutes


@dataclass(frozen=True)
class OneHotRegression:
    """A linear regression on one-hot zones: an intercept and weights by zone id, shape (266,) each."""

    intercept: float
    pickup_weights: Floats
    dropoff_weights: Floats

    def predict(self, trips: pd.DataFrame) -> Floats:
        """Predicts the minutes of each trip, shape (n,)."""
        starts, ends = _zones(trips)
        return np.asarray(self.intercept + self.pickup_weights[starts] + self.dropoff_weights[ends])


def fit_baselines(trips: pd.DataFrame) -> dict[str, Baseline]:
    """Fits every baseline of `BASELINES` on the trips.

    Raises:
        TaxiError: There are no trips.
    """
    if trips.empty:
        raise TaxiError("there are no trips to fit the baselines on: choose months that have been published")
    return {
        "zone_pair_median": fit_medians(trips, PAIR, PICKUP),
        "one_hot_linear_regression": fit_one_hot_linear_regression(trips),
        "zone_pair_hour_median": fit_medians(trips, PAIR_HOUR, PAIR, PICKUP),
    }


def fit_medians(trips: pd.DataFrame, *levels: Level) -> Medians:
    """Computes the medians of each level; the first level has priority."""
    medians = tuple((level, _median_by_key(trips, level)) for level in levels)
    return Medians(medians, float(trips["duration_minutes"].median()))


def fit_one_hot_linear_regression(trips: pd.DataFrame) -> OneHotRegression:
    """Fits least squares of least norm on one-hot pickup and drop-off zones with an intercept.

    scikit-learn's `LinearRegression` on `OneHotEncoder`'s matrix approximates the same solution. Solving from trip
    counts by zone pair takes a second for a year of trips; the matrix takes a minute. A zone without training trips
    has weight zero, as with MLOps Zoomcamp's `DictVectorizer`.
    """
    starts, ends = _zones(trips)
    minutes = trips["duration_minutes"].to_numpy(np.float64)
    pairs = np.bincount(starts * ZONES + ends, minlength=ZONES**2).reshape(ZONES, ZONES)
    share = np.concatenate([pairs.sum(1), pairs.sum(0)]) / len(trips)
    gram = np.block([[np.diag(pairs.sum(1)), pairs], [pairs.T, np.diag(pairs.sum(0))]]) / len(trips)
    cross = np.concatenate([np.bincount(zone, minutes, ZONES) for zone in (starts, ends)]) / len(trips)
    centred = gram - np.outer(share, share), cross - share * minutes.mean()
    # Pickup columns sum to one, and so do drop-off columns: rcond drops the singular values that are zero but for
    # rounding. The weights are rounded because threads add in any order: the same trips give the same digits.
    weights = np.linalg.lstsq(*centred, rcond=1e-12)[0].round(9)
    intercept = round(float(minutes.mean() - share @ weights), 9)
    return OneHotRegression(intercept, weights[:ZONES], weights[ZONES:])


def _median_by_key(trips: pd.DataFrame, level: Level) -> pd.Series:
    groups = trips["duration_minutes"].groupby(_keys(trips, level))
    return groups.median()[groups.size() >= level.min_trips]


def _keys(trips: pd.DataFrame, level: Level) -> NDArray[np.int64]:
    """One integer for each combination of the level's columns; their values are below 1,000."""
    keys = np.zeros(len(trips), dtype=np.int64)
    for column in level.columns:
        keys = keys * 1000 + trips[column].to_numpy(np.int64)
    return keys


def _zones(trips: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return trips["pickup_zone_id"].to_numpy(np.int64), trips["dropoff_zone_id"].to_numpy(np.int64)

"""Diagnostics of a model: calibration, errors by zone, noise floor, permutation importance.

Predictions and durations are minutes, shape (n,); an error is predicted minus actual.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.evaluation.metrics import noise_floor, score, score_slices

Floats = NDArray[np.float64]
Predict = Callable[[pd.DataFrame], Floats]

MATCHED_PAIRS, NOISE_FLOOR = "matched_pairs", "noise_floor"
_BAND_MINUTES = (0, 3, 5, 7.5, 10, 12.5, 15, 20, 25, 30, 40, 60, np.inf)
_IMPORTANCE_SAMPLE_TRIPS = 4_000  # gives the growth of the RMSE to about 0.01 minutes, within seconds

# Columns with the same information; they are shuffled together.
FEATURE_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "time_of_day": ("minute_of_day",),
        "day_of_week": ("day_of_week", "hour_of_week"),
        "season": ("day_of_year", "month_of_year"),
        "holidays": ("is_holiday", "is_holiday_eve", "is_after_holiday"),
        "zone_distance": ("zone_distance_miles", "is_same_zone"),
    }
)


def calibration_bands(predicted: Floats) -> pd.Categorical:
    """The band of predicted minutes of each trip; a calibrated model has a bias near zero in every band."""
    edges = [f"{edge:g}" for edge in _BAND_MINUTES[:-1]]
    names = [f"{low}-{high} minutes" for low, high in pairwise(edges)]
    return pd.cut(predicted, list(_BAND_MINUTES), labels=[*names, f"over {edges[-1]} minutes"], include_lowest=True)


def score_zones(trips: pd.DataFrame, predicted: Floats) -> pd.DataFrame:
    """Computes errors by pickup zone: columns `zone_id`, `trips`, `rmse`, `mae`, `bias`.

    Args:
        trips: Columns `pickup_zone_id`, `duration_minutes`.
        predicted: Minutes of each trip.
    """
    zones = pd.DataFrame({"zone_id": pd.Categorical(trips["pickup_zone_id"])})
    table = score_slices(trips, predicted, zones).drop(columns="slice")
    return table.rename(columns={"value": "zone_id"}).astype({"zone_id": np.int64})


def score_matched_pairs(trips: pd.DataFrame, predictions: Mapping[str, Floats]) -> pd.DataFrame:
    """Computes the noise floor and each model's errors on trips with a match.

    Returns:
        Columns `model`, `slice`, `value`, `trips`, `rmse`, `mae`, `bias`; the noise floor has only an RMSE. There
        are no rows if no trip has a match.
    """
    floor = noise_floor(trips)
    if floor is None:
        return pd.DataFrame()
    value, count = "trips with a match", int(floor.has_match.sum())
    actual = trips["duration_minutes"].to_numpy(np.float64)[floor.has_match]
    rows = [{"model": NOISE_FLOOR, "slice": MATCHED_PAIRS, "value": value, "trips": count, "rmse": floor.rmse}]
    for name, predicted in predictions.items():
        rows.append(
            {"model": name, "slice": MATCHED_PAIRS, "value": value, **vars(score(actual, predicted[floor.has_match]))}
        )
    return pd.DataFrame(rows)


def permutation_importance(
    predict: Predict, trips: pd.DataFrame, columns: Iterable[str], seed: int = 0
) -> pd.DataFrame:
    """Measures the growth of the RMSE if an input is shuffled, on a sample of the trips.

    Args:
        predict: Predicts the minutes of trips.
        trips: The inputs, and `duration_minutes`.
        columns: Inputs; those of a group of `FEATURE_GROUPS` are shuffled together, under its name.
        seed: Seed of the sample and the shuffling.

    Returns:
        Columns `feature`, `rmse_growth_minutes`, `trips`; the largest growth first.
    """
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(trips), min(_IMPORTANCE_SAMPLE_TRIPS, len(trips)), replace=False))
    sample = trips.iloc[chosen].reset_index(drop=True)
    actual, order = sample["duration_minutes"].to_numpy(np.float64), rng.permutation(len(chosen))
    before = score(actual, predict(sample)).rmse
    rows = []
    for name, members in _groups(columns).items():
        shuffled = sample.assign(**{each: sample[each].to_numpy()[order] for each in members})
        growth = score(actual, predict(shuffled)).rmse - before
        rows.append({"feature": name, "rmse_growth_minutes": growth, "trips": len(chosen)})
    return pd.DataFrame(rows).sort_values("rmse_growth_minutes", ascending=False, ignore_index=True)


def _groups(columns: Iterable[str]) -> dict[str, tuple[str, ...]]:
    every = list(columns)
    groups = {name: tuple(each for each in members if each in every) for name, members in FEATURE_GROUPS.items()}
    grouped = {each for members in groups.values() for each in members}
    alone = {each: (each,) for each in every if each not in grouped}
    return {name: members for name, members in (alone | groups).items() if members}

"""Metrics of predictions: errors over all trips, by slice, against a baseline, and the noise floor.

Frames of trips have columns of `trip_features`; predictions are minutes, shape (n,). An error is predicted
minus actual.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError
from taxi_assets.tlc.local_time import is_repeated, utc_seconds
from taxi_assets.training.intervals import BANDS, bands

Floats = NDArray[np.float64]

MODEL = "duration_model"  # the evaluated model's name in scores, beside those of the baselines
DAY = "pickup_day"  # a slice recorded for every model; the promotion bootstrap draws its days
MATCH_WINDOW_MINUTES = 15  # pickups this close meet the same traffic; the reference figures use it too

SLICES: Mapping[str, str] = MappingProxyType(
    {
        "service": "TLC's service",
        "pickup_borough": "borough of the pickup zone",
        "airport_trip": "from or to Newark, JFK or LaGuardia",
        "hour_band": "part of the day of the pickup",
        "weekday": "day of the week of the pickup",
        "distance_band": "straight line between the zones",
    }
)
_DISTANCE_BANDS = {
    "within a zone": 0,
    "up to 1 mile": 1,
    "1-2 miles": 2,
    "2-4 miles": 4,
    "4-8 miles": 8,
    "over 8 miles": np.inf,
}
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Score:
    """Errors in minutes over `trips` trips; a positive `bias` means predictions are too long."""

    trips: int
    rmse: float
    mae: float
    bias: float


@dataclass(frozen=True)
class Uplift:
    """Gain of a model over a baseline: mean reduction of the absolute error, and share of trips improved."""

    minutes: float
    share_nearer: float


@dataclass(frozen=True)
class NoiseFloor:
    """The lowest RMSE possible from zones and time, and the trips it is measured on, shape (n,)."""

    rmse: float
    pairs: int
    has_match: NDArray[np.bool_]


def score(actual: Floats, predicted: Floats) -> Score:
    """Computes errors over all trips.

    Raises:
        TaxiError: There are no trips.
        ValueError: The shapes differ, or a value is not a finite number.
    """
    errors = _errors(actual, predicted)
    if not len(errors):
        raise TaxiError("there are no trips to score: choose a month that has been published")
    return Score(
        len(errors),
        float(np.sqrt(np.mean(errors**2))),
        float(np.mean(np.abs(errors))),
        float(np.mean(errors)),
    )


def slice_trips(trips: pd.DataFrame, zones: pd.DataFrame) -> pd.DataFrame:
    """Assigns each trip to its slices: an ordered column of categories for each name of `SLICES`.

    Args:
        trips: Columns `service`, `pickup_zone_id`, `dropoff_zone_id`, `hour_of_week`, `zone_distance_miles`.
        zones: Columns `zone_id`, `borough`, `is_airport` of `taxi_zones`.
    """
    zones_by_id = zones.set_index("zone_id")
    starts, ends = trips["pickup_zone_id"], trips["dropoff_zone_id"]
    borough = zones_by_id["borough"].reindex(starts).fillna("Unknown")
    airport = [zones_by_id["is_airport"].eq(True).reindex(zone, fill_value=False).to_numpy() for zone in (starts, ends)]
    airport_trip = np.select(airport, ["from an airport", "to an airport"], "no airport")
    hour_band = bands(trips["hour_of_week"].to_numpy() % 24 * 60)
    distance_band = np.searchsorted(list(_DISTANCE_BANDS.values()), trips["zone_distance_miles"])
    return pd.DataFrame(
        {
            "service": pd.Categorical(trips["service"]),
            "pickup_borough": pd.Categorical(borough),
            "airport_trip": pd.Categorical(airport_trip),
            "hour_band": pd.Categorical.from_codes(hour_band, list(BANDS)),
            "weekday": pd.Categorical.from_codes(trips["hour_of_week"].to_numpy() // 24, _WEEKDAYS),
            # A missing distance sorts behind infinity.
            "distance_band": pd.Categorical.from_codes(distance_band, [*_DISTANCE_BANDS, "unknown"]),
        },
        index=trips.index,
    )


def day_of(trips: pd.DataFrame) -> pd.Categorical:
    """The day of each trip's pickup, such as `2023-03-01`, also outside the month."""
    return pd.Categorical(trips["pickup_at"].to_numpy("datetime64[D]").astype(str))


def score_slices(
    trips: pd.DataFrame, predicted: Floats, slices: pd.DataFrame, averaged: Mapping[str, Floats] = MappingProxyType({})
) -> pd.DataFrame:
    """Computes errors by slice: columns `slice`, `value`, `trips`, `rmse`, `mae`, `bias`.

    Args:
        trips: Column `duration_minutes`.
        predicted: Minutes of each trip.
        slices: A column of categories for each slice, from `slice_trips`.
        averaged: Other values of each trip by name, shape (n,); each becomes a column of its means.

    Returns:
        A row for each value that occurs.
    """
    errors = _errors(trips["duration_minutes"].to_numpy(np.float64), predicted)
    measured = pd.DataFrame({"rmse": errors**2, "mae": np.abs(errors), "bias": errors, **averaged})
    tables = []
    for name, labels in slices.items():
        groups = measured.groupby(labels.array, observed=True)
        table = groups.mean()
        table.insert(0, "trips", groups.size())
        tables.append(table.rename_axis("value").reset_index().assign(slice=name))
    result = pd.concat([table.astype({"value": str}) for table in tables], ignore_index=True)
    result["rmse"] = np.sqrt(result["rmse"])
    return result[["slice", "value", "trips", "rmse", "mae", "bias", *averaged]]


def uplift_over_baseline(actual: Floats, model: Floats, baseline: Floats) -> Uplift:
    """Computes the model's gain over the baseline on the same trips."""
    ours, theirs = np.abs(_errors(actual, model)), np.abs(_errors(actual, baseline))
    return Uplift(float(np.mean(theirs - ours)), float(np.mean(ours < theirs)))


def noise_floor(trips: pd.DataFrame) -> NoiseFloor | None:
    """Estimates the irreducible RMSE from matched pairs: sqrt(mean((y1 - y2)²) / 2).

    A matched pair is two trips between the same zones with pickups within 15 minutes of elapsed time. Every such pair
    counts. The floor applies only to trips with a match, which are short and frequent: compare models on those.

    Args:
        trips: Columns `pickup_at`, `pickup_zone_id`, `dropoff_zone_id`, `duration_minutes`.

    Returns:
        The floor, or None if no trip has a match.
    """
    firsts, seconds = _matched_rows(trips)
    if not len(firsts):
        return None
    minutes = trips["duration_minutes"].to_numpy(np.float64)
    has_match = np.zeros(len(trips), dtype=bool)
    has_match[firsts] = has_match[seconds] = True
    return NoiseFloor(float(np.sqrt(np.mean((minutes[firsts] - minutes[seconds]) ** 2) / 2)), len(firsts), has_match)


def _matched_rows(trips: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of both trips of every matched pair."""
    pair = trips["pickup_zone_id"].to_numpy(np.int64) * 1000 + trips["dropoff_zone_id"].to_numpy(np.int64)
    # A pickup in the hour repeated in autumn is ambiguous: it gets a unique key, so it has no match.
    pair = np.where(is_repeated(trips["pickup_at"].to_numpy()), -1 - np.arange(len(pair)), pair)
    pickup_at = utc_seconds(trips["pickup_at"].to_numpy())
    order = np.lexsort((pickup_at, pair))
    firsts, seconds = _matched_positions(pair[order], pickup_at[order])
    return order[firsts], order[seconds]


def _matched_positions(
    pair: NDArray[np.int64], pickup_at: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of both trips of every matched pair, in trips sorted by pair and pickup (seconds)."""
    firsts, step = np.arange(len(pair)), 1
    found = [(firsts[:0], 0)]
    while len(firsts):
        firsts = firsts[firsts + step < len(pair)]
        close = pickup_at[firsts + step] - pickup_at[firsts] <= MATCH_WINDOW_MINUTES * 60
        # If a trip's neighbour at this step is too far, all later ones are too.
        firsts = firsts[close & (pair[firsts + step] == pair[firsts])]
        found.append((firsts, step))
        step += 1
    return np.concatenate([ours for ours, _ in found]), np.concatenate([ours + step for ours, step in found])


def _errors(actual: Floats, predicted: Floats) -> Floats:
    actual, predicted = np.asarray(actual, np.float64), np.asarray(predicted, np.float64)
    if actual.shape != predicted.shape or actual.ndim != 1:
        raise ValueError(f"durations of shape {actual.shape} and predictions of {predicted.shape} do not match")
    errors = predicted - actual
    if not np.isfinite(errors).all():
        raise ValueError(f"{int((~np.isfinite(errors)).sum())} durations or predictions are not finite numbers")
    return errors

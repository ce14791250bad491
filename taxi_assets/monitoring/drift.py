"""Drift of a month's features and target against a model's training months. Uses no model.

Drift is the population stability index (PSI): the sum over bins of (q - p) ln(q / p), where p and q are a bin's
shares of the two samples. Categorical and discrete features have a bin for each value. Numeric features have ten
bins, each with a tenth of the reference. Missing values have their own bin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import pandas as pd
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DriftVerdict = Literal["stable", "watch", "drifted"]
FeatureKind = Literal["categorical", "discrete", "numeric"]

# The usual bounds of credit scoring. They fit taxi trips: against the twelve months before, the PSI of green months
# from 2023-02 to 2025-06 stays below 0.08; in early 2022, against the year before, it reaches 0.74.
WATCH = 0.10
DRIFTED = 0.25

TARGET = "duration_minutes"
# The target given the trip: the duration divided by the expected minutes, and the speed.
RATIO, SPEED = "duration_ratio", "straight_line_mph"
FEATURES: Mapping[str, FeatureKind] = MappingProxyType(
    {
        "service": "categorical",
        "pickup_zone_id": "categorical",
        "dropoff_zone_id": "categorical",
        "day_of_week": "categorical",
        "minute_of_day": "numeric",
        "passenger_count": "discrete",
        "is_same_zone": "discrete",
        "zone_distance_miles": "numeric",
        TARGET: "numeric",
        RATIO: "numeric",
        SPEED: "numeric",
    }
)

_BINS = 10  # of a numeric feature: the usual number; with 1,000 trips each bin has 100
_RARE_SHARE = 0.002  # values with a smaller share of the reference share one bin: alone they are noise
_SMALLEST_SHARE = 0.0001  # share of an empty bin, since the logarithm of zero is infinite
_DRAWS = 999  # their maximum is exceeded by chance once in 1,000


@dataclass(frozen=True)
class FeatureDrift:
    """Drift of one feature; means are None for categorical or missing values.

    Without drift, `psi` exceeds `psi_noise_floor` once in 1,000 by chance.
    """

    name: str
    psi: float
    psi_noise_floor: float
    verdict: DriftVerdict
    reference_mean: float | None
    month_mean: float | None


@dataclass(frozen=True)
class DriftReport:
    """Drift of a month against the training months; `features` include the target, the highest PSI first."""

    month: date
    reference_months: tuple[date, ...]
    reference_trips: int
    month_trips: int
    features: tuple[FeatureDrift, ...]

    @property
    def verdict(self) -> DriftVerdict:
        """The worst verdict of all features."""
        return max((feature.verdict for feature in self.features), key=get_args(DriftVerdict).index)

    @property
    def target(self) -> FeatureDrift:
        """Drift of the trip duration."""
        return next(feature for feature in self.features if feature.name == TARGET)


@dataclass(frozen=True)
class _Sample:
    """One feature's distinct values, ascending, NaN last, with the number of trips for each."""

    values: Floats
    reference: Ints
    month: Ints


def measure_drift(
    connection: DuckDBPyConnection, services: Sequence[str], reference_months: Sequence[date], month: date
) -> DriftReport:
    """Compares a month's trips with those of the reference months, feature by feature.

    Args:
        connection: A connection with the table `trip_features`.
        services: TLC's services whose trips count, in the reference and in the month.
        reference_months: First days of the months the model was trained on.
        month: First day of the month to measure.

    Raises:
        TaxiError: The month is a reference month, or either side has no trips.
    """
    if month in reference_months:
        raise TaxiError(f"{month:%Y-%m} is a training month of the model: measure the drift of a later one")
    values = {"services": sorted(services), "months": [*reference_months, month], "month": month}
    query = files("taxi_assets.monitoring").joinpath("drift_counts.sql").read_text()
    counts = connection.execute(query, values).df()
    samples = {name: _sample(counts[counts["feature"] == name]) for name in FEATURES}
    reference_trips, month_trips = int(samples[TARGET].reference.sum()), int(samples[TARGET].month.sum())
    if not reference_trips or not month_trips:
        lacking = [f"{month:%Y-%m}"] if reference_trips else [f"{each:%Y-%m}" for each in reference_months]
        raise TaxiError(f"no trip of {', '.join(services)} in {', '.join(lacking) or 'no month'}: ingest it first")
    features = [_measure(name, kind, samples[name]) for name, kind in FEATURES.items()]
    features.sort(key=lambda feature: feature.psi, reverse=True)
    return DriftReport(month, tuple(reference_months), reference_trips, month_trips, tuple(features))


def _sample(counts: pd.DataFrame) -> _Sample:
    values, position = np.unique(counts["value"].to_numpy(np.float64), return_inverse=True)
    trips, is_month = counts["trips"].to_numpy(), counts["is_current_month"].to_numpy(bool)
    reference, month = (
        np.bincount(position[chosen], trips[chosen], len(values)).astype(np.int64) for chosen in (~is_month, is_month)
    )
    return _Sample(values, reference, month)


def _measure(name: str, kind: FeatureKind, sample: _Sample) -> FeatureDrift:
    bins = _bins(kind, sample)
    reference, month = (np.bincount(bins, trips).astype(np.int64) for trips in (sample.reference, sample.month))
    psi, psi_noise_floor = float(_psi(reference, month)), _psi_noise_floor(reference, month)
    has_order = kind != "categorical"
    return FeatureDrift(
        name=name,
        psi=psi,
        psi_noise_floor=psi_noise_floor,
        verdict=_verdict(psi, psi_noise_floor),
        reference_mean=_mean(sample.values, sample.reference) if has_order else None,
        month_mean=_mean(sample.values, sample.month) if has_order else None,
    )


def _bins(kind: FeatureKind, sample: _Sample) -> Ints:
    """The bin of each value, from 0."""
    missing = np.isnan(sample.values)
    present = np.where(missing, 0, sample.reference)
    if kind == "numeric" and present.any():
        quantiles = np.searchsorted(present.cumsum() / present.sum(), np.arange(1, _BINS) / _BINS)
        bins = np.searchsorted(np.unique(sample.values[quantiles]), sample.values)
    else:
        is_common = present >= _RARE_SHARE * sample.reference.sum()
        bins = np.where(is_common, is_common.cumsum(), 0)
    return np.where(missing, bins.max() + 1, bins)


def _psi(reference: Ints, month: Ints) -> Floats:
    """PSI along the last axis."""
    p, q = (np.maximum(trips / trips.sum(-1, keepdims=True), _SMALLEST_SHARE) for trips in (reference, month))
    return np.asarray(np.sum((q - p) * np.log(q / p), axis=-1))


def _psi_noise_floor(reference: Ints, month: Ints) -> float:
    """The highest PSI of `_DRAWS` pairs of samples of these sizes, drawn from the pooled trips.

    Simulated, because no formula for the PSI's distribution holds with few trips in many bins.
    """
    shares = (reference + month) / (reference + month).sum()
    draw = np.random.default_rng(seed=0).multinomial
    return float(_psi(draw(reference.sum(), shares, _DRAWS), draw(month.sum(), shares, _DRAWS)).max())


def _verdict(psi: float, psi_noise_floor: float) -> DriftVerdict:
    if psi < WATCH or psi <= psi_noise_floor:
        return "stable"
    return "watch" if psi <= DRIFTED else "drifted"


def _mean(values: Floats, trips: Ints) -> float | None:
    present = ~np.isnan(values)
    return float(np.average(values[present], weights=trips[present])) if trips[present].any() else None

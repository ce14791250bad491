"""Counts of each watched feature by day and bin: all that drift needs of the trips."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from taxi_assets.warehouse.queries import sql

Ints = NDArray[np.int64]
FeatureRole = Literal["input", "target", "recording"]

TARGET = "duration_minutes"
# The target given the trip: the duration divided by the training months' mean between the same zones.
RATIO = "duration_ratio"
HOUR, MISSING, REJECTED, METER = "hour_of_day", "missing_values", "rejection_reason", "metered_distance_ratio"
# A change of an input or of the target is one of the city. A change of the recording is one of the data.
FEATURES: Mapping[str, FeatureRole] = MappingProxyType(
    {
        "service": "input",
        "pickup_zone_id": "input",
        "dropoff_zone_id": "input",
        "passenger_count": "input",
        HOUR: "input",
        "day_of_week": "input",
        "is_same_zone": "input",
        "zone_distance_miles": "input",
        TARGET: "target",
        RATIO: "target",
        MISSING: "recording",
        REJECTED: "recording",
        METER: "recording",
    }
)
_RARE_SHARE = 0.002  # values with a smaller share of the reference share one bin: alone they are noise


@dataclass(frozen=True)
class DailyCounts:
    """Trips of one feature by bin.

    Attributes:
        name: The feature, a key of `FEATURES`.
        bins: Label of each bin; rare values share the last one.
        reference: Trips of the training months, shape (days, bins), the days in their order.
        days: The day of each row of `reference`.
        month: Trips of the measured month, shape (bins,).
    """

    name: str
    bins: tuple[str, ...]
    reference: Ints
    days: NDArray[np.datetime64]
    month: Ints

    @property
    def shares(self) -> tuple[dict[str, float], dict[str, float]]:
        """Share of each bin in the training months and in the month."""
        totals = (self.reference.sum(axis=0), self.month)
        before, now = (dict(zip(self.bins, (each / each.sum()).tolist(), strict=True)) for each in totals)
        return before, now


@dataclass(frozen=True)
class Means:
    """Mean of a numeric feature on both sides; None without values."""

    reference: float | None
    month: float | None


def read_daily_counts(
    connection: DuckDBPyConnection, services: Sequence[str], reference_months: Sequence[date], month: date
) -> tuple[tuple[DailyCounts, ...], Mapping[str, Means]]:
    """Counts the trips of the training months and of the month, by day and bin.

    Features without trips on a side are left out.

    Args:
        connection: A connection to the warehouse; a temporary table `drift_trips` is made on it and dropped.
        services: TLC's services whose trips count.
        reference_months: First days of the training months.
        month: First day of the measured month.
    """
    values = {"services": sorted(services), "months": [*reference_months, month], "month": month}
    connection.execute(f"CREATE OR REPLACE TEMP TABLE drift_trips AS {sql('drift_trips')}", values)
    try:
        counts = [connection.execute(sql("daily_feature_counts")).df()]
        means = _means(connection)
    finally:
        connection.execute("DROP TABLE IF EXISTS drift_trips")
    counts.append(connection.execute(sql("daily_quality_counts"), values).df())
    return tuple(_by_feature(pd.concat(counts))), means


def _by_feature(counts: pd.DataFrame) -> Iterator[DailyCounts]:
    for name in FEATURES:
        found = counts[counts["feature"] == name]
        table = found.pivot_table(
            index=["is_current_month", "day"], columns="bin", values="trips", aggfunc="sum", fill_value=0
        ).sort_index()
        sides = [table[table.index.get_level_values(0) == side] for side in (False, True)]
        if all(len(side) for side in sides):
            yield _pooled(name, sides[0], sides[1].to_numpy(np.int64).sum(axis=0))


def _pooled(name: str, reference: pd.DataFrame, month: Ints) -> DailyCounts:
    """Puts values that are rare in the training months into one bin."""
    trips = reference.to_numpy(np.int64)
    is_common = trips.sum(axis=0) >= _RARE_SHARE * trips.sum()
    common = [str(name) for name in reference.columns[is_common]]

    def pool(counts: Ints) -> Ints:
        rare = counts[..., ~is_common].sum(axis=-1, keepdims=True)
        return np.concatenate([counts[..., is_common], rare], axis=-1)

    days = reference.index.get_level_values(1).to_numpy("datetime64[D]")
    return DailyCounts(name, (*common, "rare values"), pool(trips), days, pool(month))


def _means(connection: DuckDBPyConnection) -> Mapping[str, Means]:
    by_side = {is_month: means for is_month, *means in connection.execute(sql("drift_means")).fetchall()}
    before, now = (by_side.get(side, [None] * len(_WITH_MEANS)) for side in (False, True))
    return {name: Means(before[place], now[place]) for place, name in enumerate(_WITH_MEANS)}


_WITH_MEANS = (TARGET, RATIO, METER, "zone_distance_miles", "passenger_count", "is_same_zone")

"""Measures the champion on a newly ingested month that it has not seen, before the month's decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from taxi_assets.evaluation.coverage import Coverage, measure_coverage
from taxi_assets.evaluation.evaluate import count_unscored_trips, services_of, window_of
from taxi_assets.evaluation.metrics import MODEL, Score, score
from taxi_assets.evaluation.performance_slices import (
    OVERALL,
    performance_slices,
    read_pair_trips,
    score_performance,
)
from taxi_assets.evaluation.version_predictions import predict_version
from taxi_assets.months import Month, not_earlier
from taxi_assets.registry import model_versions
from taxi_assets.registry.model_files import Version
from taxi_assets.registry.version_reader import read_versions
from taxi_assets.settings import Settings
from taxi_assets.training.conditions import CONDITIONS
from taxi_assets.training.dataset import read_evaluation_trips, read_zones
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES, PRIMARY_SCOPE, TRIPS_1_TO_180_MINUTES
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class ChampionPerformance:
    """The champion's errors on a month.

    Attributes:
        month: The month.
        condition: The served condition.
        version: The champion's version.
        scores: Its errors by scope.
        rows: Rows of `champion_performance`, without month and version.
        coverage: Coverage of its intervals.
        unscored_trips: Number of trips by which the scored trips differ from those counted in SQL.
    """

    month: Month
    condition: str
    version: int
    scores: Mapping[str, Score]
    rows: pd.DataFrame
    coverage: Coverage
    unscored_trips: int


@dataclass(frozen=True)
class NotMeasured:
    """A month without a measurement, and the reason as a sentence."""

    month: Month
    reason: str


@dataclass(frozen=True)
class MonthPerformance:
    """The champion's errors on all trips of the primary scope in one month, minutes.

    Attributes:
        month: The month.
        version: The champion's version.
        trips: Trips scored.
        rmse: Root mean squared error.
        mae: Mean absolute error.
        bias: Mean of predicted minus actual.
        coverage: Share of trips inside their 90 % interval; None for a model without intervals.
        interval_rms_minutes: Root mean square width of the intervals; None without intervals.
    """

    month: Month
    version: int
    trips: int
    rmse: float
    mae: float
    bias: float
    coverage: float | None
    interval_rms_minutes: float | None


def measure_champion(settings: Settings, warehouse: Warehouse, month: Month) -> ChampionPerformance | NotMeasured:
    """Predicts the month's trips by the champion before the month's decision, under the served condition.

    The same version is measured each time, also after the decision.

    Raises:
        TaxiError: The month has no trips.
    """
    version = champion_before(settings, warehouse, month)
    if version is None:
        return NotMeasured(month, f"there was no champion before the decision on {month}")
    if seen := not_earlier(window_of(version), month):
        return NotMeasured(month, f"champion {version.version} was trained on {seen[-1]}: it may have seen {month}")
    if not model_versions.is_usable(settings, version):
        return NotMeasured(month, f"the model of champion {version.version} is missing or damaged")
    return _measure(settings, warehouse, version, month)


def champion_before(settings: Settings, warehouse: Warehouse, month: Month) -> Version | None:
    """The champion before the month's decision.

    It is that of the first measurement, else of the first decision, else MLflow's.
    """
    with warehouse.reading() as connection:
        number = _measured_version(connection, month)
        decided = _decided_against(connection, month) if number is None else ()
    if number is None and not decided:
        return model_versions.champion(settings)
    number = decided[0] if decided else number
    return None if number is None else read_versions(settings).get(number)


def record_champion_performance(
    warehouse: Warehouse, performance: ChampionPerformance, run_id: str | None = None
) -> None:
    """Replaces the month's rows of `champion_performance`."""
    month = performance.month
    rows = performance.rows.assign(month=month.first_day, model_version=performance.version)
    with warehouse.publishing(f"champion_performance {month} version {performance.version}", run_id) as connection:
        connection.execute("DELETE FROM champion_performance WHERE month = ?", [month.first_day])
        connection.register("rows", rows)
        connection.execute("INSERT INTO champion_performance BY NAME SELECT * FROM rows")


def read_champion_performance(connection: "DuckDBPyConnection", through: Month) -> list[MonthPerformance]:
    """Reads the champion's errors on each measured month up to and including `through`, oldest first."""
    rows = connection.execute(
        "SELECT month, model_version, trips, rmse, mae, bias, inside / trips, interval_rms_minutes "
        "FROM champion_performance WHERE slice = ? AND scope = ? AND month <= ? ORDER BY month",
        [OVERALL, PRIMARY_SCOPE.name, through.first_day],
    ).fetchall()
    return [MonthPerformance(Month(day.year, day.month), *values) for day, *values in rows]


def _measured_version(connection: "DuckDBPyConnection", month: Month) -> int | None:
    query = "SELECT max(model_version) FROM champion_performance WHERE month = ?"
    ((version,),) = connection.execute(query, [month.first_day]).fetchall()
    return None if version is None else int(version)


def _decided_against(connection: "DuckDBPyConnection", month: Month) -> tuple[int | None, ...]:
    """The champion at the month's first decision, None if there was none; empty without a decision."""
    # A decision on the champion itself names no other: it was promoted on an earlier month.
    query = (
        "SELECT coalesce(champion_version, (SELECT max(earlier.model_version) FROM promotions AS earlier "
        "WHERE earlier.is_promoted AND earlier.month < promotions.month "
        "AND earlier.model_version = promotions.model_version)) "
        "FROM promotions WHERE month = ? ORDER BY decided_at LIMIT 1"
    )
    return tuple(version for (version,) in connection.execute(query, [month.first_day]).fetchall())


def _measure(settings: Settings, warehouse: Warehouse, version: Version, month: Month) -> ChampionPerformance:
    services, condition = services_of(version), CONDITIONS[settings.served_condition]
    trips = read_evaluation_trips(warehouse, services, month, TRIPS_1_TO_180_MINUTES)
    prediction = predict_version(settings, version, trips, condition)
    zones, pair_trips = read_zones(warehouse), read_pair_trips(warehouse, version)
    actual = trips["duration_minutes"].to_numpy(np.float64)
    scores, tables = {}, []
    for name, scope in EVALUATION_SCOPES.items():
        chosen = scope.contains(actual)
        own, predicted = trips[chosen].reset_index(drop=True), prediction.subset(chosen)
        scores[name] = score(actual[chosen], predicted.minutes)
        table = score_performance(own, predicted, performance_slices(own, zones, pair_trips))
        tables.append(table.assign(scope=name, condition=condition.name))
    primary = PRIMARY_SCOPE.contains(actual)
    unscored = count_unscored_trips(warehouse, services, month, {name: {MODEL: each} for name, each in scores.items()})
    return ChampionPerformance(
        month=month,
        condition=condition.name,
        version=version.version,
        scores=scores,
        rows=pd.concat(tables, ignore_index=True),
        coverage=measure_coverage(prediction.subset(primary), trips[primary], zones),
        unscored_trips=unscored,
    )

"""Builds the evidence for a decision: scores, paired predictions, training overlap. No Dagster."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.evaluation.evaluate import services_of, window_of
from taxi_assets.evaluation.metrics import DAY, MODEL, Score, score, slice_trips
from taxi_assets.evaluation.version_predictions import predict_version
from taxi_assets.months import Month
from taxi_assets.promotion.bootstrap import DayErrors, Interval
from taxi_assets.promotion.evidence import Candidate, Evidence
from taxi_assets.promotion.paired_comparison import PairedComparison, PairedPredictions, compare, compare_daily_errors
from taxi_assets.promotion.policy import PromotionPolicy
from taxi_assets.registry.model_files import Version
from taxi_assets.registry.model_versions import ROLLED_BACK_TAG
from taxi_assets.settings import Settings
from taxi_assets.training.conditions import CONDITIONS, Condition
from taxi_assets.training.dataset import read_evaluation_trips, read_zones
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES, PRIMARY_SCOPE, TRIPS_1_TO_180_MINUTES
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.queries import sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TRIP_IDENTITY = ["service", "pickup_at", "pickup_zone_id", "dropoff_zone_id", "duration_minutes"]
_GUARDRAIL_SCOPES = [name for name in EVALUATION_SCOPES if name != PRIMARY_SCOPE.name]


def build_evidence(
    settings: Settings,
    warehouse: Warehouse,
    month: Month,
    challenger: Version,
    champion: Version | None,
    policy: PromotionPolicy,
) -> Evidence:
    """Builds the evidence for a decision on the challenger, which must be evaluated on the month already.

    Raises:
        TaxiError: The month has no trips.
    """
    snapshot, condition = warehouse.snapshot(), CONDITIONS[settings.served_condition]  # the snapshot before any read
    with warehouse.reading() as connection:
        scores = read_scores(connection, month, challenger, condition.name)
        baseline_intervals = _baseline_intervals(connection, month, challenger, condition, policy)
    trips = read_evaluation_trips(warehouse, services_of(challenger), month, TRIPS_1_TO_180_MINUTES)
    primary = scores[PRIMARY_SCOPE.name]
    evidence = Evidence(
        challenger=_candidate(warehouse, challenger, primary.pop(MODEL), trips),
        champion=_candidate(warehouse, champion, None, trips) if champion else None,
        baselines=primary,
        baseline_intervals=baseline_intervals,
        comparison=None,
        scored_month=month,
        days=len(np.unique(_days(PRIMARY_SCOPE.in_scope(trips)))),
        snapshot=snapshot,
        guarded={name: scores[name] for name in _GUARDRAIL_SCOPES},
        condition=condition,
    )
    # Without a champion, or if one of them may have seen the trips, nothing is compared.
    if champion is None or evidence.incumbent is None or not evidence.is_unseen:
        return evidence
    comparison = _compare(settings, warehouse, trips, challenger, champion, policy)
    if comparison is None:
        return evidence
    found = Score(comparison.trips, comparison.champion_rmse, comparison.champion_mae, comparison.champion_bias)
    return replace(evidence, champion=replace(evidence.incumbent, score=found), comparison=comparison)


def _candidate(warehouse: Warehouse, version: Version, found: Score | None, trips: pd.DataFrame) -> Candidate:
    return Candidate(
        str(version.version),
        found,
        window_of(version)[-1],
        trips_seen=_count_overlap(warehouse, version, trips),
        services=services_of(version),
        is_servable=version.tags.get("servable", "true") == "true",
        rolled_back=version.tags.get(ROLLED_BACK_TAG, ""),
    )


def _compare(
    settings: Settings,
    warehouse: Warehouse,
    trips: pd.DataFrame,
    challenger: Version,
    champion: Version,
    policy: PromotionPolicy,
) -> PairedComparison | None:
    """Compares both models on the trips of the services that both serve."""
    both = [service for service in services_of(challenger) if service in services_of(champion)]
    shared_trips, condition = trips[trips["service"].isin(both)], CONDITIONS[settings.served_condition]
    if PRIMARY_SCOPE.in_scope(shared_trips).empty:
        return None
    # Recent traffic needs all plausible trips, so predict first and select the scope's trips afterwards.
    # The champion first: `champion_performance` has predicted the same trips by it.
    of_champion = predict_version(settings, champion, shared_trips, condition)
    predicted = [predict_version(settings, challenger, shared_trips, condition).minutes, of_champion.minutes]
    actual = shared_trips["duration_minutes"].to_numpy(np.float64)
    own = PRIMARY_SCOPE.contains(actual)
    paired = PairedPredictions(_days(shared_trips)[own], actual[own], *(minutes[own] for minutes in predicted))
    found = compare(paired, slice_trips(shared_trips[own], read_zones(warehouse)), policy)
    guarded = {name: EVALUATION_SCOPES[name].contains(actual) for name in _GUARDRAIL_SCOPES}
    return replace(
        found, guardrail_scores={name: _score_pair(actual, predicted, each) for name, each in guarded.items()}
    )


def _score_pair(
    actual: NDArray[np.float64], predicted: list[NDArray[np.float64]], chosen: NDArray[np.bool_]
) -> tuple[Score, Score]:
    challenger, champion = (score(actual[chosen], minutes[chosen]) for minutes in predicted)
    return challenger, champion


def _days(trips: pd.DataFrame) -> NDArray[np.int64]:
    return np.asarray(trips["pickup_at"].to_numpy("datetime64[D]").astype(np.int64))


def _count_overlap(warehouse: Warehouse, version: Version, trips: pd.DataFrame) -> int:
    """Counts the trips that the version was trained on, matched by content and not by file."""
    kept_snapshot = {int(version.tags["data_snapshot"])} & set(warehouse.snapshots())
    values = {"months": [month.first_day for month in window_of(version)], "services": list(services_of(version))}
    # If the snapshot has expired, the same months of the newest one are the closest substitute.
    with warehouse.at(kept_snapshot.pop() if kept_snapshot else None).reading() as connection:
        connection.register("scored", trips[_TRIP_IDENTITY])
        return int(connection.execute(sql("train_test_overlap"), values).fetchall()[0][0])


def read_scores(
    connection: "DuckDBPyConnection", month: Month, version: Version, condition: str
) -> dict[str, dict[str, Score]]:
    """Reads the scores of the version and the baselines from `evaluations`: by scope, then by model."""
    rows = connection.execute(
        "SELECT scope, model, trips, rmse, mae, bias FROM evaluations "
        "WHERE month = ? AND model_version = ? AND condition = ? AND slice = 'overall'",
        [month.first_day, version.version, condition],
    ).fetchall()
    found: dict[str, dict[str, Score]] = {name: {} for name in EVALUATION_SCOPES}
    for scope, name, *values in rows:
        found[scope][name] = Score(*values)
    return found


def _baseline_intervals(
    connection: "DuckDBPyConnection", month: Month, version: Version, condition: Condition, policy: PromotionPolicy
) -> Mapping[str, Interval]:
    """Compares the challenger with each baseline, from the daily errors in `evaluations`."""
    rows = connection.execute(
        "SELECT model, value, trips, rmse * rmse * trips AS squares FROM evaluations "
        "WHERE month = ? AND model_version = ? AND condition = ? AND scope = ? AND slice = ?",
        [month.first_day, version.version, condition.name, PRIMARY_SCOPE.name, DAY],
    ).df()
    squares = rows.pivot_table(index="value", columns="model", values="squares")
    trips = rows[rows["model"] == MODEL].set_index("value")["trips"].reindex(squares.index).to_numpy(np.int64)
    ours = squares[MODEL].to_numpy(np.float64)
    return {
        str(name): compare_daily_errors(DayErrors(trips, ours, squares[name].to_numpy(np.float64)), policy)
        for name in squares
        if name != MODEL
    }

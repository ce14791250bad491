"""Gathers what a promotion rests on: kept scores, both models on the same rides, whether they saw them. No Dagster."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.lake.warehouse import Warehouse, sql
from taxi_assets.learning.training_data import read_scored, read_zones
from taxi_assets.mlflow_store import registry
from taxi_assets.mlflow_store.registry import Version
from taxi_assets.months import Month
from taxi_assets.scoring.bootstrap import DayErrors, Interval
from taxi_assets.scoring.comparison import Comparison, Rivals, compare, compare_days
from taxi_assets.scoring.evaluation import CONVENTIONS, DAY, Score, slice_trips
from taxi_assets.scoring.judging import MODEL, services_of, window_of
from taxi_assets.scoring.predicting import predict
from taxi_assets.scoring.promotion import Candidate, Evidence
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Contest", "gather"]

_WHAT_A_RIDE_IS = ["service", "pickup_at", "pickup_zone_id", "dropoff_zone_id", "duration_minutes"]
_CONVENTION = CONVENTIONS["all"]  # a rider to the airport at rush hour deserves a good answer too


@dataclass(frozen=True)
class Contest:
    """The evidence for a month's decision, and the lake's snapshot it was read from."""

    evidence: Evidence
    snapshot: int


def gather(
    settings: Settings, warehouse: Warehouse, month: Month, challenger: Version, champion: Version | None
) -> Contest:
    """What a decision on the challenger rests on; the month must have been evaluated with it.

    Raises:
        TaxiError: the month has no rides.
    """
    snapshot = warehouse.snapshot()
    with warehouse.reading() as connection:
        scores = _kept_scores(connection, month, challenger)
        against = _against_baselines(connection, month, challenger)
    rides = read_scored(warehouse, services_of(challenger), month, _CONVENTION)
    is_rival = champion is not None and champion.version != challenger.version
    comparison = _compare(settings, warehouse, rides, challenger, champion) if champion and is_rival else None
    own = scores.pop(MODEL)
    evidence = Evidence(
        challenger=_candidate(warehouse, challenger, own, rides),
        champion=_candidate(warehouse, champion, _champions_score(own, comparison), rides) if champion else None,
        baselines=scores,
        against_baselines=against,
        comparison=comparison,
        scored_month=month,
        days=len(np.unique(_days(rides))),
    )
    return Contest(evidence, snapshot)


def _candidate(warehouse: Warehouse, version: Version, found: Score, rides: pd.DataFrame) -> Candidate:
    return Candidate(
        str(version.version),
        found,
        window_of(version)[-1],
        rides_seen=_count_seen(warehouse, version, rides),
        services=services_of(version),
        is_servable=version.tags.get("servable", "true") == "true",
    )


def _champions_score(own: Score, comparison: Comparison | None) -> Score:
    """The champion's errors on the same rides; the challenger's own where it is the champion."""
    if comparison is None:
        return own
    return Score(comparison.rides, comparison.champion_rmse, comparison.champion_mae, comparison.champion_bias)


def _compare(
    settings: Settings, warehouse: Warehouse, rides: pd.DataFrame, challenger: Version, champion: Version
) -> Comparison | None:
    """Both on the rides of services that both know: a champion cannot be asked about others."""
    both = [service for service in services_of(challenger) if service in services_of(champion)]
    asked = rides[rides["service"].isin(both)]
    if asked.empty:
        return None
    # Each is told by all of the month's rides what the streets are like, and compared on those both know.
    predicted = [predict(registry.load_sklearn(settings, version), asked) for version in (challenger, champion)]
    rivals = Rivals(_days(asked), asked["duration_minutes"].to_numpy(np.float64), *predicted)
    return compare(rivals, slice_trips(asked, read_zones(warehouse)))


def _days(rides: pd.DataFrame) -> NDArray[np.int64]:
    return np.asarray(rides["pickup_at"].to_numpy("datetime64[D]").astype(np.int64))


def _count_seen(warehouse: Warehouse, version: Version, rides: pd.DataFrame) -> int:
    """How many of the rides are among those the version learned from, by their content, whatever file they came in."""
    held = {int(version.tags["data_snapshot"])} & set(warehouse.snapshots())
    values = {"months": [month.first_day for month in window_of(version)], "services": list(services_of(version))}
    # A snapshot that is no longer kept had the same months: what they hold now is the nearest there is.
    with warehouse.reading(held.pop() if held else None) as connection:
        connection.register("scored", rides[_WHAT_A_RIDE_IS])
        return int(connection.execute(sql("seen_trips"), values).fetchall()[0][0])


def _kept_scores(connection: "DuckDBPyConnection", month: Month, version: Version) -> dict[str, Score]:
    rows = connection.execute(
        "SELECT model, rides, rmse, mae, bias FROM evaluations "
        "WHERE month = ? AND model_version = ? AND convention = ? AND slice = 'overall'",
        [month.first_day, version.version, _CONVENTION.name],
    ).fetchall()
    return {name: Score(*values) for name, *values in rows}


def _against_baselines(connection: "DuckDBPyConnection", month: Month, version: Version) -> dict[str, Interval]:
    """The challenger against each baseline, from the errors kept by day."""
    rows = connection.execute(
        "SELECT model, value, rides, rmse * rmse * rides AS squares FROM evaluations "
        "WHERE month = ? AND model_version = ? AND convention = ? AND slice = ?",
        [month.first_day, version.version, _CONVENTION.name, DAY],
    ).df()
    squares = rows.pivot_table(index="value", columns="model", values="squares")
    rides = rows[rows["model"] == MODEL].set_index("value")["rides"].reindex(squares.index).to_numpy(np.int64)
    ours = squares[MODEL].to_numpy(np.float64)
    return {
        str(name): compare_days(DayErrors(rides, ours, squares[name].to_numpy(np.float64)))
        for name in squares
        if name != MODEL
    }

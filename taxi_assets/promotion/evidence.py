"""Gathers what a promotion rests on: kept scores, both models on the same rides, whether they saw them. No Dagster."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.evaluation.conditions import CONDITIONS, Condition
from taxi_assets.evaluation.evaluate import MODEL, services_of, window_of
from taxi_assets.evaluation.metrics import DAY, Score, score, slice_trips
from taxi_assets.evaluation.predict import predict
from taxi_assets.months import Month
from taxi_assets.promotion.bootstrap import DayErrors, Interval
from taxi_assets.promotion.paired_comparison import Comparison, Rivals, compare, compare_days
from taxi_assets.promotion.promotion_input import Candidate, Evidence, Guarded
from taxi_assets.registry import model_versions
from taxi_assets.registry.model_versions import Version
from taxi_assets.settings import Settings
from taxi_assets.training.dataset import read_scored, read_zones
from taxi_assets.training.evaluation_scope import ALL_RIDES, CONVENTIONS, HEADLINE
from taxi_assets.warehouse.connection import Warehouse, sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Contest", "gather", "kept_scores"]

_WHAT_A_RIDE_IS = ["service", "pickup_at", "pickup_zone_id", "dropoff_zone_id", "duration_minutes"]
_GUARDED = [name for name in CONVENTIONS if name != HEADLINE.name]


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
    snapshot, condition = warehouse.snapshot(), CONDITIONS[settings.served_condition]
    with warehouse.reading() as connection:
        scores = kept_scores(connection, month, challenger, condition.name)
        against = _against_baselines(connection, month, challenger, condition)
    rides = read_scored(warehouse, services_of(challenger), month, ALL_RIDES)
    own = {name: found.pop(MODEL) for name, found in scores.items()}
    evidence = Evidence(
        challenger=_candidate(warehouse, challenger, own[HEADLINE.name], rides),
        champion=_candidate(warehouse, champion, None, rides) if champion else None,
        baselines=scores[HEADLINE.name],
        against_baselines=against,
        comparison=None,
        scored_month=month,
        days=len(np.unique(_days(HEADLINE.admitted(rides)))),
        guarded={name: Guarded(own[name], scores[name]) for name in _GUARDED},
        condition=condition,
    )
    return Contest(_compared(settings, warehouse, rides, evidence, challenger, champion), snapshot)


def _candidate(warehouse: Warehouse, version: Version, found: Score | None, rides: pd.DataFrame) -> Candidate:
    return Candidate(
        str(version.version),
        found,
        window_of(version)[-1],
        rides_seen=_count_seen(warehouse, version, rides),
        services=services_of(version),
        is_servable=version.tags.get("servable", "true") == "true",
    )


def _compared(
    settings: Settings,
    warehouse: Warehouse,
    rides: pd.DataFrame,
    evidence: Evidence,
    challenger: Version,
    champion: Version | None,
) -> Evidence:
    """The evidence with the comparison of both models, unless one may have seen the rides: then nothing is compared."""
    if champion is None or evidence.rival is None or not evidence.is_unseen:
        return evidence
    comparison = _compare(settings, warehouse, rides, challenger, champion)
    if comparison is None:
        return evidence
    found = Score(comparison.rides, comparison.champion_rmse, comparison.champion_mae, comparison.champion_bias)
    return replace(evidence, champion=replace(evidence.rival, score=found), comparison=comparison)


def _compare(
    settings: Settings, warehouse: Warehouse, rides: pd.DataFrame, challenger: Version, champion: Version
) -> Comparison | None:
    """Both on the rides of services that both know: a champion cannot be asked about others."""
    both = [service for service in services_of(challenger) if service in services_of(champion)]
    asked, condition = rides[rides["service"].isin(both)], CONDITIONS[settings.served_condition]
    if HEADLINE.admitted(asked).empty:
        return None
    models = [model_versions.load_sklearn(settings, version) for version in (challenger, champion)]
    # Every plausible ride tells each model of the traffic, where it may know that; then the convention's are compared.
    predicted = [predict(model, asked, condition).minutes for model in models]
    actual = asked["duration_minutes"].to_numpy(np.float64)
    own = HEADLINE.covers(actual)
    rivals = Rivals(_days(asked)[own], actual[own], *(minutes[own] for minutes in predicted))
    found = compare(rivals, slice_trips(asked[own], read_zones(warehouse)))
    guarded = {name: CONVENTIONS[name].covers(actual) for name in _GUARDED}
    return replace(found, beside={name: _pair(actual, predicted, each) for name, each in guarded.items()})


def _pair(
    actual: NDArray[np.float64], predicted: list[NDArray[np.float64]], chosen: NDArray[np.bool_]
) -> tuple[Score, Score]:
    challenger, champion = (score(actual[chosen], minutes[chosen]) for minutes in predicted)
    return challenger, champion


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


def kept_scores(
    connection: "DuckDBPyConnection", month: Month, version: Version, condition: str
) -> dict[str, dict[str, Score]]:
    """The scores of the version and the baselines on a month, as `evaluations` has them: by convention, then model."""
    rows = connection.execute(
        "SELECT convention, model, rides, rmse, mae, bias FROM evaluations "
        "WHERE month = ? AND model_version = ? AND condition = ? AND slice = 'overall'",
        [month.first_day, version.version, condition],
    ).fetchall()
    found: dict[str, dict[str, Score]] = {name: {} for name in CONVENTIONS}
    for convention, name, *values in rows:
        found[convention][name] = Score(*values)
    return found


def _against_baselines(
    connection: "DuckDBPyConnection", month: Month, version: Version, condition: Condition
) -> Mapping[str, Interval]:
    """The challenger against each baseline, from the errors kept by day."""
    rows = connection.execute(
        "SELECT model, value, rides, rmse * rmse * rides AS squares FROM evaluations "
        "WHERE month = ? AND model_version = ? AND condition = ? AND convention = ? AND slice = ?",
        [month.first_day, version.version, condition.name, HEADLINE.name, DAY],
    ).df()
    squares = rows.pivot_table(index="value", columns="model", values="squares")
    rides = rows[rows["model"] == MODEL].set_index("value")["rides"].reindex(squares.index).to_numpy(np.int64)
    ours = squares[MODEL].to_numpy(np.float64)
    return {
        str(name): compare_days(DayErrors(rides, ours, squares[name].to_numpy(np.float64)))
        for name in squares
        if name != MODEL
    }

"""Errors on live traffic by day, variant, version and slice, with an estimate of each day's error.

The estimate is the root mean square width of the day's intervals times the ratio of error to width of earlier days. It
follows the mix of rides. It does not see a model that becomes wrong: only feedback does.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from taxi_assets.evaluation.metrics import DAY, MODEL
from taxi_assets.evaluation.performance_slices import (
    OVERALL,
    performance_slices,
    read_pair_trips,
    score_performance,
)
from taxi_assets.monitoring.champion_performance import read_champion_performance
from taxi_assets.monitoring.control_chart import Reference, control_chart, fit_reference
from taxi_assets.months import Month
from taxi_assets.registry.version_reader import read_versions
from taxi_assets.settings import Settings
from taxi_assets.training.dataset import read_zones
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE
from taxi_assets.training.predictions import Prediction
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.queries import sql

Floats = NDArray[np.float64]

CHAMPION = "champion"
MIN_DAY_RIDES = 30
"""Days of fewer rides with feedback are in no control chart."""
_MIN_CALIBRATION_RIDES = 500
_KEY = ["day", "variant", "model_version", "slice", "value"]
_KEPT_ROWS = (
    "SELECT * EXCLUDE (expected_rmse, control_low, control_high, ewma, is_flagged) FROM live_performance "
    "WHERE day NOT IN (SELECT unnest($days))"
)
_CHANGED_DAYS = """
WITH known AS (
    SELECT request_id AS answer_id, arg_min(actual_minutes, received_at) AS actual_minutes FROM feedback GROUP BY ALL
),
logged AS (
    SELECT
        pickup_at::DATE AS day,
        (count(*), count(*) FILTER (actual_minutes BETWEEN $shortest AND $longest)) AS counts
    FROM predictions LEFT JOIN known ON answer_id = coalesce(shadow_of, request_id)
    GROUP BY ALL
),
measured AS (
    SELECT day, (sum(predictions)::BIGINT, sum(rides)::BIGINT) AS counts
    FROM live_performance WHERE slice = 'overall' GROUP BY ALL
)
SELECT day FROM logged FULL JOIN measured USING (day) WHERE logged.counts IS DISTINCT FROM measured.counts ORDER BY day
"""


def update_live_performance(settings: Settings, warehouse: Warehouse, run_id: str | None = None) -> tuple[date, ...]:
    """Measures the days with new predictions or feedback; renews all estimates and control limits.

    Only rides whose actual duration is within the primary evaluation scope are scored.

    Args:
        settings: Location of the registry.
        warehouse: The warehouse.
        run_id: The Dagster run, if there is one.

    Returns:
        The measured days.
    """
    scope = {"shortest": PRIMARY_SCOPE.shortest_minutes, "longest": PRIMARY_SCOPE.longest_minutes}
    with warehouse.reading() as connection:
        days = [day for (day,) in connection.execute(_CHANGED_DAYS, scope).fetchall()]
        rides = connection.execute(sql("live_rides"), {**scope, "days": days}).df()
        kept = connection.execute(_KEPT_ROWS, {"days": days}).df()
        references = _read_references(connection, settings.served_condition)
        calibrations = _monthly_calibrations(connection)
    if not days:
        return ()
    numbers = {str(name): np.float64 for name in kept.columns if name not in _KEY}
    scored = _score_days(settings, warehouse, rides).reindex(columns=list(kept.columns))
    table = pd.concat([each.astype(numbers) for each in (kept, scored) if len(each)]).sort_values(_KEY)
    table = table.reset_index(drop=True)
    table = add_control_limits(add_estimates(table, calibrations), references)
    with warehouse.publishing("live_performance", run_id) as connection:
        connection.execute("DELETE FROM live_performance")
        connection.register("rows", table)
        connection.execute("INSERT INTO live_performance BY NAME SELECT * FROM rows")
    return tuple(days)


def read_live_performance(warehouse: Warehouse) -> pd.DataFrame:
    """Reads `live_performance`, by day, variant, version and slice."""
    with warehouse.reading() as connection:
        return connection.execute(f"FROM live_performance ORDER BY {', '.join(_KEY)}").df()


def add_estimates(table: pd.DataFrame, calibrations: Sequence[tuple[date, float]]) -> pd.DataFrame:
    """Adds `expected_rmse`, which uses only feedback on rides of earlier days.

    Args:
        table: Columns of `live_performance`, in the order of the days.
        calibrations: The first day after a back-scored month, with the month's ratio of RMSE to interval width; used
            while fewer than 500 earlier rides have feedback.
    """
    overall = table[(table["slice"] == OVERALL) & (table["rides"] > 0)]
    squares = overall["rides"] * overall["rmse"] ** 2
    widths = overall["rides"] * overall["interval_rms_minutes"] ** 2
    usable = widths.notna()
    sums = pd.DataFrame({"rides": overall["rides"], "squares": squares, "widths": widths})[usable]
    by_day = sums.groupby(overall.loc[usable, "day"]).sum().sort_index().cumsum()
    ratios = {day: _ratio(by_day, day, calibrations) for day in table["day"].unique()}
    return table.assign(expected_rmse=table["day"].map(ratios).astype(np.float64) * table["all_interval_rms_minutes"])


def add_control_limits(table: pd.DataFrame, references: dict[int, Reference]) -> pd.DataFrame:
    """Adds the control chart of each champion's daily RMSE; the columns are missing for other rows.

    Args:
        table: Columns of `live_performance`, in the order of the days.
        references: The daily errors of each version in its own evaluation month.
    """
    columns = ["control_low", "control_high", "ewma", "is_flagged"]
    table = table.assign(**dict.fromkeys(columns[:3], np.nan), is_flagged=None)
    is_charted = (table["variant"] == CHAMPION) & (table["slice"] == OVERALL) & (table["rides"] >= MIN_DAY_RIDES)
    for version, rows in table[is_charted].groupby("model_version"):
        reference = references.get(int(str(version)))
        if reference is None:
            continue
        rides, rmse = rows["rides"].to_numpy(np.float64), rows["rmse"].to_numpy(np.float64)
        spread = float(np.sqrt(np.average(rides * rows["rmse_standard_error"] ** 2, weights=rides)))
        chart = control_chart(reference, rmse, rides, spread)
        found = pd.DataFrame({"control_low": chart.low, "control_high": chart.high, "ewma": chart.ewma}, rows.index)
        table.loc[rows.index, columns[:3]] = found
        table.loc[rows.index, "is_flagged"] = chart.is_flagged
    return table.astype({"is_flagged": "boolean"})


def _ratio(by_day: pd.DataFrame, day: date, calibrations: Sequence[tuple[date, float]]) -> float:
    """Error over interval width, by feedback of earlier days or by a month back-scored before the day."""
    before = by_day[by_day.index < day]
    if len(before) and before["rides"].iloc[-1] >= _MIN_CALIBRATION_RIDES:
        return float(np.sqrt(before["squares"].iloc[-1] / before["widths"].iloc[-1]))
    return next((ratio for known_from, ratio in reversed(calibrations) if pd.Timestamp(known_from) <= day), np.nan)


def _monthly_calibrations(connection: DuckDBPyConnection) -> list[tuple[date, float]]:
    (newest,) = connection.execute("SELECT max(month) FROM champion_performance").fetchall()[0]
    months = read_champion_performance(connection, Month(newest.year, newest.month)) if newest else []
    return [
        (each.month.plus(1).first_day, each.rmse / each.interval_rms_minutes)
        for each in months
        if each.interval_rms_minutes
    ]


def _read_references(connection: DuckDBPyConnection, condition: str) -> dict[int, Reference]:
    """The daily errors of each version in the months that it was evaluated on, which it had not seen."""
    rows = connection.execute(
        "SELECT model_version, list(rmse ORDER BY value), list(trips ORDER BY value) FROM evaluations "
        "WHERE slice = ? AND model = ? AND scope = ? AND condition = ? GROUP BY model_version",
        [DAY, MODEL, PRIMARY_SCOPE.name, condition],
    ).fetchall()
    references = {version: fit_reference(errors, trips) for version, errors, trips in rows}
    return {version: reference for version, reference in references.items() if reference}


def _score_days(settings: Settings, warehouse: Warehouse, rides: pd.DataFrame) -> pd.DataFrame:
    zones, versions = read_zones(warehouse), read_versions(settings)
    pair_trips: dict[int, NDArray[np.int64]] = {}
    tables = []
    for key, own in rides.groupby(_KEY[:3], sort=True):
        number = int(own["model_version"].iloc[0])
        if number in versions and number not in pair_trips:
            pair_trips[number] = read_pair_trips(warehouse, versions[number])
        table = _score_group(own.reset_index(drop=True), zones, pair_trips.get(number))
        tables.append(table.assign(**dict(zip(_KEY[:3], key, strict=True))))
    return pd.concat(tables, ignore_index=True)


def _score_group(rides: pd.DataFrame, zones: pd.DataFrame, pair_trips: NDArray[np.int64] | None) -> pd.DataFrame:
    """Errors by slice of rides of one day, variant and version."""
    slices = performance_slices(rides.assign(zone_distance_miles=np.nan), zones, pair_trips)
    widths = pd.DataFrame({"predictions": 1, "squares": (rides["high"] - rides["low"]) ** 2})
    groups = {name: widths.groupby(labels.array, observed=True) for name, labels in slices.items()}
    every = pd.concat(
        [
            group.agg({"predictions": "sum", "squares": "mean"}).rename_axis("value").reset_index().assign(slice=name)
            for name, group in groups.items()
        ]
    ).astype({"value": str})
    every["all_interval_rms_minutes"] = np.sqrt(every.pop("squares"))
    is_known = rides["duration_minutes"].notna().to_numpy()
    if not is_known.any():
        return every.assign(rides=0)
    known = rides[is_known]
    columns = (known[name].to_numpy(np.float64) for name in ("minutes", "low", "high"))
    scored = score_performance(known, Prediction(*columns), slices[is_known]).rename(columns={"trips": "rides"})
    return every.merge(scored, how="left", on=["slice", "value"]).fillna({"rides": 0})

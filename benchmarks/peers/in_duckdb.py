"""The month by a plain DuckDB script of COPY statements, without a lake."""

from pathlib import Path
from typing import Any

from benchmarks.peers.month_source import (
    CLEAN,
    FEATURES,
    LONGEST,
    MPH,
    NEEDED,
    SERVICE,
    SHORTEST,
    TABLES,
    TRIP,
    ZONES,
    canonical_names,
    canonical_types,
    month_bounds,
    month_path,
    zone_places,
)
from taxi_assets.months import Month


def process(source: Path, month: Month, output: Path) -> object:
    """The month by a plain DuckDB script; the numbers come from the platform's own counting."""
    import duckdb

    connection = duckdb.connect(config={"memory_limit": "4GB"})
    places = [(zone, *place) for zone, place in zone_places(source).items()]
    connection.execute("CREATE TABLE zones (zone_id SMALLINT, x DOUBLE, y DOUBLE)")
    connection.executemany("INSERT INTO zones VALUES (?, ?, ?)", places)
    for table, query in _queries(month_path(source, month), month, output).items():
        connection.execute(f"COPY ({query}) TO '{output / table}.parquet' (FORMAT parquet, COMPRESSION snappy)")
    return _numbers(connection, output)


def _queries(path: Path, month: Month, output: Path) -> dict[str, str]:
    begin, end = month_bounds(month)
    types = canonical_types()
    casts = ", ".join(
        f'TRY_CAST("{published}" AS {types[name]}) AS {name}' for published, name in canonical_names(path).items()
    )
    raw, rejected, clean = (f"'{output / table}.parquet'" for table in TABLES[:3])
    minutes = "date_diff('second', pickup_at, dropoff_at) / 60.0"
    return {
        "raw_trips": f"SELECT '{SERVICE}' AS service, DATE '{month.first_day}' AS month, "
        f"file_row_number AS source_row, {casts} FROM read_parquet('{path}', file_row_number = true)",
        "rejected_trips": f"""
            WITH broken AS (
                SELECT source_row, {minutes} AS duration_minutes, CASE
                    WHEN {" OR ".join(f"{name} IS NULL" for name in NEEDED)} THEN 'needed_value_missing'
                    WHEN pickup_at < '{begin}' OR pickup_at >= '{end}' THEN 'pickup_outside_month'
                    WHEN NOT (pickup_zone_id BETWEEN 1 AND {ZONES} AND dropoff_zone_id BETWEEN 1 AND {ZONES})
                        THEN 'zone_unknown'
                    WHEN duration_minutes < {SHORTEST} THEN 'duration_too_short'
                    WHEN duration_minutes > {LONGEST} THEN 'duration_too_long'
                    WHEN trip_distance_miles > {MPH} * duration_minutes / 60 THEN 'speed_impossible'
                    WHEN row_number() OVER (PARTITION BY {", ".join(TRIP)} ORDER BY source_row) > 1 THEN 'duplicate'
                END AS reason
                FROM {raw} QUALIFY reason IS NOT NULL
            )
            SELECT trips.*, duration_minutes, reason FROM {raw} AS trips JOIN broken USING (source_row)""",
        "clean_trips": f"SELECT {', '.join(CLEAN[:-1])}, {minutes} AS duration_minutes "
        f"FROM {raw} ANTI JOIN {rejected} USING (source_row)",
        "trip_features": _features_query(clean),
    }


def _features_query(clean: str) -> str:
    from taxi_assets.features.trip_features import holiday_dates

    holidays = ", ".join(f"DATE '{day}'" for day in holiday_dates())
    return f"""
        SELECT {", ".join(FEATURES[:7])},
            ((isodow(pickup_at) - 1) * 24 + hour(pickup_at))::SMALLINT AS hour_of_week,
            (hour(pickup_at) * 60 + minute(pickup_at))::SMALLINT AS minute_of_day,
            (isodow(pickup_at) - 1)::SMALLINT AS day_of_week,
            dayofyear(pickup_at)::SMALLINT AS day_of_year,
            month(pickup_at)::SMALLINT AS month_of_year,
            pickup_at::DATE IN ({holidays}) AS is_holiday,
            pickup_at::DATE + 1 IN ({holidays}) AS is_holiday_eve,
            pickup_at::DATE - 1 IN ({holidays}) AS is_after_holiday,
            sqrt((starts.x - ends.x) ** 2 + (starts.y - ends.y) ** 2) AS zone_distance_miles,
            pickup_zone_id = dropoff_zone_id AS is_same_zone,
            duration_minutes
        FROM {clean}
        LEFT JOIN zones AS starts ON starts.zone_id = pickup_zone_id
        LEFT JOIN zones AS ends ON ends.zone_id = dropoff_zone_id"""


def _numbers(connection: Any, output: Path) -> object:
    from taxi_assets.quality.suite_metrics import count_metrics
    from taxi_assets.quality.suites import SUITES
    from taxi_assets.warehouse.connection import define_macros

    define_macros(connection)
    numbers = {}
    for table, suite in SUITES.items():
        rows = suite.with_derived(f"'{output / table}.parquet'")
        connection.execute(f"CREATE OR REPLACE TEMP VIEW month AS FROM {rows}")
        numbers[table] = count_metrics(connection, "month", suite)
    return numbers

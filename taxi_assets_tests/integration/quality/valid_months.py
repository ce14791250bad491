"""A locked-down DuckLake, and SQL for valid months of sixty trips in February 2023."""

import importlib.util
from pathlib import Path

import duckdb

from taxi_assets.warehouse.connection import define_macros
from taxi_assets.warehouse.schema import TABLES

_RIDES = """
    WITH trips AS (
        SELECT
            'green' AS service, DATE '2023-02-01' AS month, i AS source_row,
            month + to_days(CAST(i % 28 AS INTEGER)) + to_minutes(i * 17) AS pickup_at,
            pickup_at + INTERVAL 10 MINUTE AS dropoff_at,
            1 + i AS pickup_zone_id, 1 + (i * 7) % 60 AS dropoff_zone_id,
            1 AS passenger_count, 1.5 AS trip_distance_miles, 10.0 AS duration_minutes
        FROM range(60) AS numbers (i)
    )
"""
_SELECT = {
    "raw_trips": """
        SELECT * EXCLUDE (duration_minutes), 9.5 AS fare_usd, 1 AS payment_type_id, 5 AS rate_code_id""",
    "clean_trips": "SELECT *",
    "trip_features": """
        SELECT
            * EXCLUDE (dropoff_at, trip_distance_miles),
            (isodow(pickup_at) - 1) * 24 + hour(pickup_at) AS hour_of_week,
            hour(pickup_at) * 60 + minute(pickup_at) AS minute_of_day, isodow(pickup_at) - 1 AS day_of_week,
            dayofyear(pickup_at) AS day_of_year, month(pickup_at) AS month_of_year, FALSE AS is_holiday,
            FALSE AS is_holiday_eve, FALSE AS is_after_holiday, 1.2 AS zone_distance_miles,
            pickup_zone_id = dropoff_zone_id AS is_same_zone""",
}


def attach(folder: Path) -> duckdb.DuckDBPyConnection:
    """Attaches the folder's DuckLake, with the same restrictions as the platform's connections."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for name in ("ducklake", "sqlite_scanner"):
        spec = importlib.util.find_spec(f"duckdb_extension_{name}")
        assert spec is not None
        extension = next(Path(spec.submodule_search_locations[0]).rglob(f"{name}.duckdb_extension"))
        connection.execute(f"LOAD '{extension}'")
    connection.execute(f"ATTACH 'ducklake:sqlite:{folder}/catalog.sqlite' AS lake (DATA_PATH '{folder}/data/')")
    connection.execute("USE lake")
    define_macros(connection)
    connection.execute(f"SET allowed_directories = ['{folder}/']")
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")
    return connection


def fill(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Inserts a valid month into the table."""
    connection.execute(f"INSERT INTO {table} BY NAME {_RIDES} {_SELECT[table]} FROM trips")


def create_clean(connection: duckdb.DuckDBPyConnection) -> None:
    """Creates a table `clean_trips` with a valid month."""
    connection.execute(TABLES["clean_trips"].ddl())
    fill(connection, "clean_trips")

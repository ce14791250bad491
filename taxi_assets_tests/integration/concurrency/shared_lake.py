"""A warehouse whose catalogue and files are where a test wants them, with small months."""

from pathlib import Path

import duckdb
from pydantic import PostgresDsn, Secret

from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse, month_key


def warehouse_at(home: Path, url: str | None, data_path: str | None = None) -> Warehouse:
    """A new warehouse; one in PostgreSQL replaces that of the test before."""
    if url:
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS taxi_synthetic CASCADE")
    return Warehouse(settings_at(home, url, data_path))


def settings_at(home: Path, url: str | None, data_path: str | None = None) -> Settings:
    catalog = Secret[PostgresDsn](PostgresDsn(url)) if url else None
    sizes = {"threads": 1, "memory_limit": "1GB"}
    return Settings(home=home, data_kind="synthetic", catalog=catalog, data_path=data_path, **sizes)  # type: ignore[arg-type]


def put_month(connection: duckdb.DuckDBPyConnection, month: Month, rows: int) -> None:
    key = month_key("green", month)
    connection.execute("DELETE FROM kept_trips WHERE service = $service AND month = $month", key)
    connection.execute(
        "INSERT INTO kept_trips (service, month, source_row, duration_minutes) "
        "SELECT $service, $month, range, range % 7 FROM range($rows)",
        {**key, "rows": rows},
    )


def content(lake: Warehouse) -> list[tuple[object, ...]]:
    """The row count and hash of each month."""
    query = "SELECT month, count(*), bit_xor(hash(t)) FROM clean_trips AS t GROUP BY month ORDER BY month"
    with lake.reading() as connection:
        return connection.execute(query).fetchall()

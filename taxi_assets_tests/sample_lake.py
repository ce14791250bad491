"""Months to test with, and a warehouse with these months; their fixtures are in `conftest.py`."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from taxi_assets.features.trip_features import holiday_dates
from taxi_assets.files import sha256_of
from taxi_assets.ingestion.publish_month import reject_trips, view_month_trips
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.months import Month
from taxi_assets.settings import DataKind, Settings
from taxi_assets.tlc.month_file import file_name, is_synthetic_file, read_file_name
from taxi_assets.warehouse.connection import Warehouse, create_month_view
from taxi_assets.warehouse.queries import sql

MONTHS = (Month(2023, 1), Month(2023, 2))
ZONE_FILES = ("taxi_zone_lookup.csv", "taxi_zones.zip")


def inspect_file(path: Path) -> SourceFile:
    """A month's file outside the file store, as publishing takes it."""
    (service, month), size = read_file_name(path.name), path.stat().st_size
    facts = {"bytes": size, "sha256": sha256_of(path), "is_synthetic": is_synthetic_file(path)}
    return SourceFile(str(path), path.name, "waiting", datetime(2024, 1, 1), service, month, **facts)


@dataclass(frozen=True)
class Source:
    """A read-only folder with green months, `MONTHS`, and the two zone files, named as TLC names them."""

    folder: Path
    kind: DataKind

    @property
    def months(self) -> tuple[Month, ...]:
        return MONTHS

    @property
    def zone_files(self) -> tuple[Path, Path]:
        return self.folder / ZONE_FILES[0], self.folder / ZONE_FILES[1]

    def land(self, settings: Settings, month: Month) -> SourceFile:
        """Copies a month into the landing folder."""
        settings.landing.mkdir(parents=True, exist_ok=True)
        return inspect_file(Path(shutil.copy(self.folder / file_name("green", month), settings.landing)))


@dataclass(frozen=True)
class Lake:
    """A read-only warehouse with every month of its source."""

    settings: Settings
    warehouse: Warehouse
    source: Source


def insert_raw_trips(connection: DuckDBPyConnection, key: Mapping[str, Any]) -> None:
    """Inserts the rows of the view `canonical_trips` into a table `raw_trips`."""
    query = "INSERT INTO raw_trips BY NAME SELECT $service AS service, $month::DATE AS month, * FROM canonical_trips"
    connection.execute(query, key)


def clean_month(connection: DuckDBPyConnection, key: Mapping[str, Any]) -> None:
    """Splits the month's rows of a table `raw_trips` into tables `rejected_trips` and `clean_trips`."""
    condition = f"service = '{key['service']}' AND month = DATE '{key['month']}'"
    relation = f"(SELECT * EXCLUDE (service, month) FROM raw_trips WHERE {condition})"
    month = Month(key["month"].year, key["month"].month)
    view_month_trips(connection, key["service"], month, relation)
    reject_trips(connection, month)
    connection.execute(
        "INSERT INTO rejected_trips BY NAME SELECT raw_trips.*, duration_minutes, reason "
        "FROM raw_trips JOIN month_rejections USING (service, month, source_row)"
    )
    connection.execute("INSERT INTO clean_trips BY NAME SELECT * EXCLUDE (recorded_pickup_at) FROM trips")


def derive_features(connection: DuckDBPyConnection, key: Mapping[str, Any]) -> None:
    """Inserts the features of the month's rows of a table `clean_trips` into a table `trip_features`."""
    create_month_view(connection, "trips", "clean_trips", key)
    query = f"SELECT * EXCLUDE (dropoff_at, trip_distance_miles) FROM ({sql('trip_features')})"
    connection.execute(f"INSERT INTO trip_features BY NAME {query}", {"holidays": list(holiday_dates())})


def delete_rows(connection: DuckDBPyConnection, condition: str, *but: str) -> None:
    """Deletes rows of every table of the lake that has a month, except some tables."""
    query = "SELECT table_name FROM duckdb_columns() WHERE database_name = 'lake' AND column_name = 'month'"
    tables = {name for (name,) in connection.execute(f"{query} INTERSECT {_TABLE_NAMES}").fetchall()}
    for table in sorted(tables - {*but}):
        connection.execute(f"DELETE FROM {table} WHERE {condition}")


_TABLE_NAMES = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'"

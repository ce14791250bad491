"""Samples training trips of the synthetic city with the warehouse's SQL in an in-memory database."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from taxi_assets import synthetic
from taxi_assets.features.trip_features import ZoneMap, holiday_dates
from taxi_assets.ingestion.canonical_rows import canonical_trips
from taxi_assets.ingestion.publish_month import reject_trips, view_month_trips
from taxi_assets.ingestion.taxi_zones import read_zones
from taxi_assets.months import Month
from taxi_assets.tlc.services import SERVICES
from taxi_assets.training.dataset import read_zone_map
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES
from taxi_assets.warehouse.connection import define_macros
from taxi_assets.warehouse.queries import sql
from taxi_assets.warehouse.schema import TABLES

if TYPE_CHECKING:
    import pandas as pd

SERVICE, SEED = "green", 7


def sample_trips(months: int, rows: int) -> tuple["pd.DataFrame", ZoneMap]:
    """Returns about `rows` trips of `months` months, as training data, and the zones.

    The trips have the model's inputs and `duration_minutes`.
    """
    window = [Month(2022 + number // 12, number % 12 + 1) for number in range(months)]
    with tempfile.TemporaryDirectory(prefix="bench-trips-") as folder, duckdb.connect() as connection:
        define_macros(connection)
        _insert_zones(connection, Path(folder))
        for month in window:
            _insert_month(connection, synthetic.write_month(Path(folder), SERVICE, month, rows // months, SEED), month)
        return connection.execute(sql("training_trips"), _window_values(window)).df(), read_zone_map(connection)


def _window_values(window: Sequence[Month]) -> dict[str, object]:
    return {
        "all_services": list(SERVICES),
        "services": [SERVICE],
        "months": [month.first_day for month in window],
        "shortest_minutes": EVALUATION_SCOPES["all"].shortest_minutes,
        "longest_minutes": EVALUATION_SCOPES["all"].longest_minutes,
    }


def _insert_zones(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    for table in TABLES.values():
        connection.execute(table.ddl())
    synthetic.write_zones(folder, SEED)
    zones = read_zones(folder / "taxi_zone_lookup.csv", folder / "taxi_zones.zip")
    query = "INSERT INTO taxi_zones BY NAME SELECT unnest(zone) FROM (SELECT unnest($zones) AS zone)"
    connection.execute(query, {"zones": zones})


def _insert_month(connection: duckdb.DuckDBPyConnection, path: Path, month: Month) -> None:
    with canonical_trips(connection, path, SERVICE):
        view_month_trips(connection, SERVICE, month, "canonical_trips")
        reject_trips(connection, month)
        query = f"SELECT * EXCLUDE (recorded_pickup_at, dropoff_at, trip_distance_miles) FROM ({sql('trip_features')})"
        connection.execute(f"INSERT INTO trip_features BY NAME {query}", {"holidays": list(holiday_dates())})

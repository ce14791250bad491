"""Reads trips and zones for training and evaluation. Uses neither Dagster nor MLflow."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from duckdb import DuckDBPyConnection

from taxi_assets.errors import TaxiError
from taxi_assets.features.trip_features import ZONES, ZoneMap, holiday_dates
from taxi_assets.months import Month
from taxi_assets.quality.cleaning_rules import THRESHOLDS
from taxi_assets.tlc.services import SERVICES
from taxi_assets.training.evaluation_scope import TRIPS_1_TO_60_MINUTES, EvaluationScope
from taxi_assets.training.warehouse_trips import WarehouseTrips
from taxi_assets.warehouse.connection import Warehouse, month_key
from taxi_assets.warehouse.queries import newest_snapshot, sql

if TYPE_CHECKING:
    import pandas as pd

# Every model is trained on these trips. Decision 33 says what another choice would cost.
TRAINING_SCOPE = TRIPS_1_TO_60_MINUTES
_FEW_TRIPS = 5


@dataclass(frozen=True)
class TrainingData:
    """Training trips.

    Attributes:
        trips: The model's inputs and `duration_minutes`; with `monthly`, of the first few trips only.
        digest: Identifies all trips.
        row_count: Number of all trips.
        monthly: Reads all trips month by month; None if they are in memory.
    """

    trips: "pd.DataFrame"
    zones: ZoneMap
    months: tuple[Month, ...]
    services: tuple[str, ...]
    snapshot: int
    digest: str
    row_count: int
    monthly: WarehouseTrips | None = None


def read_training_data(
    warehouse: Warehouse, services: Sequence[str], months: Sequence[Month], scope: EvaluationScope
) -> TrainingData:
    """Reads the trips of these months that are in scope, from one snapshot of the warehouse.

    Raises:
        TaxiError: there is no such trip.
    """
    with warehouse.reading() as connection:
        snapshot = newest_snapshot(connection)
        values = {"all_services": list(SERVICES), **_window_values(services, months, scope)}
        trips = connection.execute(sql("training_trips"), values).df()
        zones = read_zone_map(connection)
    if trips.empty:
        raise _no_trips(services, months)
    return TrainingData(trips, zones, tuple(months), tuple(services), snapshot, digest_trips(trips), len(trips))


def read_monthly_training_data(
    warehouse: Warehouse, services: Sequence[str], months: Sequence[Month], scope: EvaluationScope
) -> TrainingData:
    """Describes the trips that `read_training_data` reads, of which it reads only a few.

    The digest differs from that of the trips in memory: the warehouse computes it.

    Raises:
        TaxiError: there is no such trip.
    """
    with warehouse.reading() as connection:
        snapshot = newest_snapshot(connection) if warehouse.read_snapshot is None else warehouse.read_snapshot
        values = _window_values(services, months, scope)
        count, checksum = connection.execute(sql("training_digest"), values).fetchall()[0]
        if not count:
            raise _no_trips(services, months)
        few = f"{sql('training_trips')} LIMIT {_FEW_TRIPS}"
        trips = connection.execute(few, {"all_services": list(SERVICES), **values}).df()
        zones = read_zone_map(connection)
    digest = hashlib.sha256(f"{count} {checksum}".encode()).hexdigest()
    monthly = WarehouseTrips(warehouse.at(snapshot), tuple(services), tuple(months), scope)
    return TrainingData(trips, zones, tuple(months), tuple(services), snapshot, digest, count, monthly)


def _window_values(services: Sequence[str], months: Sequence[Month], scope: EvaluationScope) -> dict[str, object]:
    return {
        "services": list(services),
        "months": [month.first_day for month in months],
        "shortest_minutes": scope.shortest_minutes,
        "longest_minutes": scope.longest_minutes,
    }


def _no_trips(services: Sequence[str], months: Sequence[Month]) -> TaxiError:
    window = ", ".join(map(str, months)) or "no month"
    return TaxiError(f"no trip of {', '.join(services)} to train on in {window}: ingest earlier months first")


def read_evaluation_trips(
    warehouse: Warehouse, services: Sequence[str], month: Month, scope: EvaluationScope
) -> "pd.DataFrame":
    """Reads every raw trip picked up in the month whose duration is in scope, with features.

    No other cleaning is done: scores on trips cleaned by their distance or speed would flatter the model.

    Raises:
        TaxiError: there is no such trip.
    """
    import pandas as pd

    frames = []
    with warehouse.reading() as connection:
        for service in services:
            values = {
                **month_key(service, month),
                "shortest_minutes": scope.shortest_minutes,
                "longest_minutes": scope.longest_minutes,
                "zones": THRESHOLDS["zones"],
            }
            connection.execute(f"CREATE OR REPLACE TEMP TABLE trips AS {sql('scored_trips')}", values)
            frame = connection.execute(sql("trip_features"), {"holidays": list(holiday_dates())}).df()
            # In the file's order: the last digit of a sum of floats depends on it.
            frame = frame.sort_values("source_row", ignore_index=True)
            frames.append(frame.assign(service_id=list(SERVICES).index(service)))
    trips = pd.concat(frames, ignore_index=True)
    if trips.empty:
        raise TaxiError(f"no trip of {', '.join(services)} in {month} to score: ingest that month first")
    return trips


def read_zones(warehouse: Warehouse, shapes: bool = False) -> "pd.DataFrame":
    """Reads `taxi_zones`, by default without the zones' shapes."""
    columns = "*" if shapes else "* EXCLUDE (shape_wkb)"
    with warehouse.reading() as connection:
        return connection.execute(f"SELECT {columns} FROM taxi_zones ORDER BY zone_id").df()  # noqa: S608


def read_zone_map(connection: DuckDBPyConnection) -> ZoneMap:
    """Reads the zones as arrays indexed by zone id.

    Raises:
        TaxiError: the warehouse has no zones.
    """
    zones = connection.execute("SELECT * EXCLUDE (shape_wkb) FROM taxi_zones ORDER BY zone_id").df()
    if zones.empty:
        raise TaxiError("the warehouse has no taxi zones: materialise taxi_zones first")
    boroughs = sorted(zones["borough"].unique())
    coordinates = {name: np.full(ZONES, np.nan) for name in ("x_miles", "y_miles", "area_square_miles")}
    borough, is_airport = np.zeros(ZONES, np.int64), np.zeros(ZONES, bool)
    ids = zones["zone_id"].to_numpy()
    for name, values in coordinates.items():
        values[ids] = zones[name].to_numpy()
    borough[ids] = [boroughs.index(name) + 1 for name in zones["borough"]]
    is_airport[ids] = zones["is_airport"].to_numpy()
    return ZoneMap(**coordinates, borough=borough, is_airport=is_airport)


def digest_trips(trips: "pd.DataFrame") -> str:
    """A digest of the trips' columns and their order."""
    import pandas as pd

    hashes = pd.util.hash_pandas_object(trips, index=False).to_numpy()
    return hashlib.sha256(hashes.tobytes()).hexdigest()

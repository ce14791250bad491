"""Training trips of the warehouse, read month by month from one snapshot."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from duckdb import DuckDBPyConnection

from taxi_assets.months import Month
from taxi_assets.tlc.services import SERVICES
from taxi_assets.training.monthly_trips import MonthSums, month_sums
from taxi_assets.training.scratch_folder import scratch_folder
from taxi_assets.warehouse.connection import Warehouse, month_key
from taxi_assets.warehouse.queries import sql

if TYPE_CHECKING:
    import pandas as pd

    from taxi_assets.training.evaluation_scope import EvaluationScope


@dataclass(frozen=True)
class WarehouseTrips:
    """The trips of a window of months in one snapshot of the warehouse."""

    warehouse: Warehouse
    names: tuple[str, ...]
    window: tuple[Month, ...]
    scope: "EvaluationScope"

    @property
    def services(self) -> tuple[int, ...]:
        return tuple(sorted(list(SERVICES).index(name) for name in self.names))

    def scratch_folder(self) -> AbstractContextManager[Path]:
        return scratch_folder(self.warehouse.settings.warehouse / "spill")

    @contextmanager
    def reading(self) -> Iterator["_WarehouseReader"]:
        with self.warehouse.reading() as connection:
            yield _WarehouseReader(connection, self.window, self.scope)


@dataclass(frozen=True)
class _WarehouseReader:
    connection: DuckDBPyConnection
    window: Sequence[Month]
    scope: "EvaluationScope"

    def counts(self, service: int) -> dict[int, int]:
        values = {"service": list(SERVICES)[service], "months": [month.first_day for month in self.window]}
        query = (
            "SELECT month, count(*) FROM trip_features WHERE service = $service AND month IN (SELECT unnest($months)) "
            "AND duration_minutes BETWEEN $shortest_minutes AND $longest_minutes GROUP BY month ORDER BY month"
        )
        rows = self.connection.execute(query, values | self._limits()).fetchall()
        return {number_of(Month(day.year, day.month)): count for day, count in rows}

    def trips(self, service: int, month: int) -> "pd.DataFrame":
        values = {
            "all_services": list(SERVICES),
            "services": [list(SERVICES)[service]],
            "months": [month_of(month).first_day],
        }
        return self.connection.execute(sql("training_trips"), values | self._limits()).df()

    def sums(self, service: int, month: int, *, by_week: bool = False) -> MonthSums:
        values = {**month_key(list(SERVICES)[service], month_of(month)), "by_week": by_week}
        found = self.connection.execute(sql("pair_sums"), values | self._limits()).fetchnumpy()
        return month_sums({name: np.asarray(column) for name, column in found.items()})

    def _limits(self) -> dict[str, float]:
        return {"shortest_minutes": self.scope.shortest_minutes, "longest_minutes": self.scope.longest_minutes}


def number_of(month: Month) -> int:
    """The month's number since 1970."""
    return (month.year - 1970) * 12 + month.number - 1


def month_of(number: int) -> Month:
    """The month with this number since 1970."""
    return Month(1970 + number // 12, number % 12 + 1)

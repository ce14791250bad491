"""Writes, audits and publishes one month of a table in one transaction.

Readers see the month whole or not at all. How a month is filled and audited belongs in `ingestion/`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from duckdb import DuckDBPyConnection

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.quality import SuiteResult
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.connection import Warehouse

Filled = Mapping[str, Any]
Fill = Callable[[DuckDBPyConnection], Filled]
Audit = Callable[[DuckDBPyConnection, str, str, Month], SuiteResult]

_REMEDY = "The same file would fail again: put another file of the month into the landing folder"


class MonthRefused(TaxiError):
    """A month failed an error-severity expectation and was not published."""

    def __init__(self, table: str, service: str, month: Month, suite_result: SuiteResult) -> None:
        self.table, self.service, self.month, self.suite_result = table, service, month, suite_result
        reasons = "; ".join(suite_result.summary())
        super().__init__(f"{table} of {service} {month} is not published: {reasons}. {_REMEDY}")


def write_audit_publish(
    warehouse: Warehouse, key: tuple[str, str, Month], fill: Fill, audit: Audit, run_id: str | None
) -> tuple[SuiteResult, Filled]:
    """Fill the month's rows, audit them before any reader sees them, then commit or roll back.

    Args:
        warehouse: The warehouse; other publishers wait.
        key: The table, the service and the month.
        fill: Replaces the month's rows; its result is returned.
        audit: Checks the uncommitted rows.
        run_id: The Dagster run that publishes.

    Raises:
        MonthRefused: an error-severity check fails; nothing is changed.
    """
    with warehouse.publishing(" ".join(map(str, key)), run_id) as connection:
        filled = fill(connection)
        fault_points.fault_point("filled")
        suite_result = audit(connection, *key)
        if suite_result.failed_errors():
            raise MonthRefused(*key, suite_result)
        fault_points.fault_point("audited")
    fault_points.fault_point("published")
    return suite_result, filled

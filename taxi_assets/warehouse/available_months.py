"""Reads the months available in the warehouse. Imports nothing above the warehouse."""

from collections.abc import Sequence

from duckdb import DuckDBPyConnection

from taxi_assets.months import Month


def available_months(connection: DuckDBPyConnection, services: Sequence[str]) -> tuple[Month, ...]:
    """Months with published features of every given service, oldest first."""
    rows = connection.execute(
        "SELECT month FROM published_months WHERE service IN (SELECT unnest($services)) "
        "GROUP BY month HAVING count(DISTINCT service) = $count ORDER BY month",
        {"services": list(services), "count": len(services)},
    ).fetchall()
    return tuple(Month(day.year, day.month) for (day,) in rows)

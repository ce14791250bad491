"""Which months the lake holds. No layer above the lake is known here."""

from collections.abc import Sequence

from duckdb import DuckDBPyConnection

from taxi_assets.months import Month

__all__ = ["held_months"]


def held_months(connection: DuckDBPyConnection, services: Sequence[str]) -> tuple[Month, ...]:
    """Months whose features are published for every one of these services, oldest first."""
    rows = connection.execute(
        "SELECT month FROM trip_features WHERE service IN (SELECT unnest($services)) "
        "GROUP BY month HAVING count(DISTINCT service) = $count ORDER BY month",
        {"services": list(services), "count": len(services)},
    ).fetchall()
    return tuple(Month(day.year, day.month) for (day,) in rows)

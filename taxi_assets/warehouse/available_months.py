"""Reads the months available in the warehouse. Imports nothing above the warehouse."""

from collections.abc import Sequence

from duckdb import DuckDBPyConnection

from taxi_assets.months import Month


def available_months(connection: DuckDBPyConnection, services: Sequence[str]) -> tuple[Month, ...]:
    """Months with published features of every given service, oldest first."""
    rows = connection.execute(
        "SELECT month FROM trip_features WHERE service IN (SELECT unnest($services)) "
        "GROUP BY month HAVING count(DISTINCT service) = $count ORDER BY month",
        {"services": list(services), "count": len(services)},
    ).fetchall()
    return tuple(Month(day.year, day.month) for (day,) in rows)


def features_snapshots(connection: DuckDBPyConnection) -> dict[tuple[str, Month], int]:
    """The snapshot that published a month's features, by service and month."""
    query = "SELECT service, month, max(snapshot_id) FROM trip_features GROUP BY service, month"
    return {(service, Month(day.year, day.month)): at for service, day, at in connection.execute(query).fetchall()}

"""Reads the months available in the warehouse. Imports nothing above the warehouse."""

from collections.abc import Sequence

from duckdb import DuckDBPyConnection

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month


def available_months(connection: DuckDBPyConnection, services: Sequence[str]) -> tuple[Month, ...]:
    """Months with published features of every given service, oldest first."""
    rows = connection.execute(
        "SELECT month FROM published_months WHERE service IN (SELECT unnest($services)) "
        "GROUP BY month HAVING count(DISTINCT service) = $count ORDER BY month",
        {"services": list(services), "count": len(services)},
    ).fetchall()
    return tuple(Month(day.year, day.month) for (day,) in rows)


def require_earlier_month(available: Sequence[Month], first: Month) -> None:
    """Check that a month to train on is available before `first`.

    Raises:
        TaxiError: there is none; the message has the remedies.
    """
    if not any(month < first for month in available):
        raise TaxiError(
            f"no month before {first} is available to train on: begin with a later month, "
            f"or add the file of {first.plus(-1)} or an earlier month to the source"
        )

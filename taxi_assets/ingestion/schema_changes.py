"""Records columns and their changes by month, in the tables `file_columns` and `schema_changes`."""

from dataclasses import dataclass
from datetime import date

from duckdb import DuckDBPyConnection

from taxi_assets.ingestion.casting import CanonicalTrips
from taxi_assets.months import Month
from taxi_assets.warehouse.connection import month_key
from taxi_assets.warehouse.queries import replace_month


@dataclass(frozen=True)
class ColumnChange:
    """One column that is `new`, `gone`, `renamed` or `retyped` since the previous available month."""

    column_name: str
    change: str
    name_before: str | None
    type_before: str | None
    type_after: str | None
    compared_with: date

    def __str__(self) -> str:
        if self.change == "retyped":
            return f"{self.column_name} retyped from {self.type_before} to {self.type_after}"
        if self.change == "renamed":
            return f"{self.name_before} renamed to {self.column_name}"
        return f"{self.column_name} is {self.change}"


def record_schema(connection: DuckDBPyConnection, service: str, month: Month, trips_view: CanonicalTrips) -> None:
    """Replace the month's rows of both tables, and the changes of the next available month.

    So the order in which months are ingested does not matter.
    """
    key = month_key(service, month)
    canonical = {published: name for name, published in trips_view.mapping.known.items()}
    names = list(trips_view.columns.names)
    values = {"names": names, "types": list(trips_view.columns.types), "meanings": [canonical.get(n) for n in names]}
    values["notes"] = [trips_view.times[name].note if name in trips_view.times else None for name in names]
    replace_month(connection, "file_columns", {**key, **values})
    query = "SELECT min(month) FROM file_columns WHERE service = $service AND month > $month"
    following = connection.execute(query, key).fetchall()[0][0]
    for day in filter(None, (month.first_day, following)):
        replace_month(connection, "schema_changes", {"service": service, "month": day})


def read_schema_changes(connection: DuckDBPyConnection, service: str, month: Month) -> tuple[ColumnChange, ...]:
    """The changes of the month's columns, by name; none for the first available month."""
    query = (
        "SELECT column_name, change, name_before, type_before, type_after, compared_with FROM schema_changes "
        "WHERE service = $service AND month = $month ORDER BY column_name"
    )
    return tuple(ColumnChange(*row) for row in connection.execute(query, month_key(service, month)).fetchall())

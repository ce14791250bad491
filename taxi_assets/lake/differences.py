"""What a republished month changed: rows, columns and the figures a person would look at first.

Two rows are of the same ride where vendor, times and zones agree; such a ride whose other values differ is changed.
Rides are counted, since the same row can be in a file twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection

from taxi_assets.lake.file_columns import read_columns
from taxi_assets.lake.ledger import Record, read_records
from taxi_assets.lake.warehouse import month_key, sql
from taxi_assets.sources.arrivals import Arrival

__all__ = ["Former", "compare", "keep_former"]

_STATISTICS = ("rows", "mean_duration_minutes", "mean_distance_miles", "mean_total_usd", "zones")


@dataclass(frozen=True)
class Former:
    """The month as it was published before, from another file; its rows are in the temporary table `former_trips`."""

    record: Record
    statistics: Mapping[str, Any]


def keep_former(connection: DuckDBPyConnection, arrival: Arrival) -> Former | None:
    """Remember the month's rows before they are replaced; None where none are, or by the same file."""
    of_month = [r for r in read_records(connection) if (r.service, r.month) == (arrival.service, arrival.month)]
    record = next((r for r in of_month if r.state == "ingested" and r.sha256 != arrival.sha256), None)
    if record is None:
        return None
    key = month_key(arrival.service, arrival.month)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE former_trips AS {sql('ride_hashes')}", key)
    return Former(record, _statistics(connection, arrival))


def compare(connection: DuckDBPyConnection, former: Former, arrival: Arrival) -> dict[str, Any]:
    """The difference between the rows of the open transaction and those before it, as JSON knows values."""
    key = month_key(arrival.service, arrival.month)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE latter_trips AS {sql('ride_hashes')}", key)
    added, removed, changed = connection.execute(sql("republished_rides")).fetchall()[0]
    for table in ("former_trips", "latter_trips"):
        connection.execute(f"DROP TABLE temp.{table}")
    after = _statistics(connection, arrival)
    return {
        "former_sha256": former.record.sha256,
        "rows": {"added": added, "removed": removed, "changed": changed},
        "columns": _columns(former.record.columns or (), read_columns(arrival.path).names),
        "statistics": {name: {"before": former.statistics[name], "after": after[name]} for name in _STATISTICS},
    }


def _columns(before: tuple[str, ...], after: tuple[str, ...]) -> dict[str, list[str]]:
    return {
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
    }


def _statistics(connection: DuckDBPyConnection, arrival: Arrival) -> dict[str, Any]:
    row = connection.execute(sql("month_statistics"), month_key(arrival.service, arrival.month)).fetchall()[0]
    return dict(zip(_STATISTICS, row, strict=True))

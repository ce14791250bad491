"""Records conditions in the table `alerts`: each once, and again only after it was resolved."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from taxi_assets.monitoring.alerts.alert_conditions import AlertCondition
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LOG = logging.getLogger(__name__)


def record_conditions(
    warehouse: Warehouse, conditions: Sequence[AlertCondition], now: datetime
) -> tuple[AlertCondition, ...]:
    """Adds new conditions to `alerts` and resolves those that ended; writes nothing if none changed.

    Args:
        warehouse: The warehouse.
        conditions: Every condition that holds.
        now: The current time, UTC, without a time zone.

    Returns:
        The conditions that are new, or back after they were resolved. They are also logged.
    """
    current = {each.key: each for each in conditions}
    with warehouse.reading() as connection:
        if not any(_changes(_open_by_key(connection), current)):
            return ()
    with warehouse.publishing("alerts") as connection:
        known = _open_by_key(connection)  # again: another process may have recorded them meanwhile
        raised, resolved = _changes(known, current)
        for key in resolved:
            connection.execute("UPDATE alerts SET resolved_at = ? WHERE key = ?", [now, key])
        for key in raised:
            _raise(connection, current[key], now, is_known=key in known)
    for key in raised:
        _LOG.warning("alert: %s: %s", current[key].kind, current[key].text)
    return tuple(current[key] for key in raised)


def open_alerts(connection: "DuckDBPyConnection") -> list[dict[str, Any]]:
    """Alerts that are unresolved, or undelivered with an error; the oldest first."""
    found = connection.execute(
        "SELECT kind, subject, text, last_seen_at, delivered_at, delivery_error FROM alerts "
        "WHERE resolved_at IS NULL OR delivery_error IS NOT NULL ORDER BY last_seen_at, key"
    )
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _open_by_key(connection: "DuckDBPyConnection") -> dict[str, bool]:
    """True for each alert that is not resolved, by key."""
    return dict(connection.execute("SELECT key, resolved_at IS NULL FROM alerts ORDER BY key").fetchall())


def _changes(known: Mapping[str, bool], current: Mapping[str, AlertCondition]) -> tuple[list[str], list[str]]:
    """The keys to raise and those to resolve."""
    raised = [key for key in current if not known.get(key)]
    return raised, [key for key, is_open in known.items() if is_open and key not in current]


def _raise(connection: "DuckDBPyConnection", condition: AlertCondition, now: datetime, is_known: bool) -> None:
    if is_known:
        connection.execute(
            "UPDATE alerts SET text = $text, last_seen_at = $now, times = times + 1, resolved_at = NULL, "
            "delivered_at = NULL, delivery_error = NULL, attempts = 0, attempted_at = NULL WHERE key = $key",
            {"text": condition.text, "now": now, "key": condition.key},
        )
        return
    connection.execute(
        "INSERT INTO alerts BY NAME SELECT $key AS key, $kind AS kind, $subject AS subject, $text AS text, "
        "$now AS first_seen_at, $now AS last_seen_at, 1 AS times, 0 AS attempts",
        {name: getattr(condition, name) for name in ("key", "kind", "subject", "text")} | {"now": now},
    )

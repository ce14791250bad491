"""Delivers recorded alerts to the webhook: a bounded number of attempts, with growing pauses."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from taxi_assets.monitoring.alerts.alert_conditions import RECENT
from taxi_assets.monitoring.alerts.webhook import POST_SECONDS, post_alerts
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_ATTEMPTS = 14  # with the pauses below, three days
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=8)
_BATCH = 5  # alerts a tick: with 5 seconds each, a tick ends within half a minute


@dataclass(frozen=True)
class Delivery:
    """The result of a tick: the number delivered, and the errors of the others that were tried."""

    delivered: int = 0
    errors: tuple[str, ...] = ()


def deliver_alerts(warehouse: Warehouse, now: datetime, post_seconds: float = POST_SECONDS) -> Delivery:
    """Posts the alerts that are due, and records which the webhook accepted.

    Without a webhook nothing is posted. A process killed between the response and the record posts that alert again.

    Args:
        warehouse: The warehouse, whose settings name the webhook.
        now: The current time, UTC, without a time zone.
        post_seconds: Time limit of one alert.
    """
    settings = warehouse.settings
    if settings.alert_webhook is None:
        return Delivery()
    with suppress(Timeout), FileLock(settings.root / "alerts.lock", timeout=0):  # one process delivers at a time
        with warehouse.reading() as connection:
            due = _due(connection, now)
        if not due:
            return Delivery()
        errors = post_alerts(str(settings.alert_webhook.get_secret_value()), due, post_seconds)
        _record(warehouse, due, errors, now)
        failed = tuple(error for error in errors if error)
        return Delivery(len(errors) - len(failed), failed)
    return Delivery()


def pause_after(attempts: int) -> timedelta:
    """The pause after so many failed attempts: a minute, doubled each time, at most eight hours."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts - 1, MAX_ATTEMPTS)) if attempts else timedelta()


def _due(connection: "DuckDBPyConnection", now: datetime) -> list[dict[str, Any]]:
    """The undelivered alerts whose pause is over, those tried least first."""
    found = connection.execute(
        "SELECT * FROM alerts WHERE delivered_at IS NULL AND attempts < $most "
        "AND (resolved_at IS NULL OR last_seen_at >= $since) ORDER BY attempts, last_seen_at, key",
        {"most": MAX_ATTEMPTS, "since": now - RECENT},
    )
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    waiting = [row for row in rows if row["attempted_at"] and now - row["attempted_at"] < pause_after(row["attempts"])]
    return [row for row in rows if row not in waiting][:_BATCH]


def _record(warehouse: Warehouse, due: Sequence[dict[str, Any]], errors: Sequence[str | None], now: datetime) -> None:
    with warehouse.publishing("alerts delivered") as connection:
        for row, error in zip(due, errors, strict=False):  # those after a missing response were not tried
            connection.execute(
                "UPDATE alerts SET delivered_at = $delivered, delivery_error = $error, attempts = attempts + 1, "
                "attempted_at = $now WHERE key = $key AND times = $times",
                {"delivered": None if error else now, "error": error, "now": now, **_identity(row)},
            )


def _identity(row: dict[str, Any]) -> dict[str, Any]:
    """A returned alert, with a higher `times`, is another one: its delivery is still due."""
    return {"key": row["key"], "times": row["times"]}

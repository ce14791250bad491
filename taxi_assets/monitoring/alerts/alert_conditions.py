"""Finds the conditions that a person should know, in the tables and in the serving state."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.ingestion.source_files import read_source_files
from taxi_assets.ingestion.unresolved_files import unresolved_files
from taxi_assets.monitoring.evidence_pack.write_pack import INDEX, pack_name
from taxi_assets.monitoring.live_flag import newest_flag
from taxi_assets.monitoring.overdue_months import next_months
from taxi_assets.months import Month
from taxi_assets.serving.deployments.deployment_store import read_refusals
from taxi_assets.serving.deployments.routing_store import newest_readable
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

RECENT = timedelta(days=7)  # an older event is history: a home whose alerts are new must not send all of it
_PACK_TIME = timedelta(minutes=10)  # a pack is written right after its decision


@dataclass(frozen=True)
class AlertCondition:
    """A condition, as long as it lasts or, for an event, as long as it is recent.

    Attributes:
        kind: The kind, such as `run failed`.
        subject: The file, month, version or job.
        state: What distinguishes this occurrence from another one of the same subject.
        text: A sentence for people; it may change while the condition lasts.
    """

    kind: str
    subject: str
    state: str
    text: str

    @property
    def key(self) -> str:
        """The identity of the alert: kind, subject and state."""
        return hashlib.sha256("\0".join((self.kind, self.subject, self.state)).encode()).hexdigest()[:16]


def read_conditions(settings: Settings, warehouse: Warehouse, now: datetime) -> list[AlertCondition]:
    """Reads every condition but failed runs, which Dagster knows.

    Args:
        settings: Location of the serving state and the evidence packs; the services in use.
        warehouse: The warehouse.
        now: The current time, UTC, without a time zone.
    """
    since = now - RECENT
    with warehouse.reading() as connection:
        found = [
            *_quarantines(connection),
            *(_overdue(settings, connection, now) if settings.active_data_kind == "real" else ()),
            *_drift(connection),
            *_live_errors(connection),
            *_decisions(settings, connection, since, now),
            *_rollbacks(connection, since),
        ]
    return found + list(_serving(ServingState(settings.serving_state), since))


def _quarantines(connection: "DuckDBPyConnection") -> Iterator[AlertCondition]:
    for row in unresolved_files(read_source_files(connection)):
        text = f"{row.file_name} is in quarantine: {'; '.join(row.reasons)}"
        yield AlertCondition("file quarantined", row.file_name, row.path, text)


def _overdue(settings: Settings, connection: "DuckDBPyConnection", now: datetime) -> Iterator[AlertCondition]:
    for each in next_months(connection):
        if each.service in settings.services and each.is_overdue(now.date()):
            yield AlertCondition("month overdue", each.service, str(each.month), each.sentence(now.date()))


def _drift(connection: "DuckDBPyConnection") -> Iterator[AlertCondition]:
    """The newest month's verdict, if it asks for something to be done."""
    query = (
        "SELECT strftime(month, '%Y-%m'), verdict, facts FROM drift_verdicts "
        "WHERE month = (SELECT max(month) FROM drift_verdicts) AND verdict IN ('retrain', 'fix data')"
    )
    for month, verdict, facts in connection.execute(query).fetchall():
        text = f"the drift report of {month} says {verdict}: {'; '.join(facts)}"
        yield AlertCondition("drift", month, verdict, text)


def _live_errors(connection: "DuckDBPyConnection") -> Iterator[AlertCondition]:
    """The champion's newest day if it is outside its limits; later days on the same side are one alert."""
    flag = newest_flag(connection)
    if flag:
        side = "above" if flag.is_above else "below"
        yield AlertCondition("live error", f"version {flag.version}", side, flag.text)


def _decisions(
    settings: Settings, connection: "DuckDBPyConnection", since: datetime, now: datetime
) -> Iterator[AlertCondition]:
    """Refused versions, and decisions without an evidence pack."""
    query = (
        "SELECT month, model_version, is_promoted, state, reasons, decided_at FROM promotions WHERE decided_at >= ? "
    )
    for day, version, is_promoted, state, reasons, decided_at in connection.execute(
        f"{query} ORDER BY decided_at", [since]
    ).fetchall():
        month, why = Month(day.year, day.month), " ".join(reasons or [])
        if not is_promoted and (state or "refused") == "refused":
            text = f"version {version} was refused for {month}: {why}"
            yield AlertCondition("version refused", f"version {version} on {month}", why, text)
        pack = settings.evidence / pack_name(month, version)
        if decided_at < now - _PACK_TIME and not Path(pack, INDEX).is_file():
            remedy = f"materialise champion_model of {month}"
            text = f"the decision on version {version} for {month} has no evidence pack: {remedy}"
            yield AlertCondition("evidence pack missing", pack.name, str(decided_at), text)


def _rollbacks(connection: "DuckDBPyConnection", since: datetime) -> Iterator[AlertCondition]:
    query = (
        "SELECT model_version, replaced_version, decided_by, why, changed_at FROM champion_changes "
        "WHERE change = 'rolled_back' AND changed_at >= ? ORDER BY changed_at"
    )
    for version, replaced, decided_by, why, at in connection.execute(query, [since]).fetchall():
        text = f"{decided_by} rolled the champion back from version {replaced} to version {version}: {why}"
        yield AlertCondition("champion rolled back", f"version {replaced}", str(at), text)


def _serving(state: ServingState, since: datetime) -> Iterator[AlertCondition]:
    """Refused deployments, and a routing that went back to an earlier one."""
    for refusal in read_refusals(state):
        if _utc(refusal.at) >= since:
            text = f"the endpoint refused version {refusal.version}, asked for by {refusal.by}: {refusal.reason}"
            yield AlertCondition("deployment refused", f"version {refusal.version}", refusal.at, text)
    routing = newest_readable(state)
    # A new routing follows the one before it; a rollback's predecessor is an earlier one.
    is_rollback = routing and routing.revision > 1 and routing.previous != routing.revision - 1
    if routing and is_rollback and _utc(routing.at) >= since:
        text = (
            f"{routing.by} restored an earlier routing: version {routing.routing.champion} is the endpoint's champion"
        )
        yield AlertCondition("routing rolled back", f"revision {routing.revision}", routing.at, text)


def _utc(text: str) -> datetime:
    """An ISO 8601 time in UTC, without a time zone."""
    return datetime.fromisoformat(text).replace(tzinfo=None)

"""Answers which version was champion at a time, on what evidence, by whose decision, trained on what.

The champion comes from `champion_changes`, the versions that answered from the history of the routing and the
prediction log. For now, MLflow's alias, the tables and the routing are compared with each other.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.lineage import CheckResults, Facts, trace_lineage
from taxi_assets.promotion.champion_history import ChampionChange, read_changes
from taxi_assets.registry import model_versions
from taxi_assets.serving.deployments.routing_store import RoutingRevision, stored_routings
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_EVIDENCE = (
    "FROM promotions WHERE model_version = $version AND month = coalesce($month, month) AND decided_at <= $changed_at "
    "AND is_promoted ORDER BY decided_at DESC LIMIT 1"
)
_APPROVAL = (
    "FROM approvals WHERE model_version = $version AND month = coalesce($month, month) AND decided_at <= $changed_at "
    "AND decision = 'approved' ORDER BY decided_at DESC LIMIT 1"
)
_ANSWERED = """
SELECT model_version, variant, count(*) AS rides, min(answered_at) AS first, max(answered_at) AS last
FROM predictions
WHERE shadow_of IS NULL
    AND answered_at >= date_trunc('day', $time::TIMESTAMP)
    AND answered_at < date_trunc('day', $time::TIMESTAMP) + INTERVAL 1 DAY
GROUP BY ALL
ORDER BY rides DESC, model_version
"""


def parse_time(text: str) -> datetime:
    """A time, UTC without a zone, from ISO 8601; a date means its start, a time without an offset is UTC.

    Raises:
        TaxiError: it is no date or time, or in the future.
    """
    try:
        given = datetime.fromisoformat(text.strip())
        time = (given.astimezone(UTC) if given.tzinfo else given).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:  # an offset may lead out of the years 1 to 9999
        raise TaxiError(f"--at is {text!r}: write a date or a time such as 2024-05-01T12:30, in UTC") from error
    if time > _now():
        raise TaxiError(f"--at is {text!r}, which is in the future: leave it out for now")
    return time


def audit(settings: Settings, warehouse: Warehouse, checks: CheckResults, at: datetime | None = None) -> Facts:
    """Collects the facts that `taxi audit --json` prints.

    Args:
        settings: Locations of the registry and the serving state.
        warehouse: The warehouse.
        checks: Returns the check results of a published month.
        at: The time, UTC without a zone; by default now, with the disagreements.

    Returns:
        The facts. `champion`, `evidence`, `approval`, `training`, `routing` and `evidence_pack` are None where there
        is none; `registry_champion` is MLflow's now.
    """
    time = at or _now()
    with warehouse.reading() as connection:
        changes = read_changes(connection)
        change = next((each for each in reversed(changes) if each.changed_at <= time), None)
        approved = change if change and change.change == "approved" else None
        facts: Facts = {
            "at": time,
            "champion": asdict(change) if change else None,
            "until": next((each.changed_at for each in changes if each.changed_at > time), None),
            "evidence": _row(connection, _EVIDENCE, change),
            "approval": _row(connection, _APPROVAL, approved),
            "answered": _records(connection, _ANSWERED, {"time": time}),
        }
    registered = model_versions.champion(settings)
    facts |= {
        "routing": _routing(settings, time),
        "training": _training(settings, warehouse, change, checks),
        "evidence_pack": _evidence_pack(settings, facts["evidence"]),
        "registry_champion": registered.version if registered else None,
    }
    return facts | {"disagreements": [] if at else disagreements(facts)}


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _row(connection: "DuckDBPyConnection", query: str, change: ChampionChange | None) -> Facts | None:
    """The last row of the change's version and month at its time."""
    if change is None:
        return None
    values = {"version": change.model_version, "month": change.month, "changed_at": change.changed_at}
    return next(iter(_records(connection, query, values)), None)


def _records(connection: "DuckDBPyConnection", query: str, values: Facts) -> list[Facts]:
    found = connection.execute(query, values)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _training(
    settings: Settings, warehouse: Warehouse, change: ChampionChange | None, checks: CheckResults
) -> Facts | None:
    """The version's lineage; None without a champion, or if the registry has it no more."""
    if change is None or model_versions.find_number(settings, change.model_version) is None:
        return None
    found = trace_lineage(settings, warehouse, change.model_version, checks)
    kept = ("months", "snapshot_kept", "features", "version", "superseded_files", "bentos")
    return {name: found[name] for name in kept}


def _routing(settings: Settings, time: datetime) -> Facts | None:
    """The routing at that time; None if there was none or its revision was removed."""
    state = ServingState(settings.serving_state)
    routings = [each for each in stored_routings(state) if each.at] if state.folder.is_dir() else []
    newest = max((each for each in routings if _set_at(each) <= time), key=lambda each: each.revision, default=None)
    if newest is None:
        return None
    return {"revision": newest.revision, "since": _set_at(newest), "by": newest.by, **newest.routing.as_json()}


def _set_at(revision: RoutingRevision) -> datetime:
    return datetime.fromisoformat(revision.at).astimezone(UTC).replace(tzinfo=None)


def _evidence_pack(settings: Settings, evidence: Facts | None) -> str | None:
    """The folder of the decision's evidence pack, if there is one."""
    if evidence is None:
        return None
    from taxi_assets.monitoring.evidence_pack.write_pack import pack_name
    from taxi_assets.months import Month

    month = Month(evidence["month"].year, evidence["month"].month)
    folder = settings.evidence / pack_name(month, evidence["model_version"])
    return str(folder) if folder.is_dir() else None


def disagreements(facts: Facts) -> list[str]:
    """Sentences on what MLflow's alias, the tables and the routing say differently now.

    Args:
        facts: The facts of `audit` for now.
    """
    change, routing, registered = facts["champion"], facts["routing"], facts["registry_champion"]
    recorded = change["model_version"] if change else None
    found = []
    if recorded != registered:
        found.append(
            f"MLflow's alias names {_named(registered)}, the tables name {_named(recorded)}: a person moved the alias, "
            "or a process was killed; materialise champion_model of the newest month"
        )
    if recorded and facts["training"] is None:
        found.append(f"version {recorded} is not in MLflow's registry any more: train its month again")
    if change and change["month"] and facts["evidence"] is None:
        found.append(f"version {recorded} has no row in promotions: materialise champion_model of its month")
    if routing and registered and routing["champion"] != registered:
        found.append(
            f"the routing's champion is version {routing['champion']}, set by {routing['by']}, MLflow's is version "
            f"{registered}: `make up` deploys a new champion, `taxi deploy {registered} --champion` any"
        )
    return found


def _named(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"

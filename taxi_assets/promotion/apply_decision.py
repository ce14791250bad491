"""Brings MLflow in line with a recorded decision: alias, description, tags.

The warehouse is written first and MLflow second, both while this process has the publish lock. If the process is
killed in between, the next decision, approval or rejection finishes the change.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from taxi_assets.months import Month
from taxi_assets.promotion.champion_history import ChampionChange, last_recorded_change
from taxi_assets.promotion.decision import decision_state, read_decision
from taxi_assets.promotion.guards import scope_label
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings
from taxi_assets.warehouse import fault_points

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Row = Mapping[str, Any]

# Set after the alias: a version without the tag of its last change was not made champion completely.
CHAMPION_SINCE_TAG = "champion_since"

# MLflow has the reasons elsewhere and cuts long values; the state is the tag `decision`.
_UNTAGGED = ("reasons", "comparison", "state")


def apply_decision(
    settings: Settings, version: Version, row: Row, approval: Row | None = None, change: ChampionChange | None = None
) -> None:
    """Writes a decision to its version in MLflow.

    Args:
        settings: Location of MLflow.
        version: The decided version.
        row: Its row of `promotions`.
        approval: The row of `approvals`, if a person decided.
        change: The change of the champion, if the version becomes it.
    """
    if row["difference_minutes"] is not None:
        tracking.log_metrics(settings, version.run_id, {"difference_minutes": row["difference_minutes"]})
    reasons = " ".join(row["reasons"])
    if change:
        model_versions.promote(settings, version.version, reasons)
        fault_points.fault_point("alias_moved")
    elif row["state"] in ("refused", "rejected"):
        refusal = f"Rejected by {approval['decided_by']}: {approval['why']}" if approval else reasons
        model_versions.tag_decision(settings, version.version, {"refusal": refusal})
    else:
        model_versions.remove_tag(settings, version, "refusal")
    # The tags last: a version that has them is decided on, and its alias is already set.
    model_versions.describe(settings, version.version, _description(version, row, approval))
    since = _since(change) if change else {}
    model_versions.tag_decision(settings, version.version, decision_tags(row, approval) | since)


def finish_interrupted_change(settings: Settings, connection: "DuckDBPyConnection") -> None:
    """Makes the recorded champion MLflow's, if a killed process left that undone.

    An alias that a person moved since stays.

    Args:
        settings: Location of MLflow.
        connection: A connection of the process that has the publish lock.
    """
    change = last_recorded_change(connection)
    version = _interrupted(settings, change)
    if change is None or version is None:
        return
    row = (
        read_decision(connection, version.version, Month(change.month.year, change.month.month))
        if change.month
        else None
    )
    if row:
        apply_decision(settings, version, row, read_approval(connection, row), change)
    else:
        apply_rollback(settings, change)


def apply_rollback(settings: Settings, change: ChampionChange) -> None:
    """Makes the version that was champion before MLflow's champion again."""
    model_versions.promote(settings, change.model_version, change.why)
    model_versions.tag_decision(settings, change.model_version, _since(change))


def is_change_interrupted(settings: Settings, connection: "DuckDBPyConnection") -> bool:
    """True if the recorded champion is not yet MLflow's because a process was killed."""
    return _interrupted(settings, last_recorded_change(connection)) is not None


def _since(change: ChampionChange) -> dict[str, str]:
    return {CHAMPION_SINCE_TAG: change.changed_at.isoformat()}


def _interrupted(settings: Settings, change: ChampionChange | None) -> Version | None:
    if change is None:
        return None
    champion = model_versions.champion(settings)
    number = champion.version if champion else None
    version = model_versions.find_number(settings, change.model_version)
    is_done = version is None or version.tags.get(CHAMPION_SINCE_TAG) == change.changed_at.isoformat()
    is_moved = number not in (change.replaced_version, change.model_version)
    return None if is_done or is_moved else version


def read_approval(connection: "DuckDBPyConnection", row: Row) -> dict[str, Any] | None:
    """The row of `approvals` on a decision of `promotions`; None if no person decided."""
    if row["state"] not in ("approved", "rejected"):
        return None
    found = connection.execute(
        "SELECT * FROM approvals WHERE month = ? AND model_version = ? ORDER BY decided_at DESC LIMIT 1",
        [row["month"], row["model_version"]],
    )
    values, names = found.fetchone(), [column[0] for column in found.description]
    return dict(zip(names, values, strict=True)) if values else None


def decision_tags(row: Row, approval: Row | None = None) -> dict[str, str]:
    """The rows as tags of the version in MLflow, such as `decision_trips`, `approval_why`."""
    shown = {name: value for name, value in row.items() if value is not None and name not in _UNTAGGED}
    tags = {f"decision_{name.removeprefix('decision_')}": str(value) for name, value in shown.items()}
    given = ("decided_by", "decided_at", "why") if approval else ()
    tags |= {f"approval_{name}": str(approval[name]) for name in given if approval}
    return tags | {"decision": decision_state(row)}


def deciding_metric(row: Row) -> str:
    """The deciding metric, in words."""
    return f"RMSE on {scope_label(str(row['scope']))}, predicted {str(row['condition']).replace('_', ' ')}"


def _description(version: Version, row: Row, approval: Row | None) -> str:
    """The version's description in MLflow: window, decision, deciding metric and reasons."""
    state = {"promoted": "Promoted", "refused": "Not promoted", "waiting": "Waits for approval"}.get(row["state"])
    if approval and not state:
        state = f"{str(row['state']).capitalize()} by {approval['decided_by']} ({approval['why']})"
    measured = "" if row["rmse"] is None else f": {deciding_metric(row)}, is {row['rmse']:.3f} minutes"
    reasons = " ".join(row["reasons"])
    return f"Trained on {version.tags['window']}. {state}, scored on {row['month']:%Y-%m}{measured}. {reasons}"

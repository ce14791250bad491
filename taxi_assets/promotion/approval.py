"""A person's decision on a version that waits: approve it if its evidence still holds, or reject it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.promotion.apply_decision import (
    apply_decision,
    finish_interrupted_change,
    read_approval,
)
from taxi_assets.promotion.champion_history import ChampionChange, champion_at, next_change_time, record_change
from taxi_assets.promotion.decision import decision_state, read_decision
from taxi_assets.promotion.record_decision import usable_champion, version_number
from taxi_assets.promotion.stale_evidence import StaleEvidence, again, require_valid
from taxi_assets.registry import model_versions
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.connection import Warehouse, transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Row = dict[str, Any]
Verdict = Literal["approved", "rejected"]


@dataclass(frozen=True)
class Approval:
    """A person's decision on a waiting version.

    Attributes:
        version: The version.
        verdict: The decision.
        decided_by: The person's name.
        why: The person's reason.
        month: The month of the waiting decision; None means that of the version's last decision.
        run_id: The Dagster run, if there is one.
    """

    version: int
    verdict: Verdict
    decided_by: str
    why: str
    month: Month | None = None
    run_id: str | None = None


def waiting_decisions(settings: Settings, connection: "DuckDBPyConnection") -> tuple[Row, ...]:
    """The rows of `promotions` that wait, the last of their month and on the current champion."""
    found = connection.execute(
        "SELECT * FROM promotions "
        "QUALIFY row_number() OVER (PARTITION BY month ORDER BY decided_at DESC NULLS LAST) = 1 ORDER BY month"
    )
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, values, strict=True)) for values in found.fetchall()]
    waiting = [row for row in rows if row["state"] == "waiting"]
    champion = version_number(usable_champion(settings)) if waiting else None
    return tuple(row for row in waiting if row["champion_version"] == champion)


def approval_commands(version: int) -> str:
    """The commands that decide on a version that waits."""
    options = "--by NAME --why TEXT"
    return f"`taxi approve {version} {options}` or `taxi reject {version} {options}`"


def decide_waiting(settings: Settings, warehouse: Warehouse, approval: Approval) -> Row:
    """Approves or rejects a waiting version; the same decision again returns the first one.

    Args:
        settings: Location of MLflow.
        warehouse: The warehouse.
        approval: The decision.

    Returns:
        The row of `approvals`.

    Raises:
        StaleEvidence: the version may not be approved, since its evidence is not valid any more.
        TaxiError: the version does not wait, or name or reason are missing.
    """
    _require_words(approval)
    with warehouse.exclusive_connection() as connection:
        finish_interrupted_change(settings, connection)
        version = model_versions.require(settings, approval.version)
        row = read_decision(connection, version.version, approval.month)
        if row is None:
            raise TaxiError(f"{_of(approval)} was not decided on: materialise champion_model of its month first")
        earlier = read_approval(connection, row)
        if earlier:
            return _repeat(settings, connection, version, approval, row, earlier)
        if row["state"] != "waiting":
            why = " ".join(row["reasons"] or ())
            raise TaxiError(f"{_of(approval)} does not wait for approval, it was {decision_state(row)}: {why}")
        if approval.verdict == "approved":
            require_valid(settings, connection, version, row)
        return _record(settings, connection, version, approval, row)


def _record(
    settings: Settings, connection: "DuckDBPyConnection", version: Version, approval: Approval, row: Row
) -> Row:
    """Writes the decision to the tables in one transaction, then to MLflow."""
    decided = {
        "month": row["month"],
        "model_version": version.version,
        "champion_version": row["champion_version"],
        "decision": approval.verdict,
        "decided_by": approval.decided_by.strip(),
        "why": approval.why.strip(),
        "decided_at": next_change_time(connection),
        "run_id": approval.run_id,
    }
    change = _change(settings, decided) if approval.verdict == "approved" else None
    with transaction(connection, f"{approval.verdict} version {version.version}", approval.run_id):
        connection.execute(
            "INSERT INTO approvals BY NAME SELECT $month::DATE AS month, $model_version AS model_version, "
            "$champion_version AS champion_version, $decision AS decision, $decided_by AS decided_by, $why AS why, "
            "$decided_at::TIMESTAMP AS decided_at, $run_id AS run_id",
            decided,
        )
        connection.execute(
            "UPDATE promotions SET state = ?, is_promoted = ? WHERE month = ? AND model_version = ? AND decided_at = ?",
            [approval.verdict, change is not None, row["month"], version.version, row["decided_at"]],
        )
        if change:
            record_change(connection, change)
    fault_points.fault_point("decision_recorded")
    state = {"state": approval.verdict, "is_promoted": change is not None}
    apply_decision(settings, version, row | state, decided, change)
    return decided


def _change(settings: Settings, decided: Mapping[str, Any]) -> ChampionChange:
    champion = version_number(model_versions.champion(settings))
    who = (decided["decided_by"], decided["why"], decided["run_id"])
    return ChampionChange(decided["decided_at"], decided["model_version"], champion, "approved", decided["month"], *who)


def _repeat(
    settings: Settings,
    connection: "DuckDBPyConnection",
    version: Version,
    approval: Approval,
    row: Row,
    earlier: Row,
) -> Row:
    """The decision that was made before, if it is the same and an approval still holds."""
    made = (
        f"{_of(approval)} was {earlier['decision']} by {earlier['decided_by']} at {earlier['decided_at']:%F %H:%M} UTC"
    )
    if earlier["decision"] != approval.verdict:
        raise TaxiError(f"{made} ({earlier['why']}): train or decide on its month again for a new decision")
    current = champion_at(connection)
    if approval.verdict == "approved" and current and current.model_version != version.version:
        raise StaleEvidence(
            f"{made}, and version {current.model_version} replaced it at {current.changed_at:%F %H:%M} UTC: "
            f"{again(row)} to compare it anew"
        )
    apply_decision(settings, version, row, earlier)
    return earlier


def _of(approval: Approval) -> str:
    return f"version {approval.version}" + (f" of {approval.month}" if approval.month else "")


def _require_words(approval: Approval) -> None:
    for option, text in (("--by", approval.decided_by), ("--why", approval.why)):
        if not text.strip() or not text.strip().isprintable():
            raise TaxiError(f"{option} is {text!r}: write a line of text, which is kept with the decision")

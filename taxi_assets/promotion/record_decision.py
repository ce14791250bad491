"""Records a promotion decision while no other can be made, and applies it in MLflow."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from taxi_assets.promotion.apply_decision import apply_decision, finish_interrupted_change, read_approval
from taxi_assets.promotion.champion_history import ChampionChange, next_change_time, record_change
from taxi_assets.promotion.comparison_record import comparison_column
from taxi_assets.promotion.decision import Decision, decide, decision_row, read_decision
from taxi_assets.promotion.evidence import Evidence
from taxi_assets.promotion.policy import PromotionPolicy
from taxi_assets.registry import model_versions
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.connection import Warehouse, transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The same figures are the same evidence, on which a person's rejection stands.
_FIGURES = (
    *("champion_version", "scope", "condition", "trips", "days", "rmse", "champion_rmse"),
    *("difference_minutes", "difference_low", "difference_high"),
)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Proposal:
    """A challenger with the evidence to decide by.

    Attributes:
        challenger: The version to decide on.
        evidence: Its figures against the champion at that time.
        policy: The thresholds.
        decided_by: The asset, command or person that decides.
        run_id: The Dagster run, if there is one.
    """

    challenger: Version
    evidence: Evidence
    policy: PromotionPolicy
    decided_by: str
    run_id: str | None = None

    @cached_property
    def decision(self) -> Decision:
        """The decision of the policy."""
        return decide(self.evidence, self.policy)

    def row(self) -> dict[str, Any]:
        """The decision as a row of `promotions`, without state and time."""
        row = decision_row(self.evidence, self.decision) | comparison_column(self.evidence, self.policy)
        key = {"month": self.evidence.scored_month.first_day, "model_version": self.challenger.version}
        return row | key | {"decided_by": self.decided_by, "run_id": self.run_id}


def record_decision(settings: Settings, warehouse: Warehouse, proposal: Proposal) -> dict[str, Any] | None:
    """Records a decision as a row of `promotions` and applies it in MLflow.

    Args:
        settings: Location of MLflow; in its mode `approve` a better version waits for a person.
        warehouse: The warehouse.
        proposal: The challenger and its evidence.

    Returns:
        The row; None if the champion is no longer the one that the evidence is on, and nothing was recorded.
    """
    challenger, month = proposal.challenger, proposal.evidence.scored_month
    with warehouse.exclusive_connection() as connection:
        finish_interrupted_change(settings, connection)
        if version_number(usable_champion(settings)) != _compared_champion(proposal.evidence):
            return None
        before = read_decision(connection, challenger.version, month)
        row = proposal.row() | {"decided_at": next_change_time(connection)}
        row["state"] = _state(settings, proposal, row, before)
        row["is_promoted"] = row["state"] == "promoted"
        change = _change(settings, row)
        with transaction(connection, f"promotions {month} version {challenger.version}", proposal.run_id):
            _write_row(connection, row)
            if change:
                record_change(connection, change)
        fault_points.fault_point("decision_recorded")
        row = read_decision(connection, challenger.version, month) or row
        apply_decision(settings, challenger, row, read_approval(connection, row), change)
    return row


def usable_champion(settings: Settings) -> Version | None:
    """The champion; None if there is none or if its model is missing or damaged."""
    champion = model_versions.champion(settings)
    if champion and not model_versions.is_usable(settings, champion):
        _LOG.warning("the champion's model, version %d, cannot be loaded: comparing without it", champion.version)
        return None
    return champion


def version_number(version: Version | None) -> int | None:
    """The number of a version, if there is one."""
    return version.version if version else None


def _compared_champion(evidence: Evidence) -> int | None:
    return int(evidence.champion.version) if evidence.champion else None


def _state(settings: Settings, proposal: Proposal, row: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    if not proposal.decision.promote:
        return "refused"
    if proposal.evidence.champion and not proposal.evidence.incumbent:  # it is the champion already
        return "promoted"
    if before and before["state"] == "rejected" and all(before[name] == row.get(name) for name in _FIGURES):
        return "rejected"
    return "promoted" if settings.promotion == "auto" else "waiting"


def _change(settings: Settings, row: Mapping[str, Any]) -> ChampionChange | None:
    """The change of the champion that the row makes, if any."""
    champion = model_versions.champion(settings)
    if not row["is_promoted"] or (champion and champion.version == row["model_version"]):
        return None
    return ChampionChange(
        row["decided_at"],
        row["model_version"],
        version_number(champion),
        "promoted",
        row["month"],
        row["decided_by"],
        " ".join(row["reasons"]),
        row["run_id"],
    )


def _write_row(connection: "DuckDBPyConnection", row: Mapping[str, Any]) -> None:
    """Replaces the version's row of the month; a row by which it became champion stays as evidence."""
    key = [row["month"], row["model_version"]]
    connection.execute(
        "DELETE FROM promotions WHERE month = ? AND model_version = ? AND NOT coalesce(is_promoted, false)", key
    )
    rows = pd.DataFrame({name: [value] for name, value in row.items() if value is not None})
    connection.register("decided", rows)
    connection.execute("INSERT INTO promotions BY NAME SELECT * FROM decided")

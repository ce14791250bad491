"""The job by which a person decides on a version that waits for approval, from Dagster's launchpad."""

from typing import Literal

import dagster as dg

from taxi_assets.defs.asset_metadata import fail_in_words
from taxi_assets.defs.monitoring.evidence_pack import evidence_metadata
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


class ApprovalConfig(dg.Config):
    """A decision on a version that waits."""

    version: int
    """Number of the version in MLflow's registry."""
    decision: Literal["approved", "rejected"]
    by: str
    """Your name, kept with the decision."""
    why: str
    """Your reason, kept with the decision."""
    month: str | None = None
    """Month it was scored on, such as 2024-05; unset, that of its last decision."""


@dg.op
@fail_in_words
def decide_by_person(
    context: dg.OpExecutionContext,
    config: ApprovalConfig,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> None:
    """Approve a waiting version, which makes it champion, or reject it."""
    from taxi_assets.promotion.approval import Approval, decide_waiting

    month = Month.parse(config.month) if config.month else None
    approval = Approval(config.version, config.decision, config.by, config.why, month, context.run_id)
    decided = decide_waiting(settings, warehouse, approval)
    shown = {name: dg.MetadataValue.text(str(value)) for name, value in decided.items() if value is not None}
    of_month = Month(decided["month"].year, decided["month"].month)
    context.add_output_metadata(shown | evidence_metadata(settings, warehouse, of_month, config.version))


@dg.job(description="Approve or reject a version that waits, as `taxi approve` and `taxi reject` do.")
def decide_waiting_version() -> None:
    decide_by_person()

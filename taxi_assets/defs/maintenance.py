"""The maintenance job and its schedule; see `warehouse.maintenance` and `serving.packaging.retention`."""

import dagster as dg

from taxi_assets.defs.start_status import SCHEDULE_STATUS
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


@dg.op
def run_maintenance(
    context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse]
) -> None:
    """Delete unused files and old models, merge small files, expire old snapshots except those of models."""
    from taxi_assets.serving.packaging import retention

    facts = retention.run_maintenance(settings, warehouse)
    context.add_output_metadata({name: dg.MetadataValue.json(value) for name, value in facts.items()})


@dg.job(description="Merge the warehouse's small files, expire old snapshots, delete unused files.")
def maintain_warehouse() -> None:
    run_maintenance()


# On by default: snapshots and files pile up otherwise. It removes only what is older than a setting and of no model.
maintenance_schedule = dg.ScheduleDefinition(
    name="maintenance_schedule",
    job=maintain_warehouse,
    cron_schedule="0 4 * * 0",
    execution_timezone="America/New_York",
    default_status=SCHEDULE_STATUS,
    description="Every Sunday at 4:00, outside working hours.",
)

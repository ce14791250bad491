"""The sensor of alerts: finds conditions, records and delivers them, by `monitoring/alerts`."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from taxi_assets.defs.runs import failure_message
from taxi_assets.defs.start_status import SENSOR_STATUS
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.monitoring.alerts.alert_conditions import AlertCondition

_RUNS = 200  # newest runs that are read
_FIRST_MONTH_TAG = "dagster/asset_partition_range_start"


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=SENSOR_STATUS,
    description="Records failed runs, quarantined files, overdue months, drift, refusals and rollbacks as alerts, and "
    "delivers them to TAXI_ALERT_WEBHOOK. It starts no run.",
)
def alert_sensor(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.SkipReason:
    """Compares the conditions with the table `alerts`; has no cursor, so nothing can be lost with it."""
    from taxi_assets.ingestion import pending
    from taxi_assets.ingestion.source_files import utc_now
    from taxi_assets.monitoring.alerts.alert_conditions import read_conditions
    from taxi_assets.monitoring.alerts.deliver_alerts import deliver_alerts
    from taxi_assets.monitoring.alerts.record_alerts import record_conditions

    if pending.is_publish_locked(settings):
        return dg.SkipReason("a month is being published: alerts are recorded after it")
    now = utc_now()
    conditions = [*read_conditions(settings, warehouse, now), *failed_runs(context.instance, now)]
    raised = record_conditions(warehouse, conditions, now)
    delivery = deliver_alerts(warehouse, now)
    parts = [f"{len(conditions)} conditions, {len(raised)} new, {delivery.delivered} delivered", *delivery.errors]
    return dg.SkipReason("; ".join([*parts, *(each.text for each in raised)]))


def failed_runs(instance: dg.DagsterInstance, now: datetime) -> Iterator["AlertCondition"]:
    """A condition for each job and month whose newest finished run failed recently."""
    from taxi_assets.monitoring.alerts.alert_conditions import RECENT, AlertCondition

    finished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE])
    seen = set()
    for record in instance.get_run_records(finished, limit=_RUNS):
        run, ended = record.dagster_run, record.end_time or record.create_timestamp.timestamp()
        month = run.tags.get(PARTITION_NAME_TAG) or run.tags.get(_FIRST_MONTH_TAG) or ""
        subject = f"{run.job_name} {month}".strip()
        if subject in seen:
            continue
        seen.add(subject)
        if run.status == dg.DagsterRunStatus.FAILURE and ended >= (now - RECENT - datetime(1970, 1, 1)).total_seconds():
            why = failure_message(instance, run.run_id) or f"see the run {run.run_id} in Dagster"
            yield AlertCondition("run failed", subject, why, f"{subject} failed: {why}")

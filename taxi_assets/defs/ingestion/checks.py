"""Freshness of TLC's months: the policy of `raw_trips`, the check on overdue months and its schedule."""

from datetime import date, timedelta

import dagster as dg

from taxi_assets.defs.start_status import SCHEDULE_STATUS
from taxi_assets.monitoring.overdue_months import OVERDUE_DAYS, next_months
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

# Dagster's policy sees only when the asset was last materialised; the check sees the months.
RAW_TRIPS_FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=OVERDUE_DAYS), warn_window=timedelta(days=OVERDUE_DAYS - 31)
)


@dg.asset_check(
    asset="raw_trips",
    description=f"Every service has TLC's file of a month within {OVERDUE_DAYS} days after the month's end. "
    "Services with past months only are not checked. "
    "A failure is a warning: the run goes on.",
    metadata={"severity": "warning"},
)
def no_month_is_overdue(
    settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    """TLC publishes a month about two months after its end; a much later one was missed or not fetched."""
    today = date.today()
    with warehouse.reading() as connection:
        expected_months = [wait for wait in next_months(connection) if wait.service in settings.services]
    is_synthetic = settings.active_data_kind == "synthetic"
    overdue = [] if is_synthetic else [wait for wait in expected_months if wait.is_overdue(today)]
    sentences = "\n".join(wait.sentence(today) for wait in overdue or expected_months)
    return dg.AssetCheckResult(
        passed=not overdue,
        severity=dg.AssetCheckSeverity.WARN,
        description="Synthetic months are never overdue." if is_synthetic else sentences or "No month is ingested yet.",
    )


check_freshness = dg.define_asset_job(
    "check_freshness",
    selection=dg.AssetSelection.checks(no_month_is_overdue),
    description="Check for overdue TLC months.",
)

check_freshness_daily = dg.ScheduleDefinition(
    name="check_freshness_daily",
    job=check_freshness,
    cron_schedule="0 7 * * *",
    execution_timezone="America/New_York",
    default_status=SCHEDULE_STATUS,
    description="Checks for overdue TLC months every morning.",
)

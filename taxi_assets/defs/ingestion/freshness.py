"""Whether TLC's months come in time: the policy of `raw_trips`, the check that looks at months, its schedule."""

import warnings
from datetime import date, timedelta

import dagster as dg

from taxi_assets.monitoring.overdue_months import OVERDUE_DAYS, newest_months, next_months
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["FRESHNESS_SCHEDULES", "RAW_TRIPS_FRESHNESS", "check_freshness", "no_month_is_overdue"]

# A policy looks at when the asset was last materialised, not at which month that was for; the check does.
RAW_TRIPS_FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=OVERDUE_DAYS), warn_window=timedelta(days=OVERDUE_DAYS - 31)
)


@dg.asset_check(
    asset="raw_trips",
    description=f"No service waits more than {OVERDUE_DAYS} days after a month's end for TLC's file of that month. "
    "Services of which only past months were taken in wait for none. "
    "A failure is a warning: the run goes on.",
    metadata={"severity": "warning"},
)
def no_month_is_overdue(
    settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    """TLC publishes a month about two months after its end: one much later is missed, or was not fetched."""
    today = date.today()
    with warehouse.reading() as connection:
        newest = newest_months(connection)
    expected_months = [wait for wait in next_months(newest) if wait.service in settings.services]
    is_synthetic = settings.active_data_kind == "synthetic"
    overdue = [] if is_synthetic else [wait for wait in expected_months if wait.is_overdue(today)]
    told = "\n".join(wait.sentence(today) for wait in overdue or expected_months) or "No month has been taken in yet."
    return dg.AssetCheckResult(
        passed=not overdue,
        severity=dg.AssetCheckSeverity.WARN,
        description="Synthetic months are never overdue." if is_synthetic else told,
    )


with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)
    check_freshness = dg.define_asset_job(
        "check_freshness",
        selection=dg.AssetSelection.checks(no_month_is_overdue),
        executor_def=dg.in_process_executor,
        description="Look whether a month of TLC's is overdue.",
    )

FRESHNESS_SCHEDULES = (
    dg.ScheduleDefinition(
        name="check_freshness_daily",
        job=check_freshness,
        cron_schedule="0 7 * * *",
        execution_timezone="America/New_York",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every morning, whether a month of TLC's is overdue.",
    ),
)

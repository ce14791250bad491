"""The month, as Dagster's partition: a key reads `2023-01`. No asset and no path belongs here."""

import warnings
from collections.abc import Callable
from typing import Any

import dagster as dg

from taxi_assets.months import FIRST_MONTH, Month

__all__ = ["MONTHS", "earlier_months", "earlier_months_and_own", "monthly_asset", "partition_months"]

# Of a hundred upstream partitions and more Dagster does not look for changes.
_MAX_UPSTREAM_MONTHS = 99

# Dagster counts a month once it is over, in UTC: the same months as `Month.parse` reads.
MONTHS = dg.MonthlyPartitionsDefinition(start_date=str(FIRST_MONTH), fmt="%Y-%m")


def partition_months(context: dg.AssetExecutionContext) -> tuple[Month, ...]:
    """The months this run is for, oldest first."""
    return tuple(sorted(Month.parse(key) for key in context.partition_keys))


def earlier_months() -> dg.TimeWindowPartitionMapping:
    """The months before a partition's: what its model learns from."""
    return dg.TimeWindowPartitionMapping(start_offset=-_MAX_UPSTREAM_MONTHS, end_offset=-1)


def earlier_months_and_own() -> dg.TimeWindowPartitionMapping:
    """The months before a partition's and the partition's own, which is compared with them."""
    return dg.TimeWindowPartitionMapping(start_offset=1 - _MAX_UPSTREAM_MONTHS, end_offset=0)


def monthly_asset(**options: Any) -> Callable[..., dg.AssetsDefinition]:
    """`dagster.asset` for monthly assets that take any stretch of months in one run, so that a backfill is one run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # the policy is; without it each month starts a process
        decorator: Callable[..., dg.AssetsDefinition] = dg.asset(
            partitions_def=MONTHS, backfill_policy=dg.BackfillPolicy.single_run(), **options
        )
    return decorator

"""Monthly partitions with keys such as `2023-01`, and their mappings."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from taxi_assets.months import FIRST_MONTH, Month

# Dagster skips its check for changes with 100 upstream partitions or more.
_MAX_UPSTREAM_MONTHS = 99

# A month is a partition once it is over, in UTC, as in `Month.parse`.
MONTHS = dg.MonthlyPartitionsDefinition(start_date=str(FIRST_MONTH), fmt="%Y-%m")


def partition_months(context: dg.AssetExecutionContext) -> tuple[Month, ...]:
    """The months of this run, oldest first."""
    return tuple(sorted(Month.parse(key) for key in context.partition_keys))


def earlier_months() -> dg.TimeWindowPartitionMapping:
    """Maps a partition to the months before it, the training window."""
    return dg.TimeWindowPartitionMapping(start_offset=-_MAX_UPSTREAM_MONTHS, end_offset=-1)


def earlier_months_and_own() -> dg.TimeWindowPartitionMapping:
    """Maps a partition to the months before it and its own."""
    return dg.TimeWindowPartitionMapping(start_offset=1 - _MAX_UPSTREAM_MONTHS, end_offset=0)


# Without this policy, each month of a backfill starts a process.
_ONE_RUN = dg.BackfillPolicy.single_run()


def monthly_asset(**options: Any) -> Callable[..., dg.AssetsDefinition]:
    """`dagster.asset` with monthly partitions and a single-run backfill policy."""
    decorator: Callable[..., dg.AssetsDefinition] = dg.asset(partitions_def=MONTHS, backfill_policy=_ONE_RUN, **options)
    return decorator


def monthly_assets(**options: Any) -> Callable[..., dg.AssetsDefinition]:
    """`dagster.multi_asset`, likewise."""
    return dg.multi_asset(partitions_def=MONTHS, backfill_policy=_ONE_RUN, **options)

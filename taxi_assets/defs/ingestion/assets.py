"""Assets from TLC's files to features. Rules and columns belong in `quality` and `warehouse`."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from taxi_assets.defs.asset_metadata import AssetEvent, column_schema, fail_in_words, report_months
from taxi_assets.defs.checks import check_spec, suite_checks
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.ingestion.checks import RAW_TRIPS_FRESHNESS
from taxi_assets.defs.ingestion.source_files import QUARANTINE_CHECK, quarantine_check
from taxi_assets.defs.partitions import monthly_assets
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


def _table_options(table: str) -> dict[str, Any]:
    return {
        "group_name": "ingestion",
        "owners": ["team:data"],
        "code_version": code_version(table),
        "metadata": column_schema(table),
    }


@dg.asset(
    **_table_options("taxi_zones"),
    kinds={"duckdb", "csv"},
    check_specs=[
        check_spec(
            "every_tlc_zone_is_present",
            "taxi_zones",
            "The table has at least the 265 zones of TLC's lookup table",
            is_monthly=False,
        )
    ],
)
@fail_in_words
def taxi_zones(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.MaterializeResult:
    """TLC's 265 taxi zones with borough, place and shape. Source: TLC's lookup table and shapefile."""
    from taxi_assets.ingestion import publish_month, shared_files

    lookup, shapes = shared_files.zone_files(settings)
    zones = publish_month.publish_zones(warehouse, lookup, shapes, context.run.run_id)
    return dg.MaterializeResult(
        metadata={"dagster/row_count": zones},
        check_results=[dg.AssetCheckResult(passed=zones >= 265, metadata={"zones": zones})],
    )


_TABLES = (
    dg.AssetSpec(
        "raw_trips",
        deps=[taxi_zones],  # old files have coordinates instead of zone ids: the zones' shapes map them
        description="Every row of TLC's monthly files, with canonical column names and types.",
        freshness_policy=RAW_TRIPS_FRESHNESS,
        kinds={"duckdb", "parquet"},
        **_table_options("raw_trips"),
    ),
    dg.AssetSpec(
        "clean_trips",
        deps=["raw_trips"],
        description="Plausible trips. `rejected_trips` has the others, with all columns and the rule each one breaks.",
        kinds={"duckdb", "sql"},
        **_table_options("clean_trips"),
    ),
    dg.AssetSpec(
        "trip_features",
        deps=["clean_trips", taxi_zones],
        description="Features of each clean trip, known at pickup, and its duration.",
        kinds={"duckdb", "sql"},
        **_table_options("trip_features"),
    ),
)


@monthly_assets(
    name="published_months",
    specs=_TABLES,
    check_specs=[*(check for spec in _TABLES for check in suite_checks(spec.key.to_user_string())), QUARANTINE_CHECK],
)
def published_months(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> Iterator[AssetEvent]:
    """Publishes the run's months: a month's three tables appear together or not at all."""
    try:
        yield from report_months(context, warehouse)
    except dg.Failure:
        yield quarantine_check(warehouse)
        raise
    yield quarantine_check(warehouse)

"""Assets from TLC's files to features. Rules and columns belong in `quality` and `warehouse`."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from taxi_assets.defs.asset_metadata import AssetEvent, column_schema, fail_in_words, report_months
from taxi_assets.defs.checks import check_spec, suite_checks
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.ingestion.checks import RAW_TRIPS_FRESHNESS
from taxi_assets.defs.ingestion.source_files import QUARANTINE_CHECK, quarantine_check
from taxi_assets.defs.partitions import monthly_asset
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

_COMMON: dict[str, Any] = {"group_name": "ingestion", "owners": ["team:data"]}


@dg.asset(
    **_COMMON,
    code_version=code_version("taxi_zones"),
    kinds={"duckdb", "csv"},
    metadata=column_schema("taxi_zones"),
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
    from taxi_assets.ingestion import publishing
    from taxi_assets.tlc import tlc_source

    lookup, shapes = tlc_source.ensure_zone_files(settings.tlc_source, settings.landing)
    zones = publishing.publish_zones(warehouse, lookup, shapes, context.run.run_id)
    return dg.MaterializeResult(
        metadata={"dagster/row_count": zones},
        check_results=[dg.AssetCheckResult(passed=zones >= 265, metadata={"zones": zones})],
    )


@monthly_asset(
    **_COMMON,
    code_version=code_version("raw_trips"),
    kinds={"duckdb", "parquet"},
    freshness_policy=RAW_TRIPS_FRESHNESS,
    deps=[taxi_zones],  # old files have coordinates instead of zone ids: the zones' shapes map them
    metadata=column_schema("raw_trips"),
    check_specs=[*suite_checks("raw_trips"), QUARANTINE_CHECK],
)
def raw_trips(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> Iterator[AssetEvent]:
    """Every row of TLC's monthly files, with canonical column names and types."""
    from taxi_assets.ingestion.ingest import ingest_month

    try:
        yield from report_months(context, warehouse, ingest_month)
    except dg.Failure:
        yield quarantine_check(warehouse)
        raise
    yield quarantine_check(warehouse)


@monthly_asset(
    **_COMMON,
    code_version=code_version("clean_trips"),
    kinds={"duckdb", "sql"},
    deps=[raw_trips],
    metadata=column_schema("clean_trips"),
    check_specs=suite_checks("clean_trips"),
)
def clean_trips(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> Iterator[AssetEvent]:
    """Plausible trips. All others are in `rejected_trips`, with all columns and the rule each one breaks."""
    from taxi_assets.ingestion.publishing import publish_clean

    yield from report_months(context, warehouse, publish_clean)


@monthly_asset(
    **_COMMON,
    code_version=code_version("trip_features"),
    kinds={"duckdb", "sql"},
    deps=[clean_trips, taxi_zones],
    metadata=column_schema("trip_features"),
    check_specs=suite_checks("trip_features"),
)
def trip_features(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> Iterator[AssetEvent]:
    """Features of each clean trip, known at pickup, and its duration."""
    from taxi_assets.ingestion.publishing import publish_features

    yield from report_months(context, warehouse, publish_features)

"""Is the month still like those the model learned from? How drift is measured is not said here."""

import dagster as dg

from taxi_assets.defs.ingestion.assets import trip_features
from taxi_assets.defs.partitions import MONTHS, earlier_months_and_own
from taxi_assets.defs.reporting import column_schema, picture
from taxi_assets.defs.training.assets import duration_model
from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.months import Month
from taxi_assets.settings import Settings


@dg.asset(
    partitions_def=MONTHS,
    group_name="monitoring",
    owners=["team:ml"],
    code_version="1",
    kinds={"duckdb", "sql"},
    deps=[dg.AssetDep(trip_features, partition_mapping=earlier_months_and_own()), duration_model],
    metadata=column_schema("drift_reports"),
    check_specs=[dg.AssetCheckSpec("the_month_is_like_those_before", asset="drift_report")],
)
def drift_report(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.MaterializeResult:
    """How far each feature, and the duration, moved against the months before: population stability index."""
    from taxi_assets import plots
    from taxi_assets.monitoring import drift_reports as monitoring

    report = monitoring.report_drift(settings, warehouse, Month.parse(context.partition_key), context.run.run_id)
    return dg.MaterializeResult(
        metadata={
            "verdict": report.verdict,
            "dagster/row_count": len(report.features),
            "plot": picture(plots.draw_drift(report), "Drift by feature"),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=report.verdict != "drifted",
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"verdict": report.verdict},
            )
        ],
    )

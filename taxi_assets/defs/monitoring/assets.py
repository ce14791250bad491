"""The drift report of a month. Drift is measured in `monitoring`."""

import dagster as dg

from taxi_assets.defs.asset_metadata import column_schema, fail_in_words, float_metadata, report_metadata
from taxi_assets.defs.checks import check_spec
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.monitoring.drift_page import drift_page_metadata
from taxi_assets.defs.partitions import MONTHS, earlier_months_and_own
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


@dg.asset(
    partitions_def=MONTHS,
    group_name="monitoring",
    owners=["team:ml"],
    code_version=code_version("drift_report"),
    kinds={"duckdb", "sql"},
    deps=[dg.AssetDep(table, partition_mapping=earlier_months_and_own()) for table in ("raw_trips", "trip_features")],
    metadata=column_schema("drift_reports"),
    check_specs=[
        check_spec(
            "the_month_is_like_those_before",
            "drift_report",
            "The drift verdict is stable or watch, not retrain or fix data",
            "warning",
        )
    ],
)
@fail_in_words
def drift_report(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.MaterializeResult:
    """Drift of the month from the champion's training months, with a verdict and its reasons.

    The verdict is stable, watch, retrain or fix data. Limits come from the training months: without drift, an alarm
    comes once in a set number of months.
    """
    from taxi_assets.monitoring.drift.drift_reports import report_drift
    from taxi_assets.plots.month_plots import draw_drift

    month = Month.parse(context.partition_key)
    report = report_drift(settings, warehouse, month, context.run.run_id)
    farthest = report.features[0]
    facts = {"verdict": report.verdict, "facts": ". ".join(report.facts)}
    return dg.MaterializeResult(
        metadata={
            **report_metadata(settings, "drift_report", month, facts, {"drift_by_feature": draw_drift(report)}),
            **drift_page_metadata(settings, warehouse, report),
            "verdict": report.verdict,
            "facts": dg.MetadataValue.md("\n".join(f"- {fact}" for fact in report.facts)),
            "max_psi": float_metadata(max(each.psi for each in report.features)),
            "most_drifted_feature": farthest.name,
            "dagster/row_count": len(report.features),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=not report.is_alarm,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"verdict": report.verdict},
            )
        ],
    )

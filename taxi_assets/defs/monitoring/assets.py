"""The drift report of a month. Drift is measured in `monitoring`."""

import dagster as dg

from taxi_assets.defs.asset_metadata import column_schema, fail_in_words, float_metadata, report_metadata
from taxi_assets.defs.checks import check_spec
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.partitions import MONTHS, earlier_months_and_own
from taxi_assets.defs.training.assets import duration_model
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


@dg.asset(
    partitions_def=MONTHS,
    group_name="monitoring",
    owners=["team:ml"],
    code_version=code_version("drift_report"),
    kinds={"duckdb", "sql"},
    deps=[dg.AssetDep("trip_features", partition_mapping=earlier_months_and_own()), duration_model],
    metadata=column_schema("drift_reports"),
    check_specs=[
        check_spec(
            "the_month_is_like_those_before",
            "drift_report",
            "No feature's population stability index reaches 0.25 against the months the model was trained on",
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
    """Population stability index of each feature and of the duration, against the months before."""
    from taxi_assets.monitoring import drift_reports as monitoring
    from taxi_assets.plots.month_plots import draw_drift

    month = Month.parse(context.partition_key)
    report = monitoring.report_drift(settings, warehouse, month, context.run.run_id)
    farthest = report.features[0]
    facts = {"verdict": report.verdict, "most_drifted_feature": farthest.name, "max_psi": f"{farthest.psi:.3f}"}
    return dg.MaterializeResult(
        metadata={
            **report_metadata(settings, "drift_report", month, facts, {"drift_by_feature": draw_drift(report)}),
            "verdict": report.verdict,
            "max_psi": float_metadata(farthest.psi),
            "most_drifted_feature": farthest.name,
            "dagster/row_count": len(report.features),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=report.verdict != "drifted",
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"verdict": report.verdict},
            )
        ],
    )

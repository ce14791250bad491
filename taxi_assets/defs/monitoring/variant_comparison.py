"""The comparison of variants on live traffic. It is computed in `monitoring`."""

import dagster as dg

from taxi_assets.defs.asset_metadata import column_schema, fail_in_words, plots_metadata
from taxi_assets.defs.checks import check_spec, table_metadata
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.serving.prediction_log import feedback_log, prediction_log
from taxi_assets.warehouse.connection import Warehouse


@dg.asset(
    group_name="monitoring",
    owners=["team:ml"],
    code_version=code_version("variant_comparison"),
    kinds={"duckdb", "sql"},
    deps=[prediction_log, feedback_log],
    metadata=column_schema("variant_comparisons"),
    check_specs=[
        check_spec(
            "no_variant_is_worse_than_the_champion",
            "variant_comparison",
            "The confidence sequence of no challenger or shadow says that its errors are larger",
            "warning",
            is_monthly=False,
        )
    ],
)
@fail_in_words
def variant_comparison(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult:
    """Errors of challengers and shadows against the champion's, with intervals valid at every sample size."""
    from taxi_assets.monitoring.variant_comparison import compare_variants, record_comparisons
    from taxi_assets.plots.variant_plot import draw_variants

    comparisons = compare_variants(warehouse)
    record_comparisons(warehouse, comparisons, context.run.run_id)
    rows = [
        {
            "variant": each.variant,
            "model_version": each.model_version,
            "rides": each.rides,
            "champion_rides": each.champion_rides,
            "rmse_minutes": round(each.rmse, 3),
            "champion_rmse_minutes": round(each.champion_rmse, 3),
            "compared": "on the same rides" if each.is_paired else "on rides of other riders",
            "verdict": each.verdict,
        }
        for each in comparisons
    ]
    worse = ", ".join(each.variant for each in comparisons if each.verdict == "worse")
    return dg.MaterializeResult(
        metadata={
            "variants": len(comparisons),
            **({"comparisons": table_metadata(rows)} if rows else {}),
            **({"pictures": plots_metadata({"variants": draw_variants(comparisons)})} if comparisons else {}),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=not worse, severity=dg.AssetCheckSeverity.WARN, metadata={"worse": worse or "none"}
            )
        ],
    )

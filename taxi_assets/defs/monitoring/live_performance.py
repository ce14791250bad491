"""Errors on live traffic by day, with a control chart. They are measured in `monitoring`."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from taxi_assets.defs.asset_metadata import column_schema, fail_in_words, report_metadata
from taxi_assets.defs.checks import check_spec, table_metadata
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.serving.prediction_log import feedback_log, prediction_log
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_DAYS = 14


@dg.asset(
    group_name="monitoring",
    owners=["team:ml"],
    code_version=code_version("live_performance"),
    kinds={"duckdb", "python"},
    deps=[prediction_log, feedback_log],
    metadata=column_schema("live_performance"),
    check_specs=[
        check_spec(
            "live_error_is_inside_its_limits",
            "live_performance",
            "The champion's newest charted day is inside the limits that its own evaluation month gives, by itself and "
            "with the days before",
            "warning",
            is_monthly=False,
        )
    ],
)
@fail_in_words
def live_performance(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.MaterializeResult:
    """Errors and interval coverage on live traffic by day, variant, version and slice.

    They need feedback. `expected_rmse` estimates the error of each day from its intervals, also without feedback.
    """
    from taxi_assets.monitoring.live_flag import newest_flag
    from taxi_assets.monitoring.live_performance import read_live_performance, update_live_performance
    from taxi_assets.plots.live_plots import draw_estimates, draw_live_errors

    days = update_live_performance(settings, warehouse, context.run.run_id)
    table = read_live_performance(warehouse)
    shown: dict[str, Any] = {"measured_days": ", ".join(map(str, days)) or "none has new predictions or feedback"}
    if len(table):
        records = _newest_days(table)
        pictures = {"error_by_day": draw_live_errors(table), "estimate_and_measurement": draw_estimates(table)}
        shown |= report_metadata(settings, "live_performance", None, records[0], pictures)
        shown |= {"dagster/row_count": len(table), "newest_days": table_metadata(records)}
    with warehouse.reading() as connection:
        flagged = newest_flag(connection)
    return dg.MaterializeResult(
        metadata=shown,
        check_results=[
            dg.AssetCheckResult(
                passed=flagged is None,
                severity=dg.AssetCheckSeverity.WARN,
                description=flagged.text if flagged else None,
            )
        ],
    )


def _newest_days(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """The newest overall rows, newest first; missing figures are empty texts."""
    from taxi_assets.evaluation.performance_slices import OVERALL

    own = table[table["slice"] == OVERALL].sort_values(["day", "predictions"], ascending=False).head(_SHOWN_DAYS)
    counted = ["variant", "model_version", "predictions", "rides"]
    measured = ["rmse", "bias", "expected_rmse", "control_low", "control_high"]
    return [
        {"day": f"{row['day']:%Y-%m-%d}"}
        | {name: row[name] for name in counted}
        | {name: "" if row[name] != row[name] else round(row[name], 3) for name in measured}
        for row in own.to_dict("records")
    ]

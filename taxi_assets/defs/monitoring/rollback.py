"""The watch of a new champion on live traffic. It is decided on in `monitoring`."""

import dagster as dg

from taxi_assets.defs.asset_metadata import column_schema, fail_in_words
from taxi_assets.defs.checks import check_spec
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.serving.prediction_log import feedback_log, prediction_log
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


@dg.asset(
    group_name="monitoring",
    owners=["team:ml"],
    code_version=code_version("rollback"),
    kinds={"duckdb", "bentoml", "mlflow"},
    deps=[prediction_log, feedback_log],  # not on reports: a failed one must not prevent a rollback
    metadata=column_schema("champion_changes"),
    check_specs=[
        check_spec(
            "no_champion_was_rolled_back",
            "rollback",
            "The watched champion is not worse than the champion before it on the rides that both predicted",
            "warning",
            is_monthly=False,
        )
    ],
)
@fail_in_words
def rollback(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.MaterializeResult:
    """Rolls a new champion back if it is worse on live traffic than the champion before, which shadows it.

    The routing before is restored, and MLflow's alias with it. The version is not promoted again. Without such a
    finding the watch ends after `TAXI_WATCH_RIDES` rides with feedback, or after seven days.
    """
    from taxi_assets.monitoring.champion_watch import watch_champion

    outcome = watch_champion(settings, warehouse, "asset rollback", context.run.run_id)
    context.log.info(f"{outcome.state.replace('_', ' ')}: {outcome.reason}")
    watch = outcome.watch
    figures = {"champion": watch.champion, "previous_champion": watch.previous, "rides": watch.rides} if watch else {}
    is_kept = outcome.state != "rolled_back"
    return dg.MaterializeResult(
        metadata={"state": outcome.state.replace("_", " "), "reason": outcome.reason, **figures},
        check_results=[
            dg.AssetCheckResult(
                passed=is_kept, severity=dg.AssetCheckSeverity.WARN, description=None if is_kept else outcome.reason
            )
        ],
    )

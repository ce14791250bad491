"""The code location that Dagster loads. It lists the modules of `defs/` that have definitions."""

import warnings
from types import ModuleType

import dagster as dg

from taxi_assets.settings import Settings
from taxi_assets.settings.environment import isolate

# Intended: an ingestion run takes several months, a training run takes one.
_EXPECTED_WARNING = "Asset job train_month materializes assets with varying BackfillPolicies"


def build(settings: Settings) -> dg.Definitions:
    """Build the platform's definitions with these settings."""
    with warnings.catch_warnings():
        for unfinished in (dg.PreviewWarning, dg.BetaWarning):  # of checks by partition and of backfill policies
            warnings.simplefilter("ignore", unfinished)
        warnings.filterwarnings("ignore", _EXPECTED_WARNING, UserWarning)
        from taxi_assets.defs import jobs, maintenance
        from taxi_assets.defs.ingestion import assets as ingestion
        from taxi_assets.defs.ingestion import checks as freshness
        from taxi_assets.defs.ingestion import sensors, tlc_polling
        from taxi_assets.defs.mlflow_resource import mlflow_resource
        from taxi_assets.defs.monitoring import alerts, live_performance, performance, rollback, variant_comparison
        from taxi_assets.defs.monitoring import assets as monitoring
        from taxi_assets.defs.monitoring import checks as unfinished_months
        from taxi_assets.defs.resources import platform_resources
        from taxi_assets.defs.serving import assets as serving
        from taxi_assets.defs.serving import prediction_log
        from taxi_assets.defs.training import approval, retraining, tuning
        from taxi_assets.defs.training import assets as training

        flow = (
            ingestion,
            freshness,
            sensors,
            tlc_polling,
            retraining,
            training,
            approval,
            tuning,
            serving,
            prediction_log,
        )
        monitored = (monitoring, unfinished_months, performance, live_performance, variant_comparison, rollback, alerts)
        resources = {**platform_resources(settings), "mlflow": mlflow_resource(settings)}
        definitions = dg.load_definitions_from_modules(
            (*flow, *monitored, *_on_request(settings), jobs, maintenance),
            resources=resources,
            executor=dg.in_process_executor,
        )
        definitions.resolve_all_job_defs()  # here, since Dagster warns when it resolves a job
    return definitions


def _on_request(settings: Settings) -> list[ModuleType]:
    """Modules whose sensors exist only with their setting, so that nothing ticks without it."""
    if settings.openlineage_url is None:
        return []
    from taxi_assets.defs.monitoring import run_lineage

    return [run_lineage]


# Here, since Dagster's code servers and run workers load this module first.
isolate(within_dagster=True)
defs = build(Settings())

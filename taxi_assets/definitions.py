"""The code location that Dagster loads. Its definitions are under `defs/`."""

import dagster as dg

from taxi_assets.defs.ingestion import assets as ingestion
from taxi_assets.defs.ingestion.freshness import FRESHNESS_SCHEDULES, check_freshness, no_month_is_overdue
from taxi_assets.defs.jobs import JOBS
from taxi_assets.defs.maintenance import MAINTENANCE_JOBS, SCHEDULES
from taxi_assets.defs.mlflow_resource import mlflow_resource
from taxi_assets.defs.monitoring import assets as monitoring
from taxi_assets.defs.sensors import SENSORS
from taxi_assets.defs.serving import assets as serving
from taxi_assets.defs.tlc_polling import tlc_polling_sensor
from taxi_assets.defs.training import assets as training
from taxi_assets.defs.training import tuning
from taxi_assets.defs.unfinished_months import every_month_is_finished
from taxi_assets.settings import Settings, isolate
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["build", "defs"]


def build(settings: Settings) -> dg.Definitions:
    """Build the platform's definitions with these settings."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules([ingestion, training, tuning, monitoring, serving]),
        asset_checks=[no_month_is_overdue, every_month_is_finished],
        jobs=(*JOBS, *MAINTENANCE_JOBS, check_freshness),
        schedules=(*SCHEDULES, *FRESHNESS_SCHEDULES),
        sensors=(*SENSORS, tlc_polling_sensor),
        resources={
            "settings": settings,
            "warehouse": Warehouse(settings),
            "mlflow": mlflow_resource(settings),
        },
        executor=dg.in_process_executor,
    )


# Here, since Dagster's code servers and run workers load this module first.
isolate(within_dagster=True)
defs = build(Settings())

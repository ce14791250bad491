"""The code location that Dagster loads. It finds its definitions in `defs/`."""

import warnings
from pathlib import Path

import dagster as dg

from taxi_assets.settings import Settings, isolate

__all__ = ["build", "defs"]

# Intended: an ingestion run takes several months, a training run takes one.
_EXPECTED_WARNING = "Asset job train_month materializes assets with varying BackfillPolicies"


def build(settings: Settings) -> dg.Definitions:
    """Build the platform's definitions with these settings."""
    from taxi_assets.defs.mlflow_resource import mlflow_resource
    from taxi_assets.defs.resources import platform_resources

    # It also silences Dagster's warnings about preview and beta features as it imports the modules.
    found = dg.load_from_defs_folder(path_within_project=Path(__file__))
    resources = {**platform_resources(settings), "mlflow": mlflow_resource(settings)}
    definitions = dg.Definitions.merge(found, dg.Definitions(resources=resources, executor=dg.in_process_executor))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _EXPECTED_WARNING, UserWarning)
        definitions.resolve_all_job_defs()  # here, since Dagster warns when it resolves a job
    return definitions


# Here, since Dagster's code servers and run workers load this module first.
isolate(within_dagster=True)
defs = build(Settings())

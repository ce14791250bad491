"""The jobs: which assets go together in a run. One process a run, which is the fast way here (docs/decisions)."""

import warnings

import dagster as dg

__all__ = ["JOBS", "ingest_months", "train_month"]

# It is so on purpose: ingestion takes stretches of months in a run, training one month.
warnings.filterwarnings(
    "ignore", "Asset job train_month materializes assets with varying BackfillPolicies", UserWarning
)

_INGESTION = dg.AssetSelection.groups("ingestion")

_TUNING = dg.AssetSelection.assets("model_tuning")

ingest_months = dg.define_asset_job(
    "ingest_months",
    selection=_INGESTION,
    executor_def=dg.in_process_executor,
    description="Take months in: files to raw trips, clean trips and features. Any stretch of months in one run.",
)

train_month = dg.define_asset_job(
    "train_month",
    selection=dg.AssetSelection.all() - _TUNING,
    executor_def=dg.in_process_executor,
    description="Take one month in, train on those before it, score on it, and serve the champion.",
)

tune = dg.define_asset_job(
    "tune",
    selection=_TUNING,
    executor_def=dg.in_process_executor,
    description="Look for better parameters within a budget of trials and seconds, on the months before one.",
)

JOBS = (ingest_months, train_month, tune)

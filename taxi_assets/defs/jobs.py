"""Jobs: the assets of one run, executed in one process (fastest here: see docs/decisions)."""

import warnings

import dagster as dg

__all__ = ["JOBS", "ingest_months", "train_month"]

# Intended: an ingestion run takes several months, a training run takes one.
warnings.filterwarnings(
    "ignore", "Asset job train_month materializes assets with varying BackfillPolicies", UserWarning
)

_INGESTION = dg.AssetSelection.groups("ingestion")

_TUNING = dg.AssetSelection.assets("model_tuning")

ingest_months = dg.define_asset_job(
    "ingest_months",
    selection=_INGESTION,
    executor_def=dg.in_process_executor,
    description="Ingest months: files to raw trips, clean trips and features. One run takes any number of months.",
)

train_month = dg.define_asset_job(
    "train_month",
    selection=dg.AssetSelection.all() - _TUNING,
    executor_def=dg.in_process_executor,
    description="Ingest one month, train on the months before it, score on it, and package the champion.",
)

tune = dg.define_asset_job(
    "tune",
    selection=_TUNING,
    executor_def=dg.in_process_executor,
    description="Tune parameters within a budget of trials and seconds, on the months before the partition's.",
)

JOBS = (ingest_months, train_month, tune)

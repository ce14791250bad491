"""Jobs: the assets of one run, executed in one process (fastest here: see docs/decisions)."""

import dagster as dg

_INGESTION = dg.AssetSelection.groups("ingestion")

_TUNING = dg.AssetSelection.assets("model_tuning")

_PREDICTIONS = dg.AssetSelection.assets(
    "prediction_log", "feedback_log", "daily_serving_summary", "variant_comparison", "live_performance", "rollback"
)

ingest_months = dg.define_asset_job(
    "ingest_months",
    selection=_INGESTION,
    description="Ingest months: files to raw trips, clean trips and features. One run takes any number of months.",
)

train_month = dg.define_asset_job(
    "train_month",
    selection=dg.AssetSelection.all() - _TUNING - _PREDICTIONS,
    description="Ingest one month, train on the months before it, score on it, package and deploy the champion.",
)

tune = dg.define_asset_job(
    "tune",
    selection=_TUNING,
    description="Tune parameters within a budget of trials and seconds, on the months before the partition's.",
)

ingest_predictions = dg.define_asset_job(
    "ingest_predictions",
    selection=_PREDICTIONS,
    description="Take sealed segments of the endpoint's logs into the warehouse, summarise days, compare variants, "
    "measure errors, roll back a worse champion.",
)

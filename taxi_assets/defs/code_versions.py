"""Code versions of assets: digests of their source files, so that Dagster shows stale assets."""

from taxi_assets.ingestion.ingestion_sources import CLEAN_TRIPS_SOURCES, RAW_TRIPS_SOURCES, TRIP_FEATURES_SOURCES
from taxi_assets.registry.code_revision import source_digest
from taxi_assets.training.training_sources import TRAINING_SOURCES

_INGESTED_LOG = (
    "serving/prediction_log/ingest_log.py",
    "serving/prediction_log/log_tables.py",
    "serving/prediction_log/segments.py",
)

# Sources of an asset's own step only: once it is made again, Dagster marks the assets after it as stale.
ASSET_SOURCES: dict[str, tuple[str, ...]] = {
    "taxi_zones": ("ingestion/taxi_zones.py",),
    "raw_trips": RAW_TRIPS_SOURCES,
    "clean_trips": CLEAN_TRIPS_SOURCES,
    "trip_features": TRIP_FEATURES_SOURCES,
    "retraining": (
        "monitoring/retraining.py",
        "monitoring/record_retraining.py",
        "monitoring/champion_error_growth.sql",
    ),
    "duration_model": (*TRAINING_SOURCES, "training/training_window.py", "defs/training/training_config.py"),
    "model_evaluation": (
        "evaluation/*.py",
        "training/conditions.py",
        "training/evaluation_scope.py",
        "training/intervals.py",
        "training/scored_trips.sql",
    ),
    "champion_model": ("promotion/*.py", "promotion/*.sql"),
    "duration_bento": ("serving/*.py", "serving/deployments/*.py", "serving/endpoint/*.py", "serving/packaging/*.py"),
    "deployment": (
        "serving/champion_deployment.py",
        "serving/deployment_client.py",
        "serving/deployments/deployment_changes.py",
        "serving/deployments/model_checks.py",
    ),
    "prediction_log": (*_INGESTED_LOG, "serving/prediction_log/prediction_record.py"),
    "feedback_log": (*_INGESTED_LOG, "serving/prediction_log/feedback_record.py"),
    "daily_serving_summary": ("serving/prediction_log/daily_*",),
    "variant_comparison": ("monitoring/variant_*", "monitoring/confidence_sequence.py"),
    "champion_performance": (
        "monitoring/champion_performance.py",
        "evaluation/coverage.py",
        "evaluation/metrics.py",
        "evaluation/performance_slices.py",
    ),
    "rollback": ("monitoring/champion_watch.py", "monitoring/rollback_policy.py", "monitoring/variant_*"),
    "live_performance": (
        "monitoring/live_*",
        "monitoring/control_chart.py",
        "evaluation/metrics.py",
        "evaluation/performance_slices.py",
    ),
    "drift_report": ("monitoring/drift/*.py", "monitoring/drift/*.sql"),
    "model_tuning": ("training/tuning.py", "training/conditions.py", *TRAINING_SOURCES),
}


def code_version(asset: str) -> str:
    """The first 12 hexadecimal digits of the digest of the asset's sources."""
    return source_digest(*ASSET_SOURCES[asset])[:12]

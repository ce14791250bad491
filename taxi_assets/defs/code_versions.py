"""Code versions of assets: digests of their source files, so that Dagster shows stale assets."""

from taxi_assets.registry.code_revision import source_digest
from taxi_assets.training.training_sources import TRAINING_SOURCES

_RAW_TRIPS_SOURCES = (
    *("tlc/columns.py", "tlc/contract.py", "tlc/projection.py", "tlc/local_time.py", "ingestion/canonical_rows.py"),
    *("ingestion/casting.py", "ingestion/csv_lines.py", "ingestion/text_lines.py", "ingestion/row_stream.py"),
    *("ingestion/file_times.py", "ingestion/file_columns.py", "ingestion/point_zones.py"),
    *("ingestion/unreadable_values.py", "ingestion/raw_trips.sql"),
)
# Sources of an asset's own step only: once it is made again, Dagster marks the assets after it as stale.
ASSET_SOURCES: dict[str, tuple[str, ...]] = {
    "taxi_zones": ("ingestion/taxi_zones.py",),
    "raw_trips": _RAW_TRIPS_SOURCES,
    "clean_trips": ("quality/cleaning_rules.py", "ingestion/clean_trips.sql", "ingestion/rejected_trips.sql"),
    "trip_features": ("features/trip_features.py", "features/trip_features.sql", "tlc/local_time.py"),
    "duration_model": (*TRAINING_SOURCES, "training/training_window.py", "defs/training/training_config.py"),
    "model_evaluation": (
        "evaluation/*.py",
        "training/conditions.py",
        "training/evaluation_scope.py",
        "training/intervals.py",
        "training/scored_trips.sql",
    ),
    "champion_model": ("promotion/*.py", "promotion/*.sql"),
    "duration_bento": ("serving/*.py",),
    "drift_report": ("monitoring/drift.py", "monitoring/drift_counts.sql"),
    "model_tuning": ("training/tuning.py", "training/conditions.py", *TRAINING_SOURCES),
}


def code_version(asset: str) -> str:
    """The first 12 hexadecimal digits of the digest of the asset's sources."""
    return source_digest(*ASSET_SOURCES[asset])[:12]

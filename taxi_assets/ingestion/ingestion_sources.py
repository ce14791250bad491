"""Source files of a month's rows and checks, for code versions and the digest of a publication."""

from functools import cache

from taxi_assets.registry.code_revision import source_digest

RAW_TRIPS_SOURCES = (
    *("tlc/columns.py", "tlc/contract.py", "tlc/projection.py", "tlc/local_time.py", "ingestion/canonical_rows.py"),
    *("ingestion/casting.py", "ingestion/csv_lines.py", "ingestion/text_lines.py", "ingestion/row_stream.py"),
    *("ingestion/file_times.py", "ingestion/file_columns.py", "ingestion/point_zones.py"),
    *("ingestion/unreadable_values.py", "ingestion/lake_files.py"),
)
CLEAN_TRIPS_SOURCES = (
    *("quality/cleaning_rules.py", "ingestion/rejections.sql", "ingestion/possible_duplicates.py"),
    "ingestion/kept_trips.sql",
)
TRIP_FEATURES_SOURCES = ("features/trip_features.py", "features/trip_features.sql", "tlc/local_time.py")
_CHECKS = ("quality/suites/*.py", "quality/suite_metrics.py", "ingestion/table_checks.py", "ingestion/completeness.py")


@cache
def publication_code() -> str:
    """A digest of the code that makes and checks a month's rows."""
    return source_digest(*RAW_TRIPS_SOURCES, *CLEAN_TRIPS_SOURCES, *TRIP_FEATURES_SOURCES, *_CHECKS)

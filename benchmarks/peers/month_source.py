"""Names and types of the columns, the month's file and the zones' places, for every peer."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from taxi_assets.months import Month
from taxi_assets.quality.cleaning_rules import THRESHOLDS

TABLES = ("raw_trips", "rejected_trips", "clean_trips", "trip_features")
SERVICE = "yellow"

TRIP = ["pickup_at", "dropoff_at", "pickup_zone_id", "dropoff_zone_id", "trip_distance_miles"]
NEEDED = TRIP[:4]
KEY = ["service", "month", "source_row"]
CLEAN = [*KEY, *NEEDED, "passenger_count", "trip_distance_miles", "duration_minutes"]
FEATURES = [
    *(*KEY, "pickup_at", "pickup_zone_id", "dropoff_zone_id", "passenger_count"),
    *("hour_of_week", "minute_of_day", "day_of_week", "day_of_year", "month_of_year"),
    *("is_holiday", "is_holiday_eve", "is_after_holiday", "zone_distance_miles", "is_same_zone", "duration_minutes"),
]
_OPTIONAL = ("passenger_count", "zone_distance_miles")
ALWAYS_PRESENT = [name for name in FEATURES if name not in (*KEY, *_OPTIONAL)]
LONGEST, SHORTEST = THRESHOLDS["longest_minutes"], THRESHOLDS["shortest_minutes"]
ZONES, MPH = THRESHOLDS["zones"], THRESHOLDS["fastest_mph"]


def month_path(source: Path, month: Month) -> Path:
    from taxi_assets.tlc.month_file import file_name

    return source / file_name(SERVICE, month)


def month_bounds(month: Month) -> tuple[datetime, datetime]:
    first, end = month.first_day, month.plus(1).first_day
    return datetime(first.year, first.month, 1), datetime(end.year, end.month, 1)


def canonical_names(path: Path) -> Mapping[str, str]:
    """The canonical name of each column of the file, in the file's order."""
    import pyarrow.parquet as pq

    from taxi_assets.tlc.contract import map_columns

    names = pq.read_schema(path).names
    canonical = {published: name for name, published in map_columns(names).known.items()}
    return {name: canonical[name] for name in names if name in canonical}


def canonical_types() -> Mapping[str, str]:
    from taxi_assets.tlc.columns import RAW_COLUMNS

    return {column.name: column.type for column in RAW_COLUMNS}


def zone_places(source: Path) -> Mapping[int, tuple[float | None, float | None]]:
    from taxi_assets.ingestion.taxi_zones import read_zones

    zones = read_zones(source / "taxi_zone_lookup.csv", source / "taxi_zones.zip")
    return {zone["zone_id"]: (zone["x_miles"], zone["y_miles"]) for zone in zones}

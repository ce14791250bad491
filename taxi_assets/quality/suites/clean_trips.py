"""Expectations for clean trips: every row passes every cleaning rule."""

from taxi_assets.quality.cleaning_rules import THRESHOLDS
from taxi_assets.quality.suites.suite import (
    BETWEEN,
    IDENTITY,
    IN_MONTH,
    IN_SET,
    PLAUSIBLE_DURATION,
    REQUIRED_COLUMNS,
    SECONDS,
    TRIP_COLUMNS,
    UNIQUE,
    Suite,
    TableCheck,
    all_present,
    error,
    is_true,
    on_the_map,
    warning,
)

__all__ = ["CLEAN_TRIPS"]

CLEAN_TRIPS = Suite(
    "clean_trips",
    (
        *IDENTITY,
        error(
            "trips_are_complete",
            "Every trip has both times, both zones and a duration",
            IN_SET,
            **is_true("is_complete"),
        ),
        error(
            "pickup_zones_are_on_the_map",
            "Every pickup_zone_id is a TLC zone id, 1-265",
            BETWEEN,
            **on_the_map("pickup_zone_id"),
        ),
        error(
            "dropoff_zones_are_on_the_map",
            "Every dropoff_zone_id is a TLC zone id, 1-265",
            BETWEEN,
            **on_the_map("dropoff_zone_id"),
        ),
        error(
            "pickups_are_in_their_month",
            "Every pickup is in the file's month",
            IN_SET,
            **is_true("is_in_month"),
        ),
        error("durations_are_plausible", "Every trip lasts 1 to 180 minutes", BETWEEN, **PLAUSIBLE_DURATION),
        error(
            "durations_match_their_times",
            "Every duration is the time from pickup to drop-off in minutes, to the second",
            BETWEEN,
            column="duration_error_minutes",
            max_value=1 / 60,
            strict_max=True,
        ),
        error(
            "speeds_are_possible",
            f"Every metered distance needs at most {THRESHOLDS['fastest_mph']} mph on average",
            IN_SET,
            **is_true("is_possible_speed"),
        ),
        error(
            "trips_are_not_repeated",
            "Every trip picked up in the first second of a minute occurs once",
            UNIQUE,
            column="sampled_trip",
            min_value=1,
        ),
        warning(
            "distances_are_not_negative",
            "Every metered distance is 0 miles or more",
            BETWEEN,
            column="trip_distance_miles",
            min_value=0,
        ),
        warning(
            "passenger_counts_are_plausible",
            "At least 95 % of the passenger counts are 1 to 6",
            BETWEEN,
            column="passenger_count",
            min_value=1,
            max_value=6,
            mostly=0.95,
        ),
    ),
    {
        "is_complete": all_present(*REQUIRED_COLUMNS, "duration_minutes"),
        "is_in_month": IN_MONTH,
        "duration_error_minutes": f"abs(duration_minutes - {SECONDS} / 60.0)",
        "is_possible_speed": f"trip_distance_miles <= {THRESHOLDS['fastest_mph']} * duration_minutes / 60",
        "sampled_trip": f"CASE WHEN second(pickup_at) = 0 THEN hash({TRIP_COLUMNS}) END",
    },
    (
        TableCheck(
            "kept_and_rejected_are_raw",
            "error",
            "Every row of the file is either a clean trip or a rejected one, never both",
        ),
    ),
)

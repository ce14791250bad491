"""Expectations for clean trips: every row passes every cleaning rule."""

from taxi_assets.quality.cleaning_rules import THRESHOLDS
from taxi_assets.quality.suites.suite import (
    EVERY_TRIP_IS_VALID,
    IDENTITY,
    IN_MONTH,
    PASSENGER_COUNTS,
    REQUIRED_COLUMNS,
    SAMPLED_TRIP,
    SECONDS,
    Kind,
    Suite,
    TableCheck,
    all_present,
    error,
    is_true,
    warning,
)

CLEAN_TRIPS = Suite(
    "clean_trips",
    (
        *IDENTITY,
        error(
            "trips_are_complete",
            "Every trip has both times, both zones and a duration",
            Kind.IN_SET,
            **is_true("is_complete"),
        ),
        *EVERY_TRIP_IS_VALID,
        error(
            "durations_match_their_times",
            "Every duration is the time from pickup to drop-off in minutes, to the second",
            Kind.BETWEEN,
            column="duration_error_minutes",
            max_value=1 / 60,
            strict_max=True,
        ),
        error(
            "speeds_are_possible",
            f"Every metered distance needs at most {THRESHOLDS['fastest_mph']} mph on average",
            Kind.IN_SET,
            **is_true("is_possible_speed"),
        ),
        error(
            "trips_are_not_repeated",
            "Every trip picked up in the first second of a minute occurs once",
            Kind.UNIQUE,
            column="sampled_trip",
            min_value=1,
        ),
        warning(
            "distances_are_not_negative",
            "Every metered distance is 0 miles or more",
            Kind.BETWEEN,
            column="trip_distance_miles",
            min_value=0,
        ),
        PASSENGER_COUNTS,
    ),
    {
        "is_complete": all_present(*REQUIRED_COLUMNS, "duration_minutes"),
        "is_in_month": IN_MONTH,
        **SECONDS,
        "duration_error_minutes": "abs(duration_minutes - duration_seconds / 60.0)",
        "is_possible_speed": f"trip_distance_miles <= {THRESHOLDS['fastest_mph']} * duration_minutes / 60",
        "sampled_trip": SAMPLED_TRIP,
    },
    (
        TableCheck(
            "kept_and_rejected_are_raw",
            "error",
            "Every row of the file is either a clean trip or a rejected one, never both",
        ),
    ),
)

"""Expectations for a month of TLC's raw trips. Figures in comments: 48 green months, 2020-2025."""

from taxi_assets.quality.suites.suite import (
    IDENTITY,
    IN_MONTH,
    PASSENGER_COUNTS,
    PLAUSIBLE_DURATION,
    REQUIRED_COLUMNS,
    SAMPLED_TRIP,
    SECONDS,
    Expectation,
    Kind,
    Suite,
    TableCheck,
    all_present,
    error,
    is_true,
    on_the_map,
    warning,
)


def _mostly_present(name: str, column: str) -> Expectation:
    # TLC's files have all of these; with a fifth missing, the rest does not represent the month.
    return error(name, f"At least 80 % of the rows have {column}", Kind.PRESENT, column=column, mostly=0.8)


def _mostly_on_the_map(name: str, column: str) -> Expectation:
    description = f"At least 95 % of the values of {column} are TLC zone ids, 1-265"
    return error(name, description, Kind.BETWEEN, **on_the_map(column), mostly=0.95)


_ERRORS = (
    *IDENTITY,
    _mostly_present("pickup_times_are_present", "pickup_at"),
    _mostly_present("dropoff_times_are_present", "dropoff_at"),
    _mostly_present("pickup_zones_are_present", "pickup_zone_id"),
    _mostly_present("dropoff_zones_are_present", "dropoff_zone_id"),
    _mostly_on_the_map("pickup_zones_are_on_the_map", "pickup_zone_id"),
    _mostly_on_the_map("dropoff_zones_are_on_the_map", "dropoff_zone_id"),
    error(  # 0.9991 or more
        "pickups_are_in_their_month",
        "At least 90 % of the pickups are in the file's month",
        Kind.IN_SET,
        **is_true("is_in_month"),
        mostly=0.9,
    ),
    error(  # 0.950 to 0.981
        "durations_are_plausible",
        "At least 80 % of the trips last 1 to 180 minutes",
        Kind.BETWEEN,
        **PLAUSIBLE_DURATION,
        mostly=0.8,
    ),
    error(  # 11.3 to 15.2
        "median_duration_is_plausible",
        "The median trip lasts 4 to 45 minutes; in another unit it would not",
        Kind.MEDIAN,
        column="duration_minutes",
        min_value=4,
        max_value=45,
    ),
)

_WARNINGS = (
    warning(
        "trips_are_complete",
        "At least 99 % of the rows have both times and both zones",
        Kind.IN_SET,
        **is_true("is_complete"),
        mostly=0.99,
    ),
    warning(
        "every_day_has_pickups",
        "At least 28 days of the month have pickups: the file is not cut short",
        Kind.DISTINCT,
        column="pickup_day",
        min_value=28,
    ),
    warning(  # 208 or more
        "many_zones_have_pickups",
        "Trips start in at least 50 zones",
        Kind.DISTINCT,
        column="pickup_zone_id",
        min_value=50,
    ),
    warning(  # 0.993 or more
        "dropoffs_follow_pickups",
        "At least 99 % of the trips end after they start",
        Kind.BETWEEN,
        column="duration_minutes",
        min_value=0,
        strict_min=True,
        mostly=0.99,
    ),
    warning(
        "trips_are_not_repeated",
        "At least 99 % of the trips picked up in the first second of a minute occur once",
        Kind.UNIQUE,
        column="sampled_trip",
        min_value=0.99,
    ),
    warning(  # 0.930 to 0.973; the others are mostly 0
        "distances_are_plausible",
        "At least 90 % of the distances are over 0 and up to 100 miles",
        Kind.BETWEEN,
        column="trip_distance_miles",
        min_value=0,
        strict_min=True,
        max_value=100,
        mostly=0.9,
    ),
    warning(  # 0.564 or more; in kilometres 0.28 or less, for yellow trips 0.425
        "speeds_are_in_miles_per_hour",
        "At least 43 % of the mean speeds are 4 to 14 mph; with distances in kilometres they would not be",
        Kind.BETWEEN,
        column="speed_mph",
        min_value=4,
        max_value=14,
        mostly=0.43,
    ),
    warning(  # 0.864 or more since 2022, 0.52 to 0.58 before
        "passenger_counts_are_present",
        "At least 85 % of the rows have passenger_count",
        Kind.PRESENT,
        column="passenger_count",
        mostly=0.85,
    ),
    PASSENGER_COUNTS,
    warning(  # 0.996 or more; the others are refunds
        "fares_are_not_negative",
        "At least 99 % of the fares are 0 or more",
        Kind.BETWEEN,
        column="fare_usd",
        min_value=0,
        mostly=0.99,
    ),
    warning(
        "payment_types_are_known",
        "At least 99.9 % of the payment types are in TLC's data dictionary, 0-6",
        Kind.IN_SET,
        column="payment_type_id",
        value_set=(0, 1, 2, 3, 4, 5, 6),
        mostly=0.999,
    ),
    warning(
        "rate_codes_are_known",
        "At least 99.9 % of the rate codes are in TLC's data dictionary, 1-6, or 99 for unknown",
        Kind.IN_SET,
        column="rate_code_id",
        value_set=(1, 2, 3, 4, 5, 6, 99),
        mostly=0.999,
    ),
)

RAW_TRIPS = Suite(
    "raw_trips",
    (*_ERRORS, *_WARNINGS),
    {
        **SECONDS,
        "duration_minutes": "duration_seconds / 60.0",
        "is_in_month": IN_MONTH,
        "is_complete": all_present(*REQUIRED_COLUMNS),
        "pickup_day": f"CASE WHEN {IN_MONTH} THEN day(pickup_at) END",
        "speed_mph": "CASE WHEN duration_seconds > 0 THEN trip_distance_miles * 3600 / duration_seconds END",
        "sampled_trip": SAMPLED_TRIP,
    },
    (
        TableCheck(
            "every_row_of_the_file_is_there",
            "error",
            "The month has as many rows as the file: by its parquet footer, or its lines that are not blank",
        ),
        TableCheck(
            "times_are_new_yorks_clock",
            "warning",
            "The file's times are New York local time, as TLC writes them; none was converted from a time zone",
        ),
        TableCheck(
            "columns_are_those_of_the_month_before",
            "warning",
            "The file has the columns of the nearest earlier month in the warehouse, under the same names",
        ),
        TableCheck(
            "no_large_part_of_the_month_is_missing",
            "error",
            "Rows, days, hours, distances, fares and zone ids are at least 90 % of the month's published ones, days "
            "and hours 80 % of those of nearby months; a file with less waits for `taxi files accept`",
        ),
        TableCheck(
            "rows_are_like_those_of_months_nearby",
            "warning",
            "The month has at least half the rows of the available months within two months of it",
        ),
    ),
)

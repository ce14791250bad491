"""Expectations for trip features: complete, in range, and consistent with their trip."""

from taxi_assets.quality.suites.suite import (
    EVERY_TRIP_IS_VALID,
    IDENTITY,
    IN_MONTH,
    Expectation,
    Kind,
    Suite,
    all_present,
    error,
    is_true,
    warning,
)

_ALWAYS_PRESENT = (
    "pickup_at",
    "pickup_zone_id",
    "dropoff_zone_id",
    "hour_of_week",
    "minute_of_day",
    "day_of_week",
    "day_of_year",
    "month_of_year",
    "is_holiday",
    "is_holiday_eve",
    "is_after_holiday",
    "is_same_zone",
    "duration_minutes",
)
_CALENDAR = {
    "hour_of_week": "(isodow(pickup_at) - 1) * 24 + hour(pickup_at)",
    "minute_of_day": "hour(pickup_at) * 60 + minute(pickup_at)",
    "day_of_week": "isodow(pickup_at) - 1",
    "day_of_year": "dayofyear(pickup_at)",
    "month_of_year": "month(pickup_at)",
}


def _in_range(name: str, column: str, lowest: int, highest: int) -> Expectation:
    description = f"Every {column} is {lowest} to {highest}"
    return error(name, description, Kind.BETWEEN, column=column, min_value=lowest, max_value=highest)


TRIP_FEATURES = Suite(
    "trip_features",
    (
        *IDENTITY,
        error(
            "features_are_complete",
            "Every trip has every feature, except passenger_count and zone_distance_miles",
            Kind.IN_SET,
            **is_true("is_complete"),
        ),
        *EVERY_TRIP_IS_VALID,
        _in_range("hours_of_week_are_in_range", "hour_of_week", 0, 167),
        _in_range("minutes_of_day_are_in_range", "minute_of_day", 0, 1439),
        _in_range("days_of_week_are_in_range", "day_of_week", 0, 6),
        _in_range("days_of_year_are_in_range", "day_of_year", 1, 366),
        _in_range("months_of_year_are_in_range", "month_of_year", 1, 12),
        error(
            "calendar_matches_pickup_times",
            "Every hour of the week, minute, day and month is that of the pickup",
            Kind.IN_SET,
            **is_true("is_true_calendar"),
        ),
        error(
            "same_zone_flags_match_zones",
            "is_same_zone is true if and only if pickup and drop-off zone are the same",
            Kind.IN_SET,
            **is_true("is_true_same_zone"),
        ),
        error(
            "zone_distances_are_plausible",
            "Every known zone_distance_miles is 0 to 40: TLC's farthest two zones lie 33 apart",
            Kind.BETWEEN,
            column="zone_distance_miles",
            min_value=0,
            max_value=40,
        ),
        warning(  # 0.98 or more on real months; unknown for zones without a shape
            "zone_distances_are_known",
            "At least 95 % of the trips have zone_distance_miles",
            Kind.PRESENT,
            column="zone_distance_miles",
            mostly=0.95,
        ),
        warning(
            "most_days_are_no_holidays",
            "At most 30 % of the trips are on holidays",
            Kind.IN_SET,
            column="is_holiday",
            value_set=(False,),
            mostly=0.7,
        ),
    ),
    {
        "is_complete": all_present(*_ALWAYS_PRESENT),
        "is_in_month": IN_MONTH,
        "is_true_calendar": " AND ".join(f"{column} = {value}" for column, value in _CALENDAR.items()),
        "is_true_same_zone": "is_same_zone = (pickup_zone_id = dropoff_zone_id)",
    },
)

"""Names of the columns that the model takes, in their order; needs no NumPy."""

from collections.abc import Mapping

ROW_FEATURES: Mapping[str, str] = {
    "hour_of_week": "0 is Monday 00:00-00:59, 167 is Sunday 23:00-23:59",
    "minute_of_day": "minutes since midnight, 0-1439",
    "day_of_week": "0 is Monday, 6 is Sunday",
    "day_of_year": "1 is January 1st",
    "month_of_year": "1 is January",
    "is_holiday": "a public holiday in New York",
    "is_holiday_eve": "the day before a public holiday",
    "is_after_holiday": "the day after a public holiday",
    "zone_distance_miles": "straight line between the zones' centroids; missing if a zone has no location",
    "is_same_zone": "starts and ends in the same zone",
}

MODEL_INPUTS = ("service_id", "pickup_at", "pickup_zone_id", "dropoff_zone_id", *ROW_FEATURES)

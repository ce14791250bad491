"""What the model may know of a trip when it starts: the calendar of its pickup and the places of its zones.

The warehouse derives the same columns in `sql/trip_features.sql`; a test sends the same trips both ways. What is only
known once the trip is over may not become a feature: `POST_TRIP_FIELDS` names it and a test watches.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_assets.months import SERVICES
from taxi_assets.tlc.local_time import existing_time

__all__ = [
    "MODEL_INPUTS",
    "POST_TRIP_FIELDS",
    "ROW_FEATURES",
    "SERVICE_IDS",
    "ZONES",
    "TripColumns",
    "ZoneMap",
    "holiday_dates",
    "row_features",
]

ZONES = 266  # TLC's ids run from 1 to 265; tables are indexed by the id itself
SERVICE_IDS: Mapping[str, int] = {service: number for number, service in enumerate(SERVICES)}
HOLIDAY_YEARS = range(2008, 2051)

POST_TRIP_FIELDS = (
    "dropoff_at",
    "duration",
    "distance_miles",
    "trip_distance",
    "fare",
    "tip",
    "tolls",
    "total",
    "payment",
    "surcharge",
    "extra",
    "tax",
    "fee",
    "rate_code",
    "speed",
    "store_and_forward",
    "driver_pay",
    "trip_time",
    "trip_seconds",
    "black_car_fund",
    "shared_match",
    "shared_ride",
    "ride_time",
)

ROW_FEATURES: Mapping[str, str] = {
    "hour_of_week": "0 is Monday midnight to one, 167 Sunday eleven to midnight",
    "minute_of_day": "minutes since midnight, 0-1439",
    "day_of_week": "0 is Monday, 6 is Sunday",
    "day_of_year": "1 is January 1st",
    "month_of_year": "1 is January",
    "is_holiday": "a public holiday in New York",
    "is_holiday_eve": "the day before one",
    "is_after_holiday": "the day after one",
    "zone_distance_miles": "straight line between the zones' centroids; missing where a zone has no place",
    "is_same_zone": "starts and ends in the same zone",
}

MODEL_INPUTS = ("service_id", "pickup_at", "pickup_zone_id", "dropoff_zone_id", *ROW_FEATURES)

TripColumns = Mapping[str, NDArray[Any]]


@cache
def holiday_dates() -> tuple[date, ...]:
    """New York's public holidays, as the `holidays` package knows them."""
    import holidays

    return tuple(sorted(holidays.country_holidays("US", subdiv="NY", years=HOLIDAY_YEARS)))


@cache
def _holidays() -> tuple[np.datetime64, NDArray[np.bool_]]:
    """A first day, and whether it and each day after it is a holiday.

    The outermost two days are none, and stand for all beyond them.
    """
    dates = np.array(holiday_dates(), "datetime64[D]")
    first = dates[0] - 1
    flags = np.zeros((dates[-1] - first).astype(np.int64) + 2, bool)
    flags[(dates - first).astype(np.int64)] = True
    return first, flags


@dataclass(frozen=True)
class ZoneMap:
    """ZoneGeometry of the zones, indexed by zone id: shape (266,), missing as NaN, boroughs as small integers."""

    x_miles: NDArray[np.float64]
    y_miles: NDArray[np.float64]
    area_square_miles: NDArray[np.float64]
    borough: NDArray[np.int64]
    is_airport: NDArray[np.bool_]


def row_features(trips: TripColumns, zones: ZoneMap) -> dict[str, NDArray[np.generic]]:
    """The features of each trip.

    Args:
        trips: `pickup_at` (datetime64, New York local time; one in an hour the clocks skip is taken an hour later),
            `pickup_zone_id`, `dropoff_zone_id`; shape (n,) each.
        zones: Where the zones are.

    Returns:
        One array of shape (n,) for each name of `ROW_FEATURES`, in that order.
    """
    starts, ends = trips["pickup_zone_id"].astype(np.int64), trips["dropoff_zone_id"].astype(np.int64)
    east, north = zones.x_miles[starts] - zones.x_miles[ends], zones.y_miles[starts] - zones.y_miles[ends]
    return {
        **_calendar(existing_time(trips["pickup_at"])),
        "zone_distance_miles": np.hypot(east, north),
        "is_same_zone": starts == ends,
    }


def _calendar(pickup_at: NDArray[np.datetime64]) -> dict[str, NDArray[np.generic]]:
    day = pickup_at.astype("datetime64[D]")
    minute = (pickup_at - day).astype("timedelta64[m]").astype(np.int64)
    day_of_week = (day.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    first, holidays = _holidays()
    number = (day - first).astype(np.int64)
    return {
        "hour_of_week": day_of_week * 24 + minute // 60,
        "minute_of_day": minute,
        "day_of_week": day_of_week,
        "day_of_year": (day - day.astype("datetime64[Y]")).astype(np.int64) + 1,
        "month_of_year": day.astype("datetime64[M]").astype(np.int64) % 12 + 1,
        "is_holiday": holidays.take(number, mode="clip"),
        "is_holiday_eve": holidays.take(number + 1, mode="clip"),
        "is_after_holiday": holidays.take(number - 1, mode="clip"),
    }

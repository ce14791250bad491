"""Features known at the pickup: the calendar and the places of the zones.

`trip_features.sql` derives the same columns in the warehouse; a test compares the two on the same trips. Fields known
only after the trip must not become features: `POST_TRIP_FIELDS` names them, and a test refuses them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_assets.tlc.local_time import existing_time
from taxi_assets.tlc.services import SERVICES

ZONES = 266  # TLC's zone ids run from 1 to 265; arrays are indexed by the id itself
SERVICE_IDS: Mapping[str, int] = {service: number for number, service in enumerate(SERVICES)}
HOLIDAY_YEARS = range(2008, 2051)
# In a Bento only: the package takes 70 ms of the endpoint's start.
PACKAGED_HOLIDAYS = Path(__file__).with_name("holiday_dates.json")

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

TripColumns = Mapping[str, NDArray[Any]]


@cache
def holiday_dates() -> tuple[date, ...]:
    """New York's public holidays, from the `holidays` package or, in a Bento, from the file made of it."""
    if PACKAGED_HOLIDAYS.is_file():
        return tuple(map(date.fromisoformat, json.loads(PACKAGED_HOLIDAYS.read_bytes())))
    import holidays

    return tuple(sorted(holidays.country_holidays("US", subdiv="NY", years=HOLIDAY_YEARS)))


@cache
def _holidays() -> tuple[np.datetime64, NDArray[np.bool_]]:
    """First day of the calendar, and a flag per day from it on: is it a holiday.

    The first and the last day are no holidays, so that `take(mode="clip")` gives False beyond the calendar.
    """
    dates = np.array(holiday_dates(), "datetime64[D]")
    first = dates[0] - 1
    flags = np.zeros((dates[-1] - first).astype(np.int64) + 2, bool)
    flags[(dates - first).astype(np.int64)] = True
    return first, flags


@dataclass(frozen=True)
class ZoneMap:
    """Zones as arrays indexed by zone id, shape (266,); missing values are NaN, boroughs small integers."""

    x_miles: NDArray[np.float64]
    y_miles: NDArray[np.float64]
    area_square_miles: NDArray[np.float64]
    borough: NDArray[np.int64]
    is_airport: NDArray[np.bool_]


def row_features(trips: TripColumns, zones: ZoneMap) -> dict[str, NDArray[np.generic]]:
    """Computes the features of each trip.

    Args:
        trips: `pickup_at` (datetime64, New York local time; a time the clocks skip is taken an hour later),
            `pickup_zone_id`, `dropoff_zone_id`; shape (n,) each.
        zones: Locations of the zones.

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

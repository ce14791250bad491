"""Rows of `raw_trips` for tests that write their tables themselves."""

from datetime import date, datetime, timedelta
from typing import Any

Row = dict[str, Any]

MARCH = date(2023, 3, 1)
KEY: Row = {"service": "green", "month": MARCH}
NINE = datetime(2023, 3, 14, 9, 0)


def trip(number: int = 0, minutes: float = 15, **other: Any) -> Row:
    """A raw trip that breaks no rule; keyword arguments replace columns."""
    begins = other.get("pickup_at", NINE)
    return {
        **KEY,
        "source_row": number,
        "pickup_at": begins,
        "dropoff_at": begins and begins + timedelta(minutes=minutes),
        "pickup_zone_id": 74,
        "dropoff_zone_id": 75,
        "trip_distance_miles": 2.5,
        **other,
    }

"""Reads pickup times and computes drop-off times, in New York time."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise

from taxi_assets.features.trip_features import HOLIDAY_YEARS
from taxi_assets.tlc.local_time import NEW_YORK

# A ride on New Year's Eve needs the next year's holidays, and one on New Year's Day the previous year's.
YEARS = HOLIDAY_YEARS[1:-1]
TIME = "a date and time such as 2023-03-01T08:30, in New York time unless an offset such as Z follows"
_YEARS = f"a time of the years {YEARS[0]} to {YEARS[-1]}, whose holidays are known"
_NO_YEAR = re.compile(r"[+-]?(0000|\d{5,})-|-\d{4}-")  # years that Python's dates do not support


def read_pickup_time(value: object) -> tuple[datetime, tuple[str, ...]]:
    """Parse a time.

    Returns:
        The New York time without an offset, which exists, and a note if the clocks skip it or show it twice.

    Raises:
        ValueError: it is no time with a date, or its holidays are unknown; the message describes the allowed times.
    """
    # Ten characters are a date alone, which Python would read as midnight.
    if not isinstance(value, str) or len(value) <= 10:
        raise ValueError(TIME)
    if _NO_YEAR.match(value):
        raise ValueError(_YEARS)
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(TIME) from None
    # Conversion overflows for the first and last years that Python supports.
    has_offset = time.tzinfo is not None
    if has_offset and YEARS[0] - 1 <= time.year <= YEARS[-1] + 1:
        time = time.astimezone(NEW_YORK).replace(tzinfo=None)
    if time.year not in YEARS:
        raise ValueError(_YEARS)
    return (time, ()) if has_offset or (time.month, time.day) not in _days_of_change() else _existing(time)


def dropoff_time(pickup_at: datetime, minutes: float) -> datetime:
    """The end of a ride in New York time, with its offset, to the second."""
    start = pickup_at.replace(tzinfo=NEW_YORK).astimezone(UTC)
    return (start + timedelta(minutes=minutes)).astimezone(NEW_YORK).replace(microsecond=0)


def _existing(time: datetime) -> tuple[datetime, tuple[str, ...]]:
    """The existing time, and a note if the clocks skip the given time or show it twice."""
    first, second = (time.replace(tzinfo=NEW_YORK, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return time, ()
    utc = first.astimezone(UTC)
    existing = utc.astimezone(NEW_YORK).replace(tzinfo=None)
    given, in_utc = _minutes(time), f"{_minutes(utc)}Z"
    if existing != time:
        return existing, (f"pickup_at: New York's clocks skip {given}; it is read as {_minutes(existing)} ({in_utc})",)
    other = second.isoformat(timespec="minutes")
    return existing, (
        f"pickup_at: New York's clocks show {given} twice; it is read as the first ({in_utc}); "
        f"write {other} for the second",
    )


@cache
def _days_of_change() -> frozenset[tuple[int, int]]:
    """Month and day of every date on which New York's clocks change in any of `YEARS`."""
    months = [datetime(year, month, 1, tzinfo=NEW_YORK) for year in YEARS for month in range(1, 13)]
    # First the months, then the days of those with a change: a fifth of the time of all days.
    ends = [*months[1:], datetime(YEARS[-1] + 1, 1, 1, tzinfo=NEW_YORK)]
    changing = [month for month, end in zip(months, ends, strict=True) if month.utcoffset() != end.utcoffset()]
    days = [[month + timedelta(days=number) for number in range(32)] for month in changing]
    pairs = (pair for month in days for pair in pairwise(month))
    return frozenset((day.month, day.day) for day, after in pairs if day.utcoffset() != after.utcoffset())


def _minutes(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M}"

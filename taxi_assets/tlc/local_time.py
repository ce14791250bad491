"""New York local time, in which TLC writes its times, and elapsed time.

Clocks skip an hour in spring and repeat one in autumn, so elapsed time is not the difference of local times.

- Skipped hour: 02:30 is the same instant as 03:30, as on a clock that was not put forward.
- Repeated hour: a time has two readings. A trip takes the shorter one: a drop-off before its pickup is in the second
  hour. A single time is in the first hour.

`macros` defines the same for DuckDB. A test compares both with `zoneinfo`.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

NEW_YORK = ZoneInfo("America/New_York")
_YEARS = range(1970, 2100)  # other years have no known clock changes: their times are compared as they are
_HOUR = np.timedelta64(3600, "s")
_STANDARD = 5 * _HOUR  # New York's standard time is this far behind UTC

Times = NDArray[np.datetime64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def elapsed_seconds(pickup_at: NDArray[Any], dropoff_at: NDArray[Any]) -> Ints:
    """Elapsed seconds between local times, shape (n,); negative if the drop-off is first."""
    start, end = _seconds(pickup_at), _seconds(dropoff_at)
    change = _autumn(start)
    is_second_start = (start >= change) | ((start >= change - _HOUR) & (end >= change))
    change = _autumn(end)
    is_second_end = (end >= change) | ((end >= change - _HOUR) & (end < start))
    is_summer = [(start >= _spring(start)) & ~is_second_start, (end >= _spring(end)) & ~is_second_end]
    return (end - start + _HOUR * is_summer[0].astype(np.int64) - _HOUR * is_summer[1].astype(np.int64)).astype(
        np.int64
    )


def has_two_readings(pickup_at: NDArray[Any], dropoff_at: NDArray[Any]) -> Bools:
    """True if one end is in the repeated hour: the trip may be an hour longer than `elapsed_seconds`."""
    return np.asarray(
        (is_repeated(pickup_at) | is_repeated(dropoff_at)) & (_seconds(dropoff_at) >= _seconds(pickup_at))
    )


def utc_seconds(local: NDArray[Any], repeated: str = "first") -> Ints:
    """Seconds since 1970 of local times, shape (n,).

    Args:
        local: datetime64, New York local time.
        repeated: Reading of a time in the repeated hour, `first` or `second`.
    """
    times = _seconds(local)
    change = _autumn(times) - (_HOUR if repeated == "second" else 0 * _HOUR)
    is_summer = (times >= _spring(times)) & ~(times >= change)
    return (times + _STANDARD - _HOUR * is_summer.astype(np.int64)).astype(np.int64)


def local_time(seconds: Ints) -> Times:
    """New York local times, to the second, of seconds since 1970; shape (n,)."""
    standard: Times = np.asarray(seconds, np.int64).astype("datetime64[s]") - _STANDARD  # type: ignore[assignment]
    is_summer = (standard >= _spring(standard) - _HOUR) & ~(standard >= _autumn(standard) - _HOUR)
    return np.asarray(standard + _HOUR * is_summer.astype(np.int64))


def existing_time(local: NDArray[Any]) -> Times:
    """Moves local times in a skipped hour one hour forward; shape (n,)."""
    times = _seconds(local)
    change = _spring(times)
    return times + _HOUR * ((times >= change - _HOUR) & (times < change)).astype(np.int64)


def is_repeated(local: NDArray[Any]) -> Bools:
    """True for each local time in an hour that the clocks show twice."""
    times = _seconds(local)
    change = _autumn(times)
    return np.asarray((times >= change - _HOUR) & (times < change))


@cache
def macros() -> tuple[str, ...]:
    """DuckDB macros: `elapsed_seconds`, `has_two_readings`, `existing_time` and their helpers.

    Each takes columns of local times like the function of the same name; a missing time gives NULL.
    """
    springs, autumns = (changes[1:-1].astype("datetime64[us]").astype(np.int64).tolist() for changes in _changes())
    hour = 3_600_000_000  # in microseconds: DuckDB compares these much faster than it adds intervals
    return (
        f"spring_change(local) AS {springs}[year(local) - {_YEARS[0] - 1}]",
        f"autumn_change(local) AS {autumns}[year(local) - {_YEARS[0] - 1}]",
        f"is_repeated(local) AS epoch_us(local) >= autumn_change(local) - {hour} "
        "AND epoch_us(local) < autumn_change(local)",
        "is_summer(local, is_second) AS coalesce(epoch_us(local) >= spring_change(local) "
        f"AND epoch_us(local) < autumn_change(local) - CASE WHEN is_second THEN {hour} ELSE 0 END, FALSE)",
        # Most trips are far from a change: that both of their times are on the same side is found in half the time.
        f"is_away_from_changes(local) AS year(local) BETWEEN 2007 AND {_YEARS[-1]} AND month(local) NOT IN (3, 11)",
        "is_summer_month(local) AS month(local) BETWEEN 4 AND 10",
        "elapsed_seconds(pickup, dropoff) AS date_diff('second', pickup, dropoff) + CASE "
        "WHEN is_away_from_changes(pickup) AND is_away_from_changes(dropoff) "
        "AND is_summer_month(pickup) = is_summer_month(dropoff) THEN 0 "
        "ELSE 3600 * (is_summer(pickup, epoch_us(dropoff) >= autumn_change(pickup))::INTEGER "
        "- is_summer(dropoff, dropoff < pickup)::INTEGER) END",
        "has_two_readings(pickup, dropoff) AS dropoff >= pickup AND (is_repeated(pickup) OR is_repeated(dropoff))",
        f"existing_time(local) AS CASE WHEN is_away_from_changes(local) THEN local "
        f"WHEN epoch_us(local) >= spring_change(local) - {hour} "
        "AND epoch_us(local) < spring_change(local) THEN local + INTERVAL 1 HOUR ELSE local END",
    )


def _seconds(local: NDArray[Any]) -> Times:
    return np.asarray(local).astype("datetime64[s]")


def _spring(times: Times) -> Times:
    """The end of the skipped hour in the year of each time; NaT if unknown."""
    return _changes()[0][_year_index(times)]


def _autumn(times: Times) -> Times:
    """The end of the repeated hour in the year of each time; NaT if unknown."""
    return _changes()[1][_year_index(times)]


def _year_index(times: Times) -> Ints:
    years = times.astype("datetime64[Y]").astype(np.int64) + 1970
    return np.clip(years - (_YEARS[0] - 1), 0, len(_YEARS) + 1)


@cache
def _changes() -> tuple[Times, Times]:
    """Clock changes by year, local time; the first and last are NaT, for all other years."""
    springs, autumns = (np.full(len(_YEARS) + 2, "NaT", "datetime64[s]") for _ in range(2))
    months = [datetime(year, month, 1, tzinfo=UTC) for year in _YEARS for month in range(1, 13)]
    for low, high in zip(months, [*months[1:], datetime(_YEARS[-1] + 1, 1, 1, tzinfo=UTC)], strict=True):
        if _offset(low) != _offset(high):
            change = _first_hour(low, high)
            later = max(_offset(low), _offset(high))
            changes = springs if _offset(high) == later else autumns
            changes[low.year - _YEARS[0] + 1] = np.datetime64((change + later).replace(tzinfo=None), "s")
    return springs, autumns


def _first_hour(low: datetime, high: datetime) -> datetime:
    """The first hour after `low` with the offset of `high`."""
    while high - low > timedelta(hours=1):
        middle = low + (high - low) // timedelta(hours=2) * timedelta(hours=1)
        low, high = (middle, high) if _offset(middle) == _offset(low) else (low, middle)
    return high


def _offset(at: datetime) -> timedelta:
    return at.astimezone(NEW_YORK).utcoffset() or timedelta()

"""Cleaning on the nights of clock changes: durations are elapsed time."""

from datetime import date, datetime

import pytest
from raw_rows import KEY, Row, trip
from sample_lake import clean_month


@pytest.fixture
def clean(memory, put):
    """Cleans one trip: its rejection reason, None if it is kept, and its minutes."""

    def clean(row: Row) -> tuple[str | None, float]:
        put(memory, "raw_trips", row)
        key = {name: row[name] for name in KEY}
        clean_month(memory, key)
        all_trips = "SELECT NULL AS reason, * FROM clean_trips UNION ALL BY NAME SELECT * FROM rejected_trips"
        (found,) = memory.execute(f"SELECT reason, duration_minutes FROM ({all_trips})").fetchall()
        return found

    return clean


def test_a_trip_over_the_skipped_hour_lasts_its_elapsed_time(clean) -> None:
    """A real trip: 66.7 minutes on the clock."""
    begin, end = datetime(2023, 3, 12, 1, 57, 8), datetime(2023, 3, 12, 3, 3, 52)
    reason, minutes = clean(trip(pickup_at=begin, dropoff_at=end, trip_distance_miles=1.2))
    assert (reason, minutes) == (None, pytest.approx(6 + 44 / 60))


@pytest.mark.parametrize(
    ("begin", "end", "miles", "reason", "minutes"),
    [
        ("2023-11-05T01:58:21", "2023-11-05T01:04:20", 1.2, None, 5 + 59 / 60),  # ends in the second hour
        ("2023-11-05T01:32:20", "2023-11-05T01:45:17", 2.67, None, 12 + 57 / 60),
        ("2023-11-05T01:55:16", "2023-11-05T02:10:52", 4.57, None, 15.6),  # begins in the second hour
        ("2023-11-05T00:50:21", "2023-11-05T01:01:55", 2.06, None, 11 + 34 / 60),  # ends in the first hour
        ("2023-11-05T00:50:00", "2023-11-05T02:10:00", 9.0, None, 140),
        ("2023-11-05T01:40:46", "2023-11-05T01:41:14", 6.5, "clock_change_ambiguous", 28 / 60),  # a real trip
        ("2023-11-05T01:07:24", "2023-11-05T01:07:29", 0.08, "duration_too_short", 5 / 60),
        ("2023-11-05T01:10:00", "2023-11-05T01:20:00", 500.0, "speed_impossible", 10),  # by either reading
        ("2023-11-05T01:10:00", "2023-11-05T03:11:00", 170.0, "speed_impossible", 121),  # the longer breaks a rule
        ("2023-11-05T02:10:00", "2023-11-05T01:20:00", 3.0, "duration_too_short", -50),
    ],
)
def test_ambiguous_times_are_read_by_the_possible_duration(
    clean, begin: str, end: str, miles: float, reason: str | None, minutes: float
) -> None:
    times = {"pickup_at": datetime.fromisoformat(begin), "dropoff_at": datetime.fromisoformat(end)}
    found = clean(trip(month=date(2023, 11, 1), trip_distance_miles=miles, **times))
    assert found == (reason, pytest.approx(minutes))


def test_a_metered_speed_uses_elapsed_time(clean) -> None:
    """20 miles from 01:50 to 03:01 are impossible: eleven minutes elapse."""
    begin, end = datetime(2023, 3, 12, 1, 50), datetime(2023, 3, 12, 3, 1)
    assert clean(trip(pickup_at=begin, dropoff_at=end, trip_distance_miles=20))[0] == "speed_impossible"

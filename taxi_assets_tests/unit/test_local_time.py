"""Elapsed time on New York's clock: SQL, NumPy and `zoneinfo` agree."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taxi_assets.tlc.local_time import (
    NEW_YORK,
    elapsed_seconds,
    existing_time,
    has_two_readings,
    is_repeated,
    local_time,
    utc_seconds,
)
from taxi_assets.warehouse.connection import define_macros

# Midnight before each kind of clock change, under old and new laws.
NIGHTS = [
    datetime(2023, 3, 12),
    datetime(2023, 11, 5),
    datetime(1974, 1, 6),
    datetime(2006, 10, 29),
    datetime(2040, 11, 4),
]
FIRST, LAST = datetime(1970, 1, 1), datetime(2099, 12, 31)

near_changes = st.builds(
    lambda night, seconds: night + timedelta(seconds=seconds), st.sampled_from(NIGHTS), st.integers(-7200, 6 * 3600)
)
times = near_changes | st.datetimes(FIRST, LAST).map(lambda time: time.replace(microsecond=0))
nearby = st.builds(
    lambda begin, seconds: (begin, begin + timedelta(seconds=seconds)), near_changes, st.integers(-9000, 9000)
)
trips = st.lists(nearby | st.tuples(times, times), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        define_macros(connection)
        connection.execute("CREATE TABLE trips (number INTEGER, p TIMESTAMP, d TIMESTAMP)")
        yield connection


def by_sql(duck: duckdb.DuckDBPyConnection, trips: list[tuple[Any, Any]], what: str) -> list[Any]:
    duck.execute("DELETE FROM trips")
    duck.executemany("INSERT INTO trips VALUES (?, ?, ?)", [(number, *trip) for number, trip in enumerate(trips)])
    return [row[0] for row in duck.execute(f"SELECT {what} FROM trips ORDER BY number").fetchall()]


def readings(local: datetime) -> set[float]:
    """The instants a local time may mean, in seconds since 1970, by `zoneinfo`."""
    folds = [local.replace(tzinfo=NEW_YORK, fold=fold).timestamp() for fold in (0, 1)]
    return {folds[0]} if folds[0] >= folds[1] else set(folds)  # in a skipped hour the first is the later


def by_zoneinfo(pickup: datetime, dropoff: datetime) -> float:
    spans = [end - begin for begin, end in product(readings(pickup), readings(dropoff))]
    return min(spans, key=lambda span: (span < 0, abs(span)))


def arrays(trips: list[tuple[datetime, datetime]]) -> tuple[np.ndarray, np.ndarray]:
    pickup, dropoff = (np.array(each, "datetime64[us]") for each in zip(*trips, strict=True))
    return pickup, dropoff


@given(trips=trips)
@example(trips=[(datetime(2023, 3, 12, 1, 57, 8), datetime(2023, 3, 12, 3, 3, 52))])
@example(trips=[(datetime(2022, 11, 6, 1, 58, 21), datetime(2022, 11, 6, 1, 4, 20))])
@example(trips=[(datetime(2023, 11, 5, 1, 30), datetime(2023, 11, 5, hour, 30)) for hour in (0, 1, 2)])
def test_elapsed_time_agrees_with_zoneinfo(duck, trips: list[tuple[datetime, datetime]]) -> None:
    expected = [by_zoneinfo(*trip) for trip in trips]
    assert elapsed_seconds(*arrays(trips)).tolist() == expected
    assert by_sql(duck, trips, "elapsed_seconds(p, d)") == expected


@given(trips=trips)
def test_two_readings_exist_where_zoneinfo_has_two_after_the_pickup(
    duck, trips: list[tuple[datetime, datetime]]
) -> None:
    """More than one duration is possible and not negative, and the local times are in order."""
    expected = [
        len({end - begin for begin, end in product(readings(p), readings(d)) if end >= begin}) > 1 and d >= p
        for p, d in trips
    ]
    assert has_two_readings(*arrays(trips)).tolist() == expected
    assert by_sql(duck, trips, "has_two_readings(p, d)") == expected


@given(times=st.lists(times, min_size=1, max_size=20))
def test_single_times_agree_with_zoneinfo(duck, times: list[datetime]) -> None:
    local = np.array(times, "datetime64[us]")
    assert utc_seconds(local).tolist() == [min(readings(time)) for time in times]
    assert utc_seconds(local, repeated="second").tolist() == [max(readings(time)) for time in times]
    assert is_repeated(local).tolist() == [len(readings(time)) > 1 for time in times]
    existing = [
        time.replace(tzinfo=NEW_YORK).astimezone(UTC).astimezone(NEW_YORK).replace(tzinfo=None) for time in times
    ]
    assert existing_time(local).tolist() == existing
    assert by_sql(duck, [(time, time) for time in times], "existing_time(p)") == existing
    assert local_time(utc_seconds(local)).tolist() == existing


@pytest.mark.parametrize(
    ("pickup", "dropoff", "minutes"),
    [
        ("2023-03-12T01:57:08", "2023-03-12T03:03:52", 6 + 44 / 60),  # real: 1.2 miles, 66.7 minutes on the clock
        ("2022-11-06T01:58:21", "2022-11-06T01:04:20", 5 + 59 / 60),  # real: 1.2 miles
        ("2023-03-12T02:30", "2023-03-12T03:40", 10),  # 02:30 does not exist: it is read as 03:30
        ("2023-03-12T01:50", "2023-03-12T02:10", 20),
        ("2023-11-05T00:50", "2023-11-05T02:10", 140),
        ("2023-11-05T01:50", "2023-11-05T02:10", 20),
        ("2023-11-05T00:50", "2023-11-05T01:10", 20),
        ("2023-11-05T02:10", "2023-11-05T01:50", -20),
        ("1960-11-05T01:50", "2150-11-05T02:10", 99930260),  # years without a known change
    ],
)
def test_a_night_of_a_clock_change(duck, pickup: str, dropoff: str, minutes: float) -> None:
    trip = (datetime.fromisoformat(pickup), datetime.fromisoformat(dropoff))
    assert elapsed_seconds(*arrays([trip])).tolist() == [round(minutes * 60)]
    assert by_sql(duck, [trip], "elapsed_seconds(p, d)") == [round(minutes * 60)]


def test_a_missing_time_has_no_elapsed_time(duck) -> None:
    noon = datetime(2023, 3, 12, 12)
    assert by_sql(duck, [(None, noon), (noon, None), (None, None)], "elapsed_seconds(p, d)") == [None, None, None]
    assert by_sql(duck, [(None, noon)], "existing_time(p)") == [None]


def test_infinite_times_are_no_error(duck) -> None:
    duck.execute("DELETE FROM trips")
    duck.execute("INSERT INTO trips VALUES (0, '-infinity', 'infinity'), (1, '290309-12-22 (BC)', '294247-01-10')")
    for what in ("elapsed_seconds(p, d)", "has_two_readings(p, d)", "existing_time(p)", "existing_time(d)"):
        assert len(duck.execute(f"SELECT {what} FROM trips").fetchall()) == 2

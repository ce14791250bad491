"""Completeness of a month's file, compared with the published file and the months nearby."""

from calendar import monthrange

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.ingestion.completeness import COUNTS, MAX_LOSS_SHARE, Extent, few_rows, losses, missing_parts
from taxi_assets.months import Month
from taxi_assets.warehouse.queries import sql

FEBRUARY, MARCH, APRIL = (Month(2020, number) for number in range(2, 5))


def whole(month: Month) -> Extent:
    days = monthrange(month.year, month.number)[1]
    return Extent(month, days, 24 * days)


# Green as TLC published it: the lockdown removed nine rows in ten, but no day and no hour.
PUBLISHED = {"rows": 35_644, "days": 30, "hours": 720}
SAMPLE = {"rows": 1_000, "days": 30, "hours": 456}
NEARBY = [whole(FEBRUARY), whole(MARCH)]


def test_a_sample_of_an_available_month_loses_rows_and_hours() -> None:
    assert losses(PUBLISHED, SAMPLE) == ["1,000 rows instead of 35,644 before", "456 hours instead of 720 before"]


def test_a_month_with_an_empty_column_loses_its_values() -> None:
    published = {
        **PUBLISHED,
        "distances": 35_644,
        "fares": 35_644,
        "pickup_zone_ids": 35_644,
        "dropoff_zone_ids": 35_600,
    }
    after = {**published, "distances": 0, "dropoff_zone_ids": 30_000}
    assert losses(published, after) == [
        "0 distances instead of 35,644 before",
        "30,000 dropoff zone ids instead of 35,600 before",
    ]
    assert losses({}, after) == []  # the month's first file


def test_lockdown_month_is_complete_with_a_row_warning() -> None:
    assert missing_parts(whole(APRIL), NEARBY) == []
    assert few_rows(35_644, [398_632, 223_496]) == "35,644 rows, where months nearby have 223,496 or more"


def test_a_sample_misses_hours_and_a_part_of_a_month_misses_days() -> None:
    assert missing_parts(Extent(APRIL, 30, 456), NEARBY) == ["pickups in 63% of the hours instead of 100% nearby"]
    assert missing_parts(Extent(APRIL, 10, 240), NEARBY) == [
        "pickups in 33% of the days instead of 100% nearby",
        "pickups in 33% of the hours instead of 100% nearby",
    ]


def test_nothing_is_missing_without_nearby_months() -> None:
    assert missing_parts(Extent(APRIL, 1, 1), []) == []
    assert few_rows(1, []) is None


def test_a_short_month_is_measured_by_its_own_days() -> None:
    assert missing_parts(whole(FEBRUARY), [whole(MARCH)]) == []


counts = st.fixed_dictionaries({name: st.integers(0, 10**7) for name in COUNTS})


@given(counts, st.floats(0, 1))
def test_only_a_loss_beyond_the_limit_is_reported(before: dict[str, int], kept: float) -> None:
    after = {name: int(count * kept) for name, count in before.items()}
    reported = {
        name for name in before if any(f" {name.replace('_', ' ')} " in clause for clause in losses(before, after))
    }
    assert reported == {name for name in before if after[name] < before[name] * (1 - MAX_LOSS_SHARE)}
    assert losses(after, before) == []


@pytest.mark.parametrize(
    ("pickups", "expected"),
    [
        ((), (0, 0, 0)),
        (("2023-03-01 00:00:00", "2023-03-01 00:59:59", "2023-03-01 01:00:00"), (3, 1, 2)),
        (("2023-03-31 23:59:59.999999", "2023-04-01 00:00:00", "2023-02-28 23:59:59"), (3, 1, 1)),
        (
            (None, "infinity", "-infinity", "1969-12-31 23:30:00", "290000-01-01 00:00:00", "2023-03-05 12:00:00"),
            (6, 1, 1),
        ),
    ],
)
def test_extent_is_the_rows_and_the_months_days_and_hours_with_pickups(memory, pickups, expected) -> None:
    memory.execute("CREATE TEMP TABLE month_trips (pickup_at TIMESTAMP, month DATE)")
    for pickup in pickups:
        memory.execute("INSERT INTO month_trips VALUES ($1, '2023-03-01')", [pickup])
    assert memory.execute(sql("month_extent")).fetchall() == [expected]

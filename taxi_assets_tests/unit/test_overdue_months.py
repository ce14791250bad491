"""A month is overdue if it ended over a hundred days ago and is not in the warehouse."""

from datetime import date

import duckdb
import pytest

from taxi_assets.monitoring.overdue_months import NextMonth, next_months
from taxi_assets.months import Month
from taxi_assets.warehouse.schema import TABLES


@pytest.mark.parametrize(
    ("today", "is_overdue"),
    [
        (date(2023, 5, 1), False),
        (date(2023, 6, 8), False),  # the hundredth day after the end of February
        (date(2023, 6, 9), True),
        (date(2024, 1, 1), True),
    ],
)
def test_month_after_the_newest_available_is_awaited(today: date, is_overdue: bool) -> None:
    wait = NextMonth("green", Month(2023, 1), date(2023, 3, 20))
    assert wait.month == Month(2023, 2)
    assert wait.is_overdue(today) == is_overdue
    assert (date(2023, 6, 8) - date(2023, 2, 28)).days == 100


def test_the_message_states_since_when_and_the_remedy() -> None:
    wait = NextMonth("green", Month(2023, 1), date(2023, 3, 20))
    assert wait.sentence(date(2023, 6, 18)) == (
        "green 2023-02 is overdue since 2023-06-09 (10 days); the newest month is 2023-01. "
        "Put its file into the landing folder, or fetch it: taxi run --months 2023-02 --services green"
    )
    assert wait.sentence(date(2023, 6, 8)) == "green 2023-02 is expected by 2023-06-08; the newest month is 2023-01."


def test_every_service_has_its_own_overdue_month() -> None:
    with duckdb.connect() as connection:
        for table in ("file_columns", "source_files"):
            connection.execute(TABLES[table].ddl())
        assert next_months(connection) == ()
        rows = "('yellow', DATE '2022-12-01'), ('green', DATE '2023-01-01'), ('green', DATE '2022-11-01')"
        connection.execute(f"INSERT INTO file_columns (service, month) VALUES {rows}")
        waits = next_months(connection)
    assert [(wait.service, str(wait.month)) for wait in waits] == [("green", "2023-02"), ("yellow", "2023-01")]


@pytest.mark.parametrize(
    ("arrived_on", "is_overdue"), [(date(2023, 6, 8), True), (date(2023, 6, 9), False), (date(2026, 11, 27), False)]
)
def test_a_late_past_month_makes_no_other_overdue(arrived_on: date, is_overdue: bool) -> None:
    wait = NextMonth("green", Month(2023, 1), arrived_on)
    assert wait.is_overdue(date(2026, 11, 27)) == is_overdue
    assert wait.sentence(date(2026, 11, 27)).startswith("No new month of green is expected") != is_overdue

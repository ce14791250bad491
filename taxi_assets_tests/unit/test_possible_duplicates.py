"""Every repeated trip of a month is found, whatever the month's size."""

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.ingestion import possible_duplicates

_TIMES = "TIMESTAMP '2023-03-01' + INTERVAL (number) MINUTE"
_TRIP = f"{_TIMES} AS pickup_at, {_TIMES} AS dropoff_at, 1 AS pickup_zone_id, NULL AS dropoff_zone_id, 2.5"


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def found(connection: duckdb.DuckDBPyConnection, numbers: list[int | None]) -> list[int]:
    """Rows found among trips that are equal if and only if their numbers are."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE month_trips AS SELECT {_TRIP} AS trip_distance_miles, position AS source_row "
        "FROM (SELECT unnest($numbers) AS number, generate_subscripts($numbers, 1) AS position)",
        {"numbers": numbers},
    )
    possible_duplicates.find_possible_duplicates(connection)
    query = "SELECT source_row FROM possible_duplicates ORDER BY source_row"
    return [row for (row,) in connection.execute(query).fetchall()]


def repeated(numbers: list[int | None]) -> list[int]:
    return [row for row, number in enumerate(numbers, 1) if numbers.count(number) > 1]


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), min_size=1, max_size=60), st.sampled_from([1, 7, 10_000]))
def test_every_repeated_trip_is_found(
    connection: duckdb.DuckDBPyConnection, numbers: list[int | None], max_rows: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(possible_duplicates, "_MAX_ROWS", max_rows)
        assert found(connection, numbers) == repeated(numbers)


def test_a_month_without_rows_has_none(connection: duckdb.DuckDBPyConnection) -> None:
    assert found(connection, []) == []


def test_all_rows_of_one_trip_are_found(connection: duckdb.DuckDBPyConnection) -> None:
    assert found(connection, [7] * 3000) == [*range(1, 3001)]

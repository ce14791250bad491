"""Fixtures: one DuckLake for all quality tests, each in a transaction that is rolled back."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from valid_months import attach

from taxi_assets.quality.suites import SUITES
from taxi_assets.warehouse.schema import TABLES


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    with attach(folder) as connection:
        for table in SUITES:
            connection.execute(TABLES[table].ddl())
    return folder


@pytest.fixture(scope="session")
def shared_lake(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with attach(folder) as connection:
        yield connection


@pytest.fixture
def lake(shared_lake: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The DuckLake in a transaction that is rolled back."""
    shared_lake.execute("BEGIN TRANSACTION")
    yield shared_lake
    shared_lake.execute("ROLLBACK")

"""Caches that make a thousand small homes affordable: every step runs, some run only once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from taxi_assets.ingestion import table_checks
from taxi_assets.quality import SuiteResult
from taxi_assets.quality.suites import Suite
from taxi_assets.warehouse import connection as lake_warehouse
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["ReportCounts", "cached_validation", "close"]

ReportCounts = Callable[[str, Mapping[str, int]], None]
Validate = Callable[[DuckDBPyConnection, str, Suite], SuiteResult]

_idle: list[DuckDBPyConnection] = []
_OPEN = Warehouse._open


@contextmanager
def cached_validation() -> Iterator[None]:
    """Loads extensions once, and validates the same rows once.

    Validation by Great Expectations takes nine tenths of a small month's time; its result depends on the rows alone.
    Loading DuckDB's extensions takes longer than publishing a month. The connection's access limits are left out, since
    they cannot be lifted for another home; they have tests of their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_checks, "validate", _cached(table_checks.validate))
        patch.setattr(Warehouse, "_open", _open)
        yield
    while _idle:
        _idle.pop().close()


def close(warehouse: Warehouse) -> None:
    """Drops this process's open connection to a home, as the process's end would."""
    for key in [key for key in lake_warehouse._databases if key[2] == warehouse.settings]:
        connection = lake_warehouse._databases.pop(key)
        if Warehouse._open is _open:
            try:
                connection.execute("USE memory")
                connection.execute("DETACH lake")
            except duckdb.Error:  # the disk is full
                connection.close()
            else:
                _idle.append(connection)
        else:
            connection.close()


def _open(self: Warehouse, copy: Path | None = None) -> DuckDBPyConnection:
    if copy:
        return _OPEN(self, copy)
    connection = _idle.pop() if _idle else _with_extensions(self)
    connection.execute(self._attachment())
    connection.execute("USE lake")
    lake_warehouse.define_macros(connection)
    return connection


def _with_extensions(warehouse: Warehouse) -> DuckDBPyConnection:
    connection = duckdb.connect(config=warehouse._config())
    for extension in lake_warehouse._EXTENSIONS:
        connection.load_extension(str(lake_warehouse._extension_file(extension)))
    return connection


def _cached(validate: Validate) -> Validate:
    """The validation function with cached results, by suite and rows."""
    known: dict[tuple[object, ...], SuiteResult] = {}

    def validate_once(connection: DuckDBPyConnection, relation: str, suite: Suite) -> SuiteResult:
        query = f"SELECT count(*), bit_xor(hash(t)), sum(hash(t)::HUGEINT) FROM {relation} AS t"
        key = (suite.table, *connection.execute(query).fetchall()[0])
        if key not in known:
            known[key] = validate(connection, relation, suite)
        return known[key]

    return validate_once

"""What makes a thousand little homes affordable: nothing is left out, some things are done once only."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from taxi_assets.ingestion import publishing
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
    """Extensions are loaded, and the same rows judged, once.

    Great Expectations is nine tenths of what a little month costs, and its verdict rests on the rows alone. To load
    DuckDB's extensions takes longer than to publish one. The walls around a connection, which cannot be taken down
    for another home, are left away; they have tests of their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing, "validate", _remembering(publishing.validate))
        patch.setattr(Warehouse, "_open", _open)
        yield
    while _idle:
        _idle.pop().close()


def close(warehouse: Warehouse) -> None:
    """Forget what this process holds open of a home, as the process's end would."""
    for key in [key for key in lake_warehouse._databases if key[2] == warehouse.settings]:
        connection = lake_warehouse._databases.pop(key)
        if Warehouse._open is _open:
            try:
                connection.execute("USE memory")
                connection.execute("DETACH lake")
            except duckdb.Error:  # a full disk
                connection.close()
            else:
                _idle.append(connection)
        else:
            connection.close()


def _open(self: Warehouse, snapshot: int | None = None, copy: Path | None = None) -> DuckDBPyConnection:
    if copy:
        return _OPEN(self, snapshot, copy)
    connection = _idle.pop() if _idle else _with_extensions(self)
    connection.execute(self._attachment(snapshot))
    connection.execute("USE lake")
    lake_warehouse.define_macros(connection)
    return connection


def _with_extensions(warehouse: Warehouse) -> DuckDBPyConnection:
    connection = duckdb.connect(config=warehouse._config())
    for extension in lake_warehouse._EXTENSIONS:
        connection.load_extension(str(lake_warehouse._extension_file(extension)))
    return connection


def _remembering(validate: Validate) -> Validate:
    """The same verdicts, each asked for once: known by the suite and the rows it looks at."""
    known: dict[tuple[object, ...], SuiteResult] = {}

    def judge(connection: DuckDBPyConnection, relation: str, suite: Suite) -> SuiteResult:
        query = f"SELECT count(*), bit_xor(hash(t)), sum(hash(t)::HUGEINT) FROM {relation} AS t"
        key = (suite.table, *connection.execute(query).fetchall()[0])
        if key not in known:
            known[key] = validate(connection, relation, suite)
        return known[key]

    return judge

"""SQLAlchemy on a DuckDB connection that somebody else opened and will commit or roll back.

Great Expectations speaks to databases through SQLAlchemy engines, which open, commit, roll back and close at
will. Through this dialect they can do none of it: they only read, inside whatever transaction is under way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import duckdb_engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg2 import PGExecutionContext_psycopg2
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy
from sqlalchemy.engine.interfaces import ReflectedColumn, ReflectedPrimaryKeyConstraint
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import NullType

__all__ = ["BorrowedDialect", "Loan", "borrow"]


class Loan:
    """A connection as SQLAlchemy sees one, until it is given back; remembers the statements that failed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection: duckdb.DuckDBPyConnection | None = connection
        self.failures: list[duckdb.Error] = []

    def cursor(self) -> Any:
        if self._connection is None:
            raise RuntimeError("the connection was given back: its transaction is not ours any more")
        return duckdb_engine.CursorWrapper(self._connection, self)  # type: ignore[arg-type]

    def give_back(self) -> None:
        self._connection = None

    def source(self) -> dict[str, Any]:
        """Arguments of Great Expectations' `add_sql` for a data source that is this very connection."""
        registry.register("duckdb.borrowed", __name__, BorrowedDialect.__name__)
        return {
            "connection_string": "duckdb+borrowed://",
            "create_temp_table": False,
            "kwargs": {"creator": lambda: self, "poolclass": StaticPool},
        }


@contextmanager
def borrow(connection: duckdb.DuckDBPyConnection) -> Iterator[Loan]:
    """Lend the connection for the block; what keeps the loan afterwards can neither use nor keep it alive."""
    loan = Loan(connection)
    try:
        yield loan
    finally:
        loan.give_back()


class _BufferedContext(PGExecutionContext_psycopg2):
    def post_exec(self) -> None:
        # Great Expectations closes its SQLAlchemy connection before it reads the rows, and every cursor here
        # is the one DuckDB connection, whose next statement would drop them. So they are read at once;
        # expectations ask for counts, never for the table.
        rows = self.cursor.fetchall() if self.cursor.description else []
        self.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(self.cursor, initial_buffer=rows)


class BorrowedDialect(duckdb_engine.Dialect):
    """DuckDB's dialect, without power over the connection's life and transaction."""

    driver = "borrowed"
    execution_ctx_cls = _BufferedContext
    supports_statement_cache = False  # as its parent says; SQLAlchemy wants it said again

    def do_begin(self, connection: Any) -> None: ...
    def do_commit(self, connection: Any) -> None: ...
    def do_rollback(self, connection: Any) -> None: ...
    def do_close(self, connection: Any) -> None: ...
    def do_terminate(self, connection: Any) -> None: ...

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        # Great Expectations goes on after a failed statement and reports the last failure: in an aborted
        # transaction, that it is aborted. The first one tells why.
        try:
            cursor.execute(statement, parameters, context)
        except duckdb.Error as error:
            cursor.connection.failures.append(error)
            raise

    def get_columns(self, connection: Any, table_name: str, *_: Any, **__: Any) -> list[ReflectedColumn]:
        # The inherited way asks PostgreSQL's catalogue tables, which know no DuckLake; the way that Great
        # Expectations falls back to reads the whole table. Only names are needed: none is about types.
        described = connection.exec_driver_sql(f"DESCRIBE {self.identifier_preparer.quote(table_name)}")
        return [ReflectedColumn(name=row[0], type=NullType(), nullable=True, default=None) for row in described]

    def get_pk_constraint(self, *_: Any, **__: Any) -> ReflectedPrimaryKeyConstraint:
        return ReflectedPrimaryKeyConstraint(constrained_columns=[], name=None)  # a lake's table has no key

"""A second connection to a process's database, for a query beside those of the first."""

from collections.abc import Sequence

from duckdb import DuckDBPyConnection

from taxi_assets.warehouse.connection import SEARCH_PATH
from taxi_assets.warehouse.sql_quotes import quote_identifier


def second_connection(connection: DuckDBPyConnection, views: Sequence[str]) -> DuckDBPyConnection:
    """A connection to the same database, for a query beside those of the first.

    Args:
        connection: The first connection; its variables are copied.
        views: Its temporary views to copy, each after those that it reads.
    """
    second = connection.cursor()
    second.execute(SEARCH_PATH)
    for name, value in connection.execute("SELECT name, value FROM duckdb_variables()").fetchall():
        second.execute(f"SET VARIABLE {quote_identifier(name)} = $value", {"value": value})
    query = "SELECT sql FROM duckdb_views() WHERE temporary AND view_name = $name"
    for name in views:
        second.execute(connection.execute(query, {"name": name}).fetchall()[0][0])
    return second

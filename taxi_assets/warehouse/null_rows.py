"""Gives empty tables statistics, by a row that is inserted and deleted again.

DuckLake searches the statistics of a table that never had a row anew for every column of every query, which takes 0.1 s
for the widest of these.
"""

from duckdb import DuckDBPyConnection

from taxi_assets.warehouse.schema import TABLES

_NAMES = ("converted_trips", "schema_changes", "promotions", "approvals", "alerts", "retraining_decisions")
_TABLES = tuple(TABLES[name] for name in _NAMES)


def insert_null_rows(connection: DuckDBPyConnection) -> None:
    """Insert a row into each empty table, so that DuckLake keeps statistics of it."""
    for table in _TABLES:
        if not connection.table(table.name).limit(1).fetchall():
            connection.execute(f"INSERT INTO {table.name} ({table.columns[0].name}) VALUES (NULL)")


def delete_null_rows(connection: DuckDBPyConnection) -> None:
    """Delete the rows of `insert_null_rows`, also those of a process that was killed between the two."""
    connection.execute("BEGIN TRANSACTION")
    for table in _TABLES:
        empty = " AND ".join(f"{column.name} IS NULL" for column in table.columns)
        connection.execute(f"DELETE FROM {table.name} WHERE {empty}")
    connection.execute("COMMIT")

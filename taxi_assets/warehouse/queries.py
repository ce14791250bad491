"""The project's SQL files, one SELECT each, and statements that several modules run."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from duckdb import DuckDBPyConnection


@cache
def sql(name: str) -> str:
    """The text of `<name>.sql`, which is beside the module that runs it; names are unique.

    Raises:
        FileNotFoundError: no package has such a file.
    """
    if name not in sql_files():
        raise FileNotFoundError(f"no {name}.sql in any package of taxi_assets")
    return sql_files()[name].read_text()


@cache
def sql_files() -> Mapping[str, Path]:
    """The project's SQL files, by name without `.sql`."""
    return {path.stem: path for path in Path(str(files("taxi_assets"))).rglob("*.sql")}


def newest_snapshot(connection: DuckDBPyConnection) -> int:
    """The number of the newest snapshot, also on a connection that reads an earlier one."""
    return int(connection.execute("SELECT max(snapshot_id) FROM lake.snapshots()").fetchall()[0][0])


def replace_month(connection: DuckDBPyConnection, table: str, values: Mapping[str, object]) -> None:
    """Replaces one month's rows of a table by the rows that `<table>.sql` selects.

    Args:
        connection: A connection with an open transaction.
        table: The table.
        values: `service`, `month` and the parameters of the SQL; those that it does not use are left out.
    """
    key = {name: values[name] for name in ("service", "month")}
    connection.execute(f"DELETE FROM {table} WHERE service = $service AND month = $month", key)
    used = {name: value for name, value in values.items() if f"${name}" in sql(table)}
    connection.execute(f"INSERT INTO {table} BY NAME {sql(table)}", used)

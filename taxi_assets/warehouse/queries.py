"""The project's SQL files, one SELECT each, and the number of the newest snapshot."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from duckdb import DuckDBPyConnection

__all__ = ["newest_snapshot", "sql", "sql_files"]


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

"""The project's SQL: one SELECT a file, beside the module that runs it."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

__all__ = ["sql", "sql_files"]


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

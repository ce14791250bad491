"""Opens DuckDB with the extensions of the installed packages, so that nothing is downloaded."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from taxi_assets.errors import TaxiError

_OPTIONAL = ("postgres_scanner", "httpfs")  # of the extra `scale`

# Extension files whose signatures this process has checked: path, size and time of the last change.
_checked: set[tuple[Path, int, int]] = set()


def open_database(extensions: Sequence[str], config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    """Opens an in-memory database with these extensions.

    DuckDB hashes 70 MB to check their signatures, which takes 0.25 s: only the first database of a process does.
    """
    files = [extension_file(name) for name in extensions]
    versions = {(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files}
    connection = duckdb.connect(config={**config, "allow_unsigned_extensions": str(versions <= _checked).lower()})
    for file in files:
        connection.load_extension(str(file))
    connection.execute("SET allow_unsigned_extensions = false")  # DuckDB refuses to set it to true again
    _checked.update(versions)
    return connection


def extension_file(name: str) -> Path:
    """The file of an extension in its installed package.

    Raises:
        TaxiError: the package is missing.
    """
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for path in Path(folder).rglob(f"{name}.duckdb_extension"):
            return path
    command = "make env-scale" if name in _OPTIONAL else "make env"
    raise TaxiError(f"the package duckdb-extension-{name.replace('_', '-')} is missing: run `{command}`")

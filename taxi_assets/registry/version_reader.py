"""Reads the registered versions from MLflow's database without importing MLflow, which takes seconds."""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

from taxi_assets.registry.database import is_initialised
from taxi_assets.registry.model_files import Version
from taxi_assets.registry.model_versions import model_name, versions
from taxi_assets.settings import Settings
from taxi_assets.settings.postgres import open_schema

_VERSIONS = (
    "SELECT version, run_id, source FROM model_versions WHERE name = ? AND status = 'READY' "
    "AND coalesce(current_stage, '') <> 'Deleted_Internal'"
)
_TAGS = "SELECT version, key, value FROM model_version_tags WHERE name = ?"


def read_versions(settings: Settings) -> dict[int, Version]:
    """Every complete version by its number; equal to `model_versions.versions`."""
    if not is_initialised(settings):
        return {}
    name = model_name(settings)
    if settings.mlflow_store:
        with open_schema(settings, "mlflow_store") as shared:
            return _read(name, lambda query: shared.execute(query.replace("?", "%s").encode(), [name]).fetchall())
    address = f"{(settings.mlflow_home / 'mlflow.db').as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=30)) as connection:
            return _read(name, lambda query: connection.execute(query, [name]).fetchall())
    except sqlite3.OperationalError:  # another release of MLflow has other tables
        return {version.version: version for version in versions(settings)}


def _read(name: str, rows: Callable[[str], Iterable[Any]]) -> dict[int, Version]:
    tags: dict[int, dict[str, str]] = {}
    for version, key, value in rows(_TAGS):
        tags.setdefault(int(version), {})[str(key)] = str(value)
    return {
        int(version): Version(name, int(version), str(run_id), str(source), tags.get(int(version), {}))
        for version, run_id, source in rows(_VERSIONS)
    }

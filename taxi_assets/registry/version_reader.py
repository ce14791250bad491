"""Reads the registered versions from MLflow's database without importing MLflow, which takes seconds."""

import sqlite3
from contextlib import closing

from taxi_assets.registry.database import is_initialised
from taxi_assets.registry.model_files import Version
from taxi_assets.registry.model_versions import model_name, versions
from taxi_assets.settings import Settings


def read_versions(settings: Settings) -> dict[int, Version]:
    """Every complete version by its number; equal to `model_versions.versions`."""
    if not is_initialised(settings):
        return {}
    address = f"{(settings.mlflow_home / 'mlflow.db').as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=30)) as connection:
            return _read(connection, model_name(settings))
    except sqlite3.OperationalError:  # another release of MLflow has other tables
        return {version.version: version for version in versions(settings)}


def _read(connection: sqlite3.Connection, name: str) -> dict[int, Version]:
    rows = connection.execute(
        "SELECT version, run_id, source FROM model_versions WHERE name = ? AND status = 'READY' "
        "AND current_stage IS NOT 'Deleted_Internal'",
        [name],
    ).fetchall()
    tags: dict[int, dict[str, str]] = {}
    for version, key, value in connection.execute(
        "SELECT version, key, value FROM model_version_tags WHERE name = ?", [name]
    ):
        tags.setdefault(int(version), {})[str(key)] = str(value)
    return {
        int(version): Version(name, int(version), str(run_id), str(source), tags.get(int(version), {}))
        for version, run_id, source in rows
    }

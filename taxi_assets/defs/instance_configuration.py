"""Writes `dagster.yaml`, the configuration of the Dagster instance in a home, from the settings."""

import os

from taxi_assets.errors import TaxiError
from taxi_assets.files import write_atomically
from taxi_assets.settings import Settings
from taxi_assets.settings.postgres import store_url

# Dagster reads the address from the environment: `dagster.yaml` and pages of its UI show only the variable's name.
STORAGE_VARIABLE = "DAGSTER_STORAGE_URL"

# One run at a time: months are ingested in order, and each run uses every core.
_COMMON = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 1
run_monitoring:
  enabled: true
  max_runtime_seconds: 14400
"""
_IN_THE_HOME = """\
event_log_storage:
  module: taxi_assets.defs.event_log
  class: PooledSqliteEventLogStorage
  config:
    dagster_home:
      env: DAGSTER_HOME
"""
_IN_POSTGRESQL = f"""\
storage:
  postgres:
    postgres_url:
      env: {STORAGE_VARIABLE}
"""


def write_configuration(settings: Settings) -> None:
    """Write `dagster.yaml` if it is missing or was written for the other storage; keep a person's changes.

    Raises:
        TaxiError: a person changed it, and it names another storage than the settings.
    """
    path = settings.dagster_home / "dagster.yaml"
    wanted = _COMMON + (_IN_POSTGRESQL if settings.dagster_storage else _IN_THE_HOME)
    found = path.read_text() if path.is_file() else None
    if found is None or found in {_COMMON + _IN_THE_HOME, _COMMON + _IN_POSTGRESQL}:
        if found != wanted:
            write_atomically(path, wanted)
    elif (STORAGE_VARIABLE in found) != bool(settings.dagster_storage):
        change = "set TAXI_DAGSTER_STORAGE" if STORAGE_VARIABLE in found else "unset TAXI_DAGSTER_STORAGE"
        raise TaxiError(f"{path} was changed by hand and has another storage: {change}, or move the file away")


def storage_environment(settings: Settings) -> dict[str, str]:
    """Variables by which Dagster's processes find the storage.

    Raises:
        TaxiError: the address is wrong, or packages are missing.
    """
    return {STORAGE_VARIABLE: store_url(settings, "dagster_storage")} if settings.dagster_storage else {}


def set_environment(settings: Settings) -> None:
    """Let Dagster in this process find the home and the storage."""
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    os.environ.pop(STORAGE_VARIABLE, None)
    os.environ.update(storage_environment(settings))

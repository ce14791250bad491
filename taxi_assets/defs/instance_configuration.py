"""Writes `dagster.yaml`, the configuration of the Dagster instance in a home, from the settings."""

import os
import re
from importlib.util import find_spec

from taxi_assets.errors import TaxiError
from taxi_assets.files import write_atomically
from taxi_assets.settings import Settings
from taxi_assets.settings.postgres import store_url

# Dagster reads the address from the environment: `dagster.yaml` and pages of its UI show only the variable's name.
STORAGE_VARIABLE = "DAGSTER_STORAGE_URL"

# One run at a time unless set: months are ingested in order, and each run uses every core.
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
# After the lines on run monitoring. A run is retried if its worker died, not if it failed.
_BY_WORKERS = """\
  poll_interval_seconds: 10
  start_timeout_seconds: 900
run_retries:
  enabled: true
  max_retries: 3
  retry_on_asset_or_op_failure: false
run_launcher:
  module: taxi_assets.defs.worker_launcher
  class: WorkerRunLauncher
"""
_RUNS = "max_concurrent_runs: "
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
    if settings.run_broker:
        require_shared_stores(settings)
    workers = _BY_WORKERS if settings.run_broker else ""
    wanted = _COMMON + workers + (_IN_POSTGRESQL if settings.dagster_storage else _IN_THE_HOME)
    wanted = wanted.replace(f"{_RUNS}1", f"{_RUNS}{settings.max_concurrent_runs}")
    found = path.read_text() if path.is_file() else None
    if found is None or _is_own(found):
        if found != wanted:
            write_atomically(path, wanted)
    elif (STORAGE_VARIABLE in found) != bool(settings.dagster_storage):
        change = "set TAXI_DAGSTER_STORAGE" if STORAGE_VARIABLE in found else "unset TAXI_DAGSTER_STORAGE"
        raise TaxiError(f"{path} was changed by hand and has another storage: {change}, or move the file away")


def require_shared_stores(settings: Settings) -> None:
    """Check that workers find all that they need outside the home.

    Raises:
        TaxiError: a setting is missing.
    """
    needed = ("catalog", "data_path", "dagster_storage", "shared_files")
    missing = [f"TAXI_{name.upper()}" for name in needed if getattr(settings, name) is None]
    if missing:
        raise TaxiError(f"TAXI_RUN_BROKER gives runs to workers, which also need {', '.join(missing)}: set them")
    if find_spec("dagster_celery") is None or find_spec("redis") is None:
        raise TaxiError("TAXI_RUN_BROKER needs more packages: run `make env-scale`")


def _is_own(text: str) -> bool:
    """True if the platform writes this text for some settings."""
    common = re.sub(rf"{_RUNS}\d+", f"{_RUNS}1", text)
    return common in {
        _COMMON + workers + place for workers in ("", _BY_WORKERS) for place in (_IN_THE_HOME, _IN_POSTGRESQL)
    }


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

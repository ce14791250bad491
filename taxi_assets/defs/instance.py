"""The Dagster instance in a home: its configuration and its newest run."""

import os

import dagster as dg
from filelock import FileLock

from taxi_assets.defs.runs import failure_message
from taxi_assets.defs.storage_schema import require_current_schema
from taxi_assets.files import write_atomically
from taxi_assets.settings import Settings

# One run at a time: months are ingested in order, and each run uses every core.
_CONFIGURATION = """\
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
event_log_storage:
  module: taxi_assets.defs.event_log
  class: PooledSqliteEventLogStorage
  config:
    dagster_home:
      env: DAGSTER_HOME
"""


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Open the persisted instance under the home, created if missing, and set `DAGSTER_HOME` to it."""
    configuration = settings.dagster_home / "dagster.yaml"
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    if not configuration.is_file():
        write_atomically(configuration, _CONFIGURATION)
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    # The first process to open it creates its databases; two at once would fail on each other's tables.
    with FileLock(settings.dagster_home / "open.lock"):
        require_current_schema(settings)
        return dg.DagsterInstance.get()


def last_runs(settings: Settings, count: int) -> list[dict[str, object]]:
    """The newest Dagster runs, newest first: job, month, status, start (seconds since 1970) and id."""
    if not (settings.dagster_home / "dagster.yaml").is_file():
        return []
    with open_instance(settings) as instance:
        return [
            {
                "job": record.dagster_run.job_name,
                "month": record.dagster_run.tags.get("dagster/partition"),
                "status": record.dagster_run.status.value,
                "started": record.start_time,
                "run_id": record.dagster_run.run_id,
            }
            for record in instance.get_run_records(limit=count)
        ]


def last_run(settings: Settings) -> dict[str, str] | None:
    """The newest Dagster run: job, status, id and failure message, if any; None before the first."""
    if not (settings.dagster_home / "dagster.yaml").is_file():
        return None
    with open_instance(settings) as instance:
        runs = instance.get_runs(limit=1)
        if not runs:
            return None
        why = failure_message(instance, runs[0].run_id)
    facts = {"job": runs[0].job_name, "status": runs[0].status.value, "run_id": runs[0].run_id}
    return facts | ({"why": why} if why else {})

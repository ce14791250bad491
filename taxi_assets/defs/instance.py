"""The Dagster instance of a home: its configuration, and what is left of runs whose process died."""

import os

import dagster as dg
import psutil
from filelock import FileLock

from taxi_assets.defs.mlflow_resource import match_mlflow_runs
from taxi_assets.settings import Settings

__all__ = ["PROCESS_TAG", "close_abandoned", "last_run", "open_instance", "process_tag"]

PROCESS_TAG = "taxi/process"

# One run at a time: the months of a stretch arrive in order, and each run uses every core anyway.
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
"""

_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The persisted instance under the home, made where it is missing; `DAGSTER_HOME` points to it afterwards."""
    configuration = settings.dagster_home / "dagster.yaml"
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    if not configuration.is_file():
        draft = configuration.with_suffix(f".{os.getpid()}")
        draft.write_text(_CONFIGURATION)
        draft.replace(configuration)
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    # Whoever opens it first makes its databases, and two at once would trip over each other's tables.
    with FileLock(settings.dagster_home / "open.lock"):
        return dg.DagsterInstance.get()


def process_tag() -> str:
    """Names this process beyond its number, which the system gives out again."""
    process = psutil.Process()
    return f"{process.pid}@{process.create_time()}"


def close_abandoned(settings: Settings, instance: dg.DagsterInstance) -> list[str]:
    """Mark the runs of dead processes as failed, in Dagster and in MLflow; returns their Dagster ids."""
    unfinished = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    dead = [run for run in unfinished if PROCESS_TAG in run.tags and not _lives(run.tags[PROCESS_TAG])]
    for run in dead:
        instance.report_run_failed(run, "the process of this run ended before the run did; it was run again")
    match_mlflow_runs(settings, instance)
    return [run.run_id for run in dead]


def last_run(settings: Settings) -> dict[str, str] | None:
    """The newest Dagster run: its job, status and id; None before the first."""
    if not (settings.dagster_home / "dagster.yaml").is_file():
        return None
    with open_instance(settings) as instance:
        runs = instance.get_runs(limit=1)
    return {"job": runs[0].job_name, "status": runs[0].status.value, "run_id": runs[0].run_id} if runs else None


def _lives(tag: str) -> bool:
    number, _, created = tag.partition("@")
    try:
        return bool(psutil.Process(int(number)).create_time() == float(created))
    except psutil.NoSuchProcess:
        return False

"""Finds the processes of Dagster's runs and closes runs whose process is dead.

A run of `taxi run` has its process in a tag. A run launched by the daemon has it in Dagster's event log, as its first
event.
"""

import json
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

import dagster as dg
import psutil
from dagster._core.storage.tags import GRPC_INFO_TAG

from taxi_assets.defs.mlflow_resource import sync_mlflow_runs
from taxi_assets.settings import Settings

PROCESS_TAG = ".dagster/taxi_process"  # Dagster's UI hides tags with this prefix
WORKER_TAG = "dagster-celery/task_id"  # of a run that a worker has, on any machine

_WAITING_FOR_A_PROCESS = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)
_UNFINISHED = [*_WAITING_FOR_A_PROCESS, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_CLOCK_TOLERANCE_SECONDS = 2.0  # the system computes start times from boot time, with errors under a second
_CONNECT_TIMEOUT_SECONDS = 2.0
_DAEMON_SECONDS = 120  # four times the interval of the landing sensor, which closes dead runs
_DEAD_PROCESS_REASON = "the run's process ended before the run did"


@dataclass(frozen=True)
class _Process:
    """A process, identified by its id and its latest possible creation time, since ids are reused."""

    pid: int
    created_by: float

    def is_alive(self) -> bool:
        """True while this process runs; a zombie counts as dead."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            return bool(process.create_time() <= self.created_by and process.status() != psutil.STATUS_ZOMBIE)
        return False


def process_tag() -> str:
    """Identify this process by its id and creation time, since ids are reused."""
    process = psutil.Process()
    return f"{process.pid}@{process.create_time()}"


def close_dead_runs(instance: dg.DagsterInstance, *, no_launcher: bool = False) -> list[str]:
    """End runs whose process is dead: as canceled if a cancellation was requested, otherwise as failed.

    Args:
        instance: The instance that records the runs.
        no_launcher: No daemon works in this home, so a run without a process never gets one.

    Returns:
        The ids of the ended runs. Queued runs stay queued.
    """
    unfinished = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    dead = [run for run in unfinished if _is_dead(instance, run, no_launcher)]
    for run in dead:
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, _DEAD_PROCESS_REASON)
        else:
            instance.report_run_failed(run, _DEAD_PROCESS_REASON)
    return [run.run_id for run in dead]


def is_interrupted(settings: Settings, instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """True if a run's process is gone, and no daemon is alive that will close the run.

    Processes of other machines and containers cannot be seen from here: they share PostgreSQL or a live daemon.
    """
    if run.status not in _UNFINISHED or settings.dagster_storage or not _is_dead(instance, run, no_launcher=False):
        return False
    heartbeats = [each.timestamp for each in instance.get_daemon_heartbeats().values()]
    return max(heartbeats, default=0.0) < time.time() - _DAEMON_SECONDS


def close_abandoned_runs(settings: Settings, instance: dg.DagsterInstance, *, no_launcher: bool = False) -> list[str]:
    """Call `close_dead_runs`, then give MLflow runs their Dagster run's status; return the Dagster ids."""
    dead = close_dead_runs(instance, no_launcher=no_launcher)
    sync_mlflow_runs(settings, instance)
    return dead


def _is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun, no_launcher: bool) -> bool:
    if WORKER_TAG in run.tags:  # Dagster's run monitoring finds dead workers
        return False
    process = _process_of(instance, run)
    if process:
        return not process.is_alive()
    # Launched or about to be: its process may be starting now.
    return run.status in _WAITING_FOR_A_PROCESS and (no_launcher or _is_launcher_gone(run))


def _process_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> _Process | None:
    if PROCESS_TAG in run.tags:
        pid, _, created = run.tags[PROCESS_TAG].partition("@")
        return _Process(int(pid), float(created))
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        pid_metadata = event.engine_event_data.metadata.get("pid") if event else None
        if pid_metadata:
            return _Process(int(str(pid_metadata.value)), entry.timestamp + _CLOCK_TOLERANCE_SECONDS)
    return None


def _is_launcher_gone(run: dg.DagsterRun) -> bool:
    """True if the code server that should start the run no longer listens."""
    grpc_info = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    if not grpc_info:
        return False
    family = socket.AF_UNIX if "socket" in grpc_info else socket.AF_INET
    address = grpc_info["socket"] if "socket" in grpc_info else (grpc_info["host"], int(grpc_info["port"]))
    with socket.socket(family) as connection:
        connection.settimeout(_CONNECT_TIMEOUT_SECONDS)
        return connection.connect_ex(address) != 0

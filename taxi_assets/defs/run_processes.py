"""The processes of Dagster's runs: which of them still live, and the closing of runs whose process is dead.

A run of `taxi run` carries its process as a tag. A run that the daemon launches has it in Dagster's event log, which
its process writes first of all.
"""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass

import dagster as dg
import psutil
from dagster._core.storage.tags import GRPC_INFO_TAG

from taxi_assets.defs.mlflow_resource import sync_mlflow_runs
from taxi_assets.settings import Settings

__all__ = ["PROCESS_TAG", "close_abandoned_runs", "close_dead_runs", "process_tag"]

PROCESS_TAG = ".dagster/taxi_process"  # of this prefix Dagster's pages show none

_WAITING_FOR_A_PROCESS = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)
_UNFINISHED = [*_WAITING_FOR_A_PROCESS, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_CLOCK_TOLERANCE_SECONDS = 2.0  # the system reckons a process's start from its boot, to a fraction of a second
_CONNECT_TIMEOUT_SECONDS = 2.0
_DEAD_PROCESS_REASON = "the run's process ended before the run did"


@dataclass(frozen=True)
class _Process:
    """A process by its number and the latest time it can have been created: the system gives numbers out again."""

    pid: int
    created_by: float

    def is_alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            return bool(process.create_time() <= self.created_by and process.status() != psutil.STATUS_ZOMBIE)
        return False


def process_tag() -> str:
    """Names this process beyond its number, which the system gives out again."""
    process = psutil.Process()
    return f"{process.pid}@{process.create_time()}"


def close_dead_runs(instance: dg.DagsterInstance, *, no_launcher: bool = False) -> list[str]:
    """End the runs whose process is dead: as failed, or as canceled where that was asked for.

    Args:
        instance: Where the runs are recorded.
        no_launcher: No daemon works in this home, so a run that has not got a process never will.

    Returns:
        The ids of the runs ended. Runs in the queue are left there.
    """
    unfinished = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    dead = [run for run in unfinished if _is_dead(instance, run, no_launcher)]
    for run in dead:
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, _DEAD_PROCESS_REASON)
        else:
            instance.report_run_failed(run, _DEAD_PROCESS_REASON)
    return [run.run_id for run in dead]


def close_abandoned_runs(settings: Settings, instance: dg.DagsterInstance, *, no_launcher: bool = False) -> list[str]:
    """`close_dead_runs`, then give every MLflow run the status of its Dagster run; returns the Dagster ids."""
    dead = close_dead_runs(instance, no_launcher=no_launcher)
    sync_mlflow_runs(settings, instance)
    return dead


def _is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun, no_launcher: bool) -> bool:
    process = _process_of(instance, run)
    if process:
        return not process.is_alive()
    # Launched, or about to be: whoever launches it may just be starting its process.
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
    """The code server that was told to start the run no longer listens."""
    grpc_info = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    if not grpc_info:
        return False
    family = socket.AF_UNIX if "socket" in grpc_info else socket.AF_INET
    address = grpc_info["socket"] if "socket" in grpc_info else (grpc_info["host"], int(grpc_info["port"]))
    with socket.socket(family) as connection:
        connection.settimeout(_CONNECT_TIMEOUT_SECONDS)
        return connection.connect_ex(address) != 0

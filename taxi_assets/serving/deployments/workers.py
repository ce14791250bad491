"""Reports of the endpoint's workers: the models that each has loaded, valid while it runs.

A report is beside a file that its worker locks until its end, even if it is killed.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import uuid4

import msgspec

from taxi_assets.files import write_atomically
from taxi_assets.serving.deployments.serving_state import ServingState, lock_file

POLL_SECONDS = 0.02


@dataclass(frozen=True)
class WorkerReport:
    """The models and the routing of one worker; versions are text, as in JSON.

    Attributes:
        worker: Its process id and a random part.
        revision: The routing that it answers by; 0 before it is ready.
        loaded: The key of the loaded deployment of each version.
        failed: The key and the reason of each deployment that failed a check.
        refused_routing: The revision that it cannot apply and the reason, if any.
    """

    worker: str
    revision: int = 0
    loaded: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    refused_routing: tuple[int, str] | None = None


class WorkerFile:
    """This worker's report, valid until the process ends or the file is closed."""

    def __init__(self, state: ServingState) -> None:
        self.worker = f"{os.getpid()}-{uuid4().hex[:8]}"
        self._report = state.workers / f"{self.worker}.json"
        self._lock = state.workers / f"{self.worker}.lock"
        # Locked before it has its name: a reader removes files that are not locked.
        draft = state.workers / f".{self.worker}"
        self._descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        lock_file(self._descriptor)
        draft.rename(self._lock)

    def write(self, report: WorkerReport) -> None:
        write_atomically(self._report, json.dumps(asdict(report)))

    def close(self) -> None:
        os.close(self._descriptor)
        for path in (self._lock, self._report):
            path.unlink(missing_ok=True)


def live_workers(state: ServingState) -> list[WorkerReport]:
    """The reports of running workers; removes the files of ended ones."""
    found = []
    for path in sorted(state.workers.glob("*.lock")):
        if _is_locked(path):
            found.append(_read(path.with_suffix(".json")))
        else:
            for ended in (path, path.with_suffix(".json")):
                ended.unlink(missing_ok=True)
    return found


def wait_for_workers(
    state: ServingState, is_done: Callable[[WorkerReport], bool], timeout: float
) -> list[WorkerReport]:
    """Wait until every running worker is done.

    Args:
        state: The state folder.
        is_done: True for the report of a worker that is done; it may raise an error, which ends the wait.
        timeout: Seconds to wait.

    Returns:
        The reports of the workers that were not done in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        late = [report for report in live_workers(state) if not is_done(report)]
        if not late or time.monotonic() > deadline:
            return late
        time.sleep(POLL_SECONDS)


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two readers do not take each other for the worker.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _read(path: Path) -> WorkerReport:
    with suppress(OSError, ValueError):
        return msgspec.json.decode(path.read_bytes(), type=WorkerReport)
    return WorkerReport(path.stem)

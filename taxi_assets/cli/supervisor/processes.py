"""Starts programs with a process tag and ends their whole process trees.

A child may start others, leave its process group, or die before its own children, and process ids are reused. So
each program gets a tag in its environment, which all its descendants inherit.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from typing import IO
from uuid import uuid4

import psutil

from taxi_assets.errors import TaxiError
from taxi_assets.settings.environment import isolated

TAG_VARIABLE = "SUPERVISED_BY"
GRACE_SECONDS = 10.0
# A process that survives SIGKILL this long is blocked in the kernel.
KILL_SECONDS = 5.0
LOAD_SECONDS = 5.0  # loading a program takes milliseconds, even on a busy machine
POLL_SECONDS = 0.05

# The watcher imports this module, with the whole command line, only if it has something to stop.
_WATCH = f"""
import sys
if not sys.stdin.buffer.read():
    from {__name__} import stop
    stop(sys.argv[1])
"""


def start(command: Sequence[str], env: Mapping[str, str], tag: str, output: int | IO[str]) -> subprocess.Popen[str]:
    """Start a program with the tag, in its own session, so that a terminal's Ctrl-C does not reach it.

    Args:
        command: The program and its arguments.
        env: Variables added to this process's own, without those that redirect libraries.
        tag: The tag by which `tagged_processes` and `stop` find the program and its descendants.
        output: The target of its output and errors: an open file, or `subprocess.PIPE` to read them as text.

    Raises:
        TaxiError: the program cannot be started.
    """
    try:
        process = subprocess.Popen(
            command,
            env={**isolated(os.environ), **env, TAG_VARIABLE: tag},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        remedy = "remove the environment's folder and run `make env`"
        raise TaxiError(f"cannot start {command[0]} ({error.strerror}): {remedy}") from error
    _wait_until_loaded(process.pid)
    return process


def tagged_processes(tag: str) -> list[psutil.Process]:
    """Running processes with this tag or one below it, `<tag>/...`; zombies do not count."""
    found = []
    for pid in psutil.pids():  # `process_iter` caches ended processes by id, which a new process of ours may have
        with suppress(psutil.Error):  # it has ended meanwhile, or belongs to another user
            process = psutil.Process(pid)
            is_tagged = f"{process.environ().get(TAG_VARIABLE, '')}/".startswith(f"{tag}/")
            if is_tagged and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def stop(tag: str, grace_seconds: float = GRACE_SECONDS, hurried: Callable[[], bool] = lambda: False) -> None:
    """End every process with the tag, also those that start meanwhile: by SIGTERM, later by SIGKILL.

    Args:
        tag: The tag of the processes, or a parent of their tags.
        grace_seconds: Time between SIGTERM and SIGKILL.
        hurried: Ends that time once it returns True.
    """
    deadline = time.monotonic() + grace_seconds
    signalled: set[int] = set()
    while (left := _left(tag)) and time.monotonic() < deadline + KILL_SECONDS:
        deadline = min(deadline, time.monotonic()) if hurried() else deadline
        if time.monotonic() < deadline:
            signalled |= _terminate(left, signalled)
        else:
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        time.sleep(POLL_SECONDS)


@contextmanager
def guarded_tag(parent_tag: str | None = None) -> Iterator[str]:
    """A new tag with a watcher that stops its processes when this process ends, even by SIGKILL.

    The watcher is a small process that waits for the end of a pipe, which only this process keeps open.

    Args:
        parent_tag: A common parent of several tags, if any.
    """
    tag = f"{parent_tag}/{uuid4().hex}" if parent_tag else uuid4().hex
    with subprocess.Popen(
        (sys.executable, "-c", _WATCH, tag),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as watcher:
        yield tag
        if watcher.stdin and not tagged_processes(tag):
            with suppress(BrokenPipeError):
                os.write(watcher.stdin.fileno(), b"all stopped")


def _wait_until_loaded(pid: int) -> None:
    """Wait until the process has loaded its program, as its environment is not readable before."""
    deadline = time.monotonic() + LOAD_SECONDS
    with suppress(psutil.Error):  # it has ended already
        process = psutil.Process(pid)
        while not process.environ() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.001)


def _left(tag: str) -> list[psutil.Process]:
    """Processes with the tag; checks twice before it returns none, as one may be loading its program."""
    if found := tagged_processes(tag):
        return found
    time.sleep(POLL_SECONDS)
    return tagged_processes(tag)


def _terminate(processes: Sequence[psutil.Process], signalled: Set[int]) -> set[int]:
    """Send SIGTERM to the process groups not yet signalled; returns all found."""
    # A server ends its own workers, and restarts those that die before it. So SIGTERM goes to the group of each
    # topmost process, and not to workers in groups of their own.
    ours = {process.pid for process in processes}
    groups = set[int]()
    for process in processes:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.ppid() not in ours:
                groups.add(os.getpgid(process.pid))
    for group in groups - signalled:  # only now, as the end of a process makes its workers topmost
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGTERM)
    return groups

"""Events of running programs in one queue, sent by threads that do nothing else."""

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from types import FrameType
from typing import IO, cast

from taxi_assets.cli.supervisor.ports import wait_until_ready
from taxi_assets.cli.supervisor.programs import Program

__all__ = [
    "Died",
    "Event",
    "Events",
    "Line",
    "Ready",
    "RestartDue",
    "StopRequested",
    "put_later",
    "signals_to",
    "watch",
]


@dataclass(frozen=True)
class Line:
    """A program printed a line."""

    name: str
    text: str


@dataclass(frozen=True)
class Died:
    """A program ended; a negative code is the signal that ended it."""

    name: str
    code: int


@dataclass(frozen=True)
class RestartDue:
    """A dead program is due for a restart."""

    name: str


@dataclass(frozen=True)
class Ready:
    """A program is ready, or was not ready in time."""

    name: str
    is_ready: bool


@dataclass(frozen=True)
class StopRequested:
    """A signal asks to stop every program."""


Event = Line | Died | RestartDue | Ready | StopRequested
# SimpleQueue is reentrant: a signal handler may put while the same thread gets.
Events = SimpleQueue[Event]


def watch(program: Program, process: subprocess.Popen[str], events: Events, ready_seconds: float) -> None:
    """Send events for the process's lines, its readiness and its end."""
    reader = threading.Thread(target=_read, args=[program.name, process, events], daemon=True)
    reader.start()
    threading.Thread(target=_await_end, args=[program.name, process, reader, events], daemon=True).start()
    waiting = [program, process, events, ready_seconds]
    threading.Thread(target=_await_ready, args=waiting, daemon=True).start()


def put_later(event: Event, seconds: float, events: Events) -> None:
    """Put the event into the queue after a delay."""
    timer = threading.Timer(seconds, events.put, [event])
    timer.daemon = True
    timer.start()


@contextmanager
def signals_to(events: Events) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into events; a SIGHUP ignored by `nohup` stays ignored."""

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        events.put(StopRequested())

    wanted = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wanted.append(signal.SIGHUP)
    before = {number: signal.signal(number, request_stop) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _read(name: str, process: subprocess.Popen[str], events: Events) -> None:
    with cast("IO[str]", process.stdout) as lines:  # a pipe, set at the start
        for line in lines:
            events.put(Line(name, line.rstrip("\n")))


def _await_end(name: str, process: subprocess.Popen[str], reader: threading.Thread, events: Events) -> None:
    code = process.wait()
    reader.join(timeout=0.3)  # send its last lines first; a child it left behind may keep the pipe open
    events.put(Died(name, code))


def _await_ready(program: Program, process: subprocess.Popen[str], events: Events, ready_seconds: float) -> None:
    if program.endpoint is None:
        return
    is_ready = wait_until_ready(program.endpoint.ready_url, ready_seconds, lambda: process.poll() is None)
    if is_ready or process.poll() is None:
        events.put(Ready(program.name, is_ready))

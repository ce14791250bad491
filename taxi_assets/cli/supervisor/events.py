"""What happens to running programs, told as events in one queue; the threads that tell do nothing else."""

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
    """A dead program has waited long enough."""

    name: str


@dataclass(frozen=True)
class Ready:
    """A program answers, or has not answered in time."""

    name: str
    is_ready: bool


@dataclass(frozen=True)
class StopRequested:
    """Somebody wants everything stopped."""


Event = Line | Died | RestartDue | Ready | StopRequested
# A signal handler may put into this kind of queue while the same thread takes from it.
Events = SimpleQueue[Event]


def watch(program: Program, process: subprocess.Popen[str], events: Events, ready_seconds: float) -> None:
    """Tell of the process's lines, its end, and when it first answers."""
    reader = threading.Thread(target=_read, args=[program.name, process, events], daemon=True)
    reader.start()
    threading.Thread(target=_await_end, args=[program.name, process, reader, events], daemon=True).start()
    waiting = [program, process, events, ready_seconds]
    threading.Thread(target=_await_ready, args=waiting, daemon=True).start()


def put_later(event: Event, seconds: float, events: Events) -> None:
    """Put the event into the queue after that time."""
    timer = threading.Timer(seconds, events.put, [event])
    timer.daemon = True
    timer.start()


@contextmanager
def signals_to(events: Events) -> Iterator[None]:
    """Turn the signals that end a program into events; a hang-up that `nohup` ignores stays ignored."""

    def ask(_signal: int, _frame: FrameType | None) -> None:
        events.put(StopRequested())

    wanted = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wanted.append(signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _read(name: str, process: subprocess.Popen[str], events: Events) -> None:
    with cast("IO[str]", process.stdout) as lines:  # a pipe: it was started with one
        for line in lines:
            events.put(Line(name, line.rstrip("\n")))


def _await_end(name: str, process: subprocess.Popen[str], reader: threading.Thread, events: Events) -> None:
    code = process.wait()
    reader.join(timeout=0.3)  # its last words come first; but what it left behind may keep the pipe open
    events.put(Died(name, code))


def _await_ready(program: Program, process: subprocess.Popen[str], events: Events, ready_seconds: float) -> None:
    if program.endpoint is None:
        return
    is_ready = wait_until_ready(program.endpoint.ready_url, ready_seconds, lambda: process.poll() is None)
    if is_ready or process.poll() is None:
        events.put(Ready(program.name, is_ready))

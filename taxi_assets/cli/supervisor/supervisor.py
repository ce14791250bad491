"""Runs several programs with one output, one list of addresses and one Ctrl-C; restarts a dead one."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from rich.console import Console
from rich.text import Text

from taxi_assets.cli.supervisor import processes
from taxi_assets.cli.supervisor.events import (
    Died,
    Event,
    Events,
    Line,
    Ready,
    RestartDue,
    StopRequested,
    put_later,
    signals_to,
    watch,
)
from taxi_assets.cli.supervisor.ports import wait_until_ready
from taxi_assets.cli.supervisor.program_logs import ProgramLogs, terminal_line
from taxi_assets.cli.supervisor.programs import Program, require_ports
from taxi_assets.errors import TaxiError

__all__ = ["Timeouts", "run", "running"]

# Restarts of a program within the window; the next death stops every program.
MAX_RESTARTS = 3
WINDOW_SECONDS = 600.0
COLOURS = ("cyan", "green", "magenta", "yellow", "blue")


@dataclass(frozen=True)
class Timeouts:
    """Waiting times: until a program is ready, before its first restart (then doubling), after SIGTERM."""

    ready_seconds: float = 120.0
    back_off_seconds: float = 1.0
    stop_seconds: float = processes.GRACE_SECONDS


def run(
    programs: Sequence[Program],
    console: Console,
    timeouts: Timeouts | None = None,
    parent_tag: str | None = None,
    logs: ProgramLogs | None = None,
) -> int:
    """Run the programs until Ctrl-C, SIGTERM or the terminal's end; then end their process trees.

    Call it from the main thread, since it handles signals.

    Args:
        programs: The programs; one with `missing` set is shown and not started.
        console: Target of the output.
        timeouts: Waiting times.
        parent_tag: The home's tag, by which a later `taxi up` finds processes left behind.
        logs: Log files for the programs' lines; the console then shows only warnings and errors.

    Returns:
        The exit code: 0 after a stop signal, 1 when a program died too often.

    Raises:
        TaxiError: a port is taken, or a program cannot be started.
    """
    require_ports(programs)
    events: Events = SimpleQueue()
    with signals_to(events), processes.guarded_tag(parent_tag) as tag:
        supervision = _Supervision(programs, console, tag, events, timeouts or Timeouts(), logs)
        try:
            return supervision.run()
        finally:
            supervision.stop_all()
            if logs:
                logs.close()


@contextmanager
def running(program: Program, log: Path, timeouts: Timeouts | None = None) -> Iterator[str]:
    """Run one program during the block, with its output in a file.

    Yields:
        Its URL.

    Raises:
        TaxiError: it has `missing` set, its port is taken, or it does not become ready.
    """
    if program.missing or program.endpoint is None:
        raise TaxiError(program.missing or f"{program.name} has no address")
    require_ports([program])
    seconds = (timeouts or Timeouts()).ready_seconds
    log.parent.mkdir(parents=True, exist_ok=True)
    with processes.guarded_tag() as tag, log.open("w") as output:
        process = processes.start(program.command, program.env, tag, output)
        try:
            if not wait_until_ready(program.endpoint.ready_url, seconds, lambda: process.poll() is None):
                reason = _exit_reason(process.poll(), seconds)
                raise TaxiError(f"{program.name} {reason}: see {log}")
            yield program.endpoint.url
        finally:
            processes.stop(tag)
            process.wait()


@dataclass
class _Supervision:
    """The state of one `run`. Only the main thread uses it; other threads send events."""

    programs: Sequence[Program]
    console: Console
    tag: str
    events: Events
    timeouts: Timeouts
    logs: ProgramLogs | None = None
    deaths: dict[str, list[float]] = field(default_factory=dict)
    not_ready: set[str] = field(default_factory=set)
    addresses_shown: bool = False

    def run(self) -> int:
        wanted = [program for program in self.programs if not program.missing]
        self._say(f"starting {', '.join(program.name for program in wanted)} ...")
        self.not_ready = {program.name for program in wanted if program.endpoint}
        for program in wanted:
            self._start(program)
        self._show_addresses()
        code = None
        while code is None:
            code = self._handle(self.events.get())
        return code

    def stop_all(self) -> None:
        """End every program, logging its last lines; a second Ctrl-C kills them at once."""
        ending = threading.Thread(target=processes.stop, args=[self.tag, self.timeouts.stop_seconds])
        ending.start()
        self._say("stopping all of them ...")
        while ending.is_alive() or not self.events.empty():
            try:
                event = self.events.get(timeout=0.1)
            except Empty:
                continue
            if isinstance(event, Line):
                self._show(event, is_stopping=True)
            elif isinstance(event, StopRequested):
                processes.kill(self.tag)
        self._say("all stopped")

    def _handle(self, event: Event) -> int | None:
        match event:
            case Line():
                self._show(event)
            case Died(name, code):
                return self._after_death(name, code)
            case RestartDue(name):
                self._start(next(program for program in self.programs if program.name == name))
            case Ready(name, is_ready):
                self._after_ready(name, is_ready)
            case StopRequested():
                return 0
        return None

    def _start(self, program: Program) -> None:
        tag = f"{self.tag}/{program.name}"
        process = processes.start(program.command, program.env, tag, subprocess.PIPE)
        watch(program, process, self.events, self.timeouts.ready_seconds)

    def _after_death(self, name: str, code: int) -> int | None:
        processes.stop(f"{self.tag}/{name}", self.timeouts.stop_seconds)  # its children may still use its port
        now = time.monotonic()
        recent = [at for at in self.deaths.get(name, []) if at > now - WINDOW_SECONDS]
        self.deaths[name] = [*recent, now]
        if len(recent) == MAX_RESTARTS:
            self._warn(f"{name} {_exit_reason(code)} after {MAX_RESTARTS} restarts: see {self._lines_of(name)}")
            return 1
        wait = self.timeouts.back_off_seconds * 2 ** len(recent)
        self._warn(f"{name} {_exit_reason(code)}: restart {len(recent) + 1} of {MAX_RESTARTS} in {wait:g} s")
        put_later(RestartDue(name), wait, self.events)
        return None

    def _after_ready(self, name: str, is_ready: bool) -> None:
        self.not_ready.discard(name)
        if not is_ready:
            reason = _exit_reason(None, self.timeouts.ready_seconds)
            self._warn(f"{name} {reason}: see {self._lines_of(name)}")
        elif self.addresses_shown:
            self._say(f"{name} is ready again")
        self._show_addresses()

    def _show_addresses(self) -> None:
        """Print the addresses once every program is ready or has timed out."""
        if not self.not_ready and not self.addresses_shown:
            self.addresses_shown = True
            self._say("up and running")
            for line in _addresses(self.programs):
                self.console.print(line, soft_wrap=True, markup=False)
            where = f"; their logs are in {self.logs.folder}" if self.logs else ""
            self._say(f"Ctrl-C stops all of them{where}")

    def _lines_of(self, name: str) -> str:
        return str(self.logs.path(name)) if self.logs else "its lines above"

    def _show(self, line: Line, *, is_stopping: bool = False) -> None:
        """Show the line; with log files, only warnings and errors, and none while stopping."""
        text = Text.from_ansi(line.text)
        if self.logs:
            self.logs.write(line.name, text.plain)
            notable = terminal_line(text.plain)
            if is_stopping or notable is None:
                return
            text = text if notable == text.plain else Text(notable)
        names = [program.name for program in self.programs]
        width = max(map(len, names))
        label = f"{line.name:<{width}} | ", COLOURS[names.index(line.name) % len(COLOURS)]
        self.console.print(Text.assemble(label, text), soft_wrap=True)

    def _say(self, sentence: str) -> None:
        self.console.print(Text(sentence, style="bold"), soft_wrap=True)

    def _warn(self, sentence: str) -> None:
        self.console.print(Text(sentence, style="bold red"), soft_wrap=True)


def _exit_reason(code: int | None, seconds: float = 0) -> str:
    if code is None:
        return f"was not ready after {seconds:g} s"
    if code < 0:
        return f"was ended by signal {-code} ({signal.strsignal(-code)})"
    return f"ended with exit code {code}"


def _addresses(programs: Sequence[Program]) -> list[str]:
    """A line for each program. A table would cut addresses in a narrow terminal."""
    width = max(len(program.name) for program in programs)
    where = (program.endpoint.page_url if program.endpoint else "in the background" for program in programs)
    return [
        f"{p.name:<{width}}  {p.missing or address}  ({p.description})"
        for p, address in zip(programs, where, strict=True)
    ]

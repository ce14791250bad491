"""Runs several programs with one output, one list of addresses and one Ctrl-C; restarts a dead one.

Each program has two threads: one starts it, waits for its readiness and its end, and restarts it; the other reads its
output. The main thread waits for a signal or a failure, and then ends all of them.
"""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from rich.console import Console
from rich.text import Text

from taxi_assets.cli.supervisor import processes
from taxi_assets.cli.supervisor.ports import wait_until_ready
from taxi_assets.cli.supervisor.program_logs import ProgramLogs, last_lines, terminal_line
from taxi_assets.cli.supervisor.programs import Endpoint, Program, require_ports
from taxi_assets.errors import TaxiError

# Restarts of a program within the window; the next death stops every program.
MAX_RESTARTS = 3
WINDOW_SECONDS = 600.0
POLL_SECONDS = 0.05
COLOURS = ("cyan", "green", "magenta", "yellow", "blue")


@dataclass(frozen=True)
class Timeouts:
    """Waiting times.

    Attributes:
        ready_seconds: Until a program is ready.
        back_off_seconds: Before its first restart; then doubling.
        renew_seconds: Between two checks of what a program misses.
        stop_seconds: After SIGTERM.
    """

    ready_seconds: float = 120.0
    back_off_seconds: float = 1.0
    renew_seconds: float = 1.0
    stop_seconds: float = processes.GRACE_SECONDS


def run(
    programs: Sequence[Program],
    console: Console,
    logs: ProgramLogs,
    timeouts: Timeouts | None = None,
    parent_tag: str | None = None,
) -> None:
    """Run the programs until Ctrl-C, SIGTERM or the terminal's end; then end their process trees.

    Call it from the main thread, since it handles signals.

    Args:
        programs: The programs; one with `missing` set is shown, and started once its `renew` misses nothing.
        console: Target of warnings, errors and the supervisor's own lines.
        logs: Log files for the programs' lines.
        timeouts: Waiting times.
        parent_tag: The home's tag, by which a later `taxi up` finds processes left behind.

    Raises:
        TaxiError: a port is taken, a program cannot be started, or one died too often.
    """
    require_ports(programs)
    with _received_signals() as signals, processes.guarded_tag(parent_tag) as tag:
        supervision = _Supervision(programs, console, logs, tag, signals, timeouts or Timeouts())
        try:
            supervision.run()
        finally:
            supervision.stop_all()
            logs.close()


@contextmanager
def running(program: Program, log: Path, timeouts: Timeouts | None = None) -> Iterator[str]:
    """Run one program during the block, with its output in a file.

    Yields:
        Its URL, once it is ready.

    Raises:
        TaxiError: it has `missing` set, its port is taken, or it does not become ready.
    """
    with starting(program, log, timeouts) as wait_for_url:
        yield wait_for_url()


@contextmanager
def starting(program: Program, log: Path, timeouts: Timeouts | None = None) -> Iterator[Callable[[], str]]:
    """Run one program during the block, as `running` does, and wait for it later.

    Yields:
        A function that waits until it is ready and returns its URL.
    """
    if program.missing or program.endpoint is None:
        raise TaxiError(program.missing or f"{program.name} has no address")
    require_ports([program])
    endpoint, seconds = program.endpoint, (timeouts or Timeouts()).ready_seconds
    log.parent.mkdir(parents=True, exist_ok=True)
    with processes.guarded_tag() as tag, log.open("w") as output:
        process = processes.start(program.command, program.env, tag, output)

        def wait_for_url() -> str:
            if not _becomes_ready(endpoint, process, seconds):
                reason = _exit_reason(process.poll(), seconds)
                raise TaxiError(f"{program.name} {reason}: see {log}{last_lines(log)}")
            return endpoint.url

        try:
            yield wait_for_url
        finally:
            processes.stop(tag)
            process.wait()


@contextmanager
def _received_signals() -> Iterator[list[int]]:
    """Collect SIGINT, SIGTERM and SIGHUP in a list; a SIGHUP ignored by `nohup` stays ignored."""
    received: list[int] = []
    wanted = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wanted.append(signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in wanted}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class _Supervision:
    """The state of one `run`."""

    programs: Sequence[Program]
    console: Console
    logs: ProgramLogs
    tag: str
    signals: Sequence[int]
    timeouts: Timeouts
    threads: list[threading.Thread] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    not_ready: set[str] = field(default_factory=set)
    were_ready: set[str] = field(default_factory=set)
    addresses_shown: bool = False
    starting: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        wanted = [program for program in self.programs if not program.missing]
        self._say(f"starting {', '.join(program.name for program in wanted)} ...")
        self.not_ready = {program.name for program in wanted if program.endpoint}
        self.threads = [self._in_thread(self._supervise, each) for each in self.programs if each.may_start]
        while not self.signals and not self.failures:
            if not self.not_ready and not self.addresses_shown:
                self._show_addresses()
            time.sleep(POLL_SECONDS)
        if self.failures:
            raise self.failures[0]

    def stop_all(self) -> None:
        """End every program, logging its last lines; another Ctrl-C kills them at once."""
        expected = min(len(self.signals), 1)
        with self.starting:  # after it no program starts
            self.stopping.set()
        self._say("stopping all of them ...")
        processes.stop(self.tag, self.timeouts.stop_seconds, lambda: len(self.signals) > expected)
        for thread in self.threads:
            thread.join(timeout=1)
        self._say("all stopped")

    def _in_thread(self, work: Callable[..., None], *arguments: Any) -> threading.Thread:
        """Run the work in a thread; its error, such as a closed output, ends all programs."""

        def guarded() -> None:
            try:
                work(*arguments)
            except BaseException as error:
                self.failures.append(error)

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    def _wait_for_missing(self, program: Program) -> Program:
        """The program once it misses nothing, or as it is at the end."""
        while program.missing and program.renew and not self.stopping.wait(self.timeouts.renew_seconds):
            program = program.renew()
            self.programs = [program if each.name == program.name else each for each in self.programs]
            if not program.missing:
                self._say(f"starting {program.name} ...")
        return program

    def _supervise(self, program: Program) -> None:
        program = self._wait_for_missing(program)
        deaths: list[float] = []
        while process := self._start(program):
            reader = self._in_thread(self._read, program.name, process)
            self._await_ready(program, process)
            code = process.wait()
            reader.join(timeout=0.3)  # show its last lines first; a child it left behind may keep the pipe open
            if self.stopping.is_set():
                return
            processes.stop(f"{self.tag}/{program.name}", self.timeouts.stop_seconds)  # its children may use its port
            now = time.monotonic()
            deaths = [*(at for at in deaths if at > now - WINDOW_SECONDS), now]
            self.stopping.wait(self._back_off(f"{program.name} {_exit_reason(code)}", program.name, len(deaths)))

    def _start(self, program: Program) -> subprocess.Popen[str] | None:
        with self.starting:
            if self.stopping.is_set():
                return None
            return processes.start(program.command, program.env, f"{self.tag}/{program.name}", subprocess.PIPE)

    def _read(self, name: str, process: subprocess.Popen[str]) -> None:
        with cast("IO[str]", process.stdout) as lines:  # a pipe, set at the start
            for line in lines:
                self._show(name, line.rstrip("\n"))

    def _await_ready(self, program: Program, process: subprocess.Popen[str]) -> None:
        if program.endpoint is None:
            return
        is_ready = _becomes_ready(program.endpoint, process, self.timeouts.ready_seconds)
        if self.stopping.is_set() or (process.poll() is not None and not is_ready):
            return
        if not is_ready:
            reason = _exit_reason(None, self.timeouts.ready_seconds)
            self._say(f"{program.name} {reason}: see {self.logs.path(program.name)}", "bold red")
        elif self.addresses_shown:
            self._say(f"{program.name} is ready {'again' if program.name in self.were_ready else program.endpoint.url}")
        if is_ready:
            self.were_ready.add(program.name)
        self.not_ready.discard(program.name)

    def _back_off(self, death: str, name: str, deaths: int) -> float:
        """The seconds before the restart; an error if the program died too often."""
        if deaths > MAX_RESTARTS:
            raise TaxiError(f"{death} after {MAX_RESTARTS} restarts: see {self.logs.path(name)}")
        seconds: float = self.timeouts.back_off_seconds * 2 ** (deaths - 1)
        self._say(f"{death}: restart {deaths} of {MAX_RESTARTS} in {seconds:g} s", "bold red")
        return seconds

    def _show_addresses(self) -> None:
        self.addresses_shown = True
        self._say("up and running")
        width = max(len(program.name) for program in self.programs)
        for program in self.programs:  # a table would cut addresses in a narrow terminal
            self.console.print(_address_line(program, width), soft_wrap=True, markup=False)
        self._say(f"Ctrl-C stops all of them; their logs are in {self.logs.folder}")

    def _show(self, name: str, line: str) -> None:
        """Log the line; on the terminal show warnings and errors only, and none while stopping."""
        text = Text.from_ansi(line)
        self.logs.write(name, text.plain)
        notable = terminal_line(text.plain)
        if notable is None or self.stopping.is_set():
            return
        names = [program.name for program in self.programs]
        label = f"{name:<{max(map(len, names))}} | ", COLOURS[names.index(name) % len(COLOURS)]
        self.console.print(Text.assemble(label, text if notable == text.plain else notable), soft_wrap=True)

    def _say(self, sentence: str, style: str = "bold") -> None:
        self.console.print(Text(sentence, style=style), soft_wrap=True)


def _becomes_ready(endpoint: Endpoint, process: subprocess.Popen[str], seconds: float) -> bool:
    return wait_until_ready(endpoint.url + endpoint.ready_path, seconds, lambda: process.poll() is None)


def _exit_reason(code: int | None, seconds: float = 0) -> str:
    if code is None:
        return f"was not ready after {seconds:g} s"
    if code < 0:
        return f"was ended by signal {-code} ({signal.strsignal(-code)})"
    return f"ended with exit code {code}"


def _address_line(program: Program, width: int) -> str:
    address = program.endpoint.url + program.endpoint.page if program.endpoint else "in the background"
    return f"{program.name:<{width}}  {program.missing or address}  ({program.description})"

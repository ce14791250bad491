"""Runs a program in its own terminal, reads its screen and types keys."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

CTRL_C = b"\x03"
CHECKOUT = Path(__file__).parents[2]
# Use the environment of these tests: `-o env` keeps make from renewing it.
MAKE_UP = ("make", "-o", "env", f"VENV={sys.prefix}", "up")
SECONDS = 240.0
_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Terminal:
    """A running program; `text` is all the output of its screen, without colours."""

    process: subprocess.Popen[bytes]
    keyboard: int
    shown: list[bytes] = field(default_factory=list)
    has_output: threading.Event = field(default_factory=threading.Event)

    @property
    def text(self) -> str:
        return _STYLE.sub("", b"".join(self.shown).decode(errors="replace"))

    def read(self) -> None:
        with suppress(OSError):  # the program's end closes its side
            while chunk := os.read(self.keyboard, 65536):
                self.shown.append(chunk)
                self.has_output.set()

    def press(self, keys: bytes) -> None:
        os.write(self.keyboard, keys)

    def wait_for(self, pattern: str) -> None:
        """Waits for the pattern. Raises an error if the program ends first."""
        deadline = time.monotonic() + SECONDS
        while not re.search(pattern, self.text):
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            self.has_output.clear()
            self.has_output.wait(0.05)

    def kill(self) -> bool:
        """Kills the program's process group with SIGKILL. False if the program had already ended by itself."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait() == -signal.SIGKILL


@contextmanager
def terminal(command: Sequence[str], environment: Mapping[str, str], cwd: Path | None = None) -> Iterator[Terminal]:
    """Runs the program during the block, then kills all its remaining processes."""
    keyboard, screen = pty.openpty()
    program = subprocess.Popen(
        # A new session that owns this terminal: Ctrl-C signals only the program.
        ["setsid", "--ctty", "--wait", *command],
        cwd=cwd,
        env={**environment, "TERM": "xterm", "COLUMNS": "200", "LINES": "60"},
        stdin=screen,
        stdout=screen,
        stderr=screen,
    )
    os.close(screen)
    opened = Terminal(program, keyboard)
    reader = threading.Thread(target=opened.read)
    reader.start()
    try:
        wait_until(lambda: os.getpgid(program.pid) == program.pid)  # else there is no process group to kill yet
        yield opened
    finally:
        if program.poll() is None:
            opened.kill()
        reader.join()
        os.close(keyboard)


def processes_of(home: Path) -> list[psutil.Process]:
    """The processes that use this home."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("TAXI_HOME") == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + SECONDS, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(0.05)

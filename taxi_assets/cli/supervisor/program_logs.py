"""Programs' output: a log file for each program, and warnings and errors on the terminal."""

import logging
import re
from contextlib import suppress
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path

_LARGEST_BYTES = 10_000_000  # of a file; the previous one is kept as `.log.1`
_SHOWN_LINES, _SHOWN_BYTES = 10, 4_000
# The line before a traceback names the error, with its level; the traceback stays in the log.
_NOTABLE = re.compile(r"\b(?:WARNING|ERROR|CRITICAL|FATAL)\b|^error:")
# Dagster prints each event of a run: "<time> - dagster - ERROR - <job> - <run id> - <event>". A failed step gives an
# ERROR for itself, for every step after it, and for the run, whose line is the last.
_RUN_EVENT = re.compile(r" - dagster - [A-Z]+ - (?P<job>\w+) - (?P<run>[0-9a-f]{8}-[0-9a-f-]{27}) - (?P<event>.*)")
_FAILED_STEPS = re.compile(r"RUN_FAILURE - .*?(?:Steps failed: (?P<steps>\[.*\]))?[.]?$")


class _LogFile(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Ignore errors: with a full disk they would fill the terminal."""


def terminal_line(line: str) -> str | None:
    """A warning or an error as shown on the terminal, a failed run as one sentence; None for other lines."""
    event = _RUN_EVENT.search(line)
    if not event:
        return line if _NOTABLE.search(line) else None
    failure = _FAILED_STEPS.search(event["event"])
    if not failure:
        return None
    steps = ", ".join(re.findall(r"'(\w+)'", failure["steps"] or ""))
    at = f" at {steps}" if steps else ""
    return f"ERROR: a run of the job {event['job']} failed{at}: Dagster shows why at /runs/{event['run']}"


def last_lines(log: Path) -> str:
    """The end of a log, as the end of a message on its program: empty if there is none."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _SHOWN_BYTES))
        lines = file.read().decode(errors="replace").splitlines()[-_SHOWN_LINES:]
        return "\n".join([", which ends with", *lines]) if lines else ""
    return ""


@dataclass
class ProgramLogs:
    """The log files of one folder, `<program>.log`."""

    folder: Path
    _files: dict[str, _LogFile] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def write(self, name: str, line: str) -> None:
        """Add a line to the program's file."""
        if name not in self._files:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._files[name] = _LogFile(self.path(name), "a", _LARGEST_BYTES, 1, "utf-8", delay=True)
        self._files[name].handle(logging.makeLogRecord({"msg": line}))

    def close(self) -> None:
        for file in self._files.values():
            file.close()

"""When a file in the landing folder is whole: nobody has it open for writing, and it is as it was at the look before.

What was seen is kept between looks in a file of the store. No clock of the day is asked and no file's own time is
compared with another, so a clock that jumps and a file with an old date change nothing.
"""

import fcntl
import json
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "IMMEDIATE",
    "WAIT_UNTIL_STABLE",
    "Observation",
    "ScanPolicy",
    "has_temporary_name",
    "is_open_for_writing",
    "read_observations",
    "write_observations",
]

_TEMPORARY = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".filepart", ".swp", "~")

Signature = tuple[int, int, int, int]


@dataclass(frozen=True)
class ScanPolicy:
    """How patiently to look.

    `observations` unchanged ones, at least `seconds_between` apart, make a file whole; one that cannot be read is given up
    after `unreadable_observations`. At most `max_files` are taken, and none read, once `budget_seconds` have passed.
    `lock_seconds` is how long to wait for another who looks; -1 is as long as it takes.
    """

    observations: int = 2
    seconds_between: float = 2.0
    unreadable_observations: int = 3
    max_files: int = 24
    budget_seconds: float = 20.0
    lock_seconds: float = 10.0


WAIT_UNTIL_STABLE = ScanPolicy()
"""Of the sensor, whose tick must end within a minute, and of `taxi files`."""

IMMEDIATE = ScanPolicy(observations=1, max_files=10_000, budget_seconds=float("inf"), lock_seconds=-1)
"""Of whoever asks for a month now: what has it open for writing, and its footer, tell whether a file is whole."""


@dataclass(frozen=True)
class Observation:
    """What was seen of a file: its signature, how many looks it has had it, when the last of them was counted."""

    signature: Signature
    count: int
    at: float  # the machine's monotonic clock, which all processes share until it starts anew

    @classmethod
    def first(cls, signature: Signature) -> "Observation":
        return cls(signature, 1, time.monotonic())

    def observe_again(self, signature: Signature, policy: ScanPolicy) -> "Observation":
        """The next look. One that follows too soon after the last does not count."""
        if signature != self.signature:
            return Observation.first(signature)
        now = time.monotonic()
        is_due = not 0 <= now - self.at < policy.seconds_between
        return Observation(signature, self.count + 1, now) if is_due else self


def signature_of(status: os.stat_result) -> Signature:
    """What changes whenever a file's bytes do."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def has_temporary_name(name: str) -> bool:
    """Whoever writes it says by its name that it is not whole."""
    return name.startswith(".") or name.lower().endswith(_TEMPORARY)


def is_open_for_writing(descriptor: int) -> bool:
    """Any process has the file open for writing, as the kernel tells by refusing a read lease; False if it cannot."""
    if not hasattr(fcntl, "F_SETLEASE") or not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:  # another's file, or a file system without leases: only the looks tell
        return False
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def read_observations(path: Path) -> dict[str, Observation]:
    """The looks kept at `path`, by file name; none where there is no such file, or one cut off in the writing."""
    try:
        kept = json.loads(path.read_text())
        return {name: Observation((s[0], s[1], s[2], s[3]), count, at) for name, (s, count, at) in kept.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError, IndexError):
        return {}


def write_observations(path: Path, observations: Mapping[str, Observation]) -> None:
    """Keep the looks for the next time."""
    kept = {name: [look.signature, look.count, look.at] for name, look in observations.items()}
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(kept))
    draft.replace(path)

"""Detects complete files in the landing folder: no writer, unchanged between two scans.

Observations are saved in the file store between scans. Intervals use the monotonic clock, and file times are only
tested for equality. So a clock that jumps or a file with an old date does no harm.
"""

import fcntl
import json
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from taxi_assets.files import write_atomically

_TEMPORARY = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".filepart", ".swp", "~")

Signature = tuple[int, int, int, int]


@dataclass(frozen=True)
class ScanPolicy:
    """Rules of a scan: the evidence for a complete file, and limits of work and time.

    Attributes:
        observations: equal observations that make a file complete.
        seconds_between: least time between two observations that count.
        unreadable_observations: equal observations after which an unreadable file is taken all the same.
        max_files: most files that one scan takes.
        budget_seconds: time after which a scan reads no further file.
        lock_seconds: longest wait for another scan to end; -1 for no limit.
    """

    observations: int = 2
    seconds_between: float = 2.0
    unreadable_observations: int = 3
    max_files: int = 24
    budget_seconds: float = 20.0
    lock_seconds: float = 10.0


WAIT_UNTIL_STABLE = ScanPolicy()
"""For the sensor, whose tick must end within a minute, and for `taxi files`."""

IMMEDIATE = ScanPolicy(observations=1, max_files=10_000, budget_seconds=float("inf"), lock_seconds=-1)
"""For commands that need a month at once: a file without a writer and with a whole footer is complete."""


@dataclass(frozen=True)
class Observation:
    """A file's signature, the number of scans that saw it, and the time of the last one counted."""

    signature: Signature
    count: int
    at: float  # the monotonic clock, which all processes share until the machine restarts

    @classmethod
    def first(cls, signature: Signature) -> "Observation":
        return cls(signature, 1, time.monotonic())

    def observe_again(self, signature: Signature, policy: ScanPolicy) -> "Observation":
        """The observation of the next scan. A scan too soon after the last one does not count."""
        if signature != self.signature:
            return Observation.first(signature)
        now = time.monotonic()
        is_due = not 0 <= now - self.at < policy.seconds_between
        return Observation(signature, self.count + 1, now) if is_due else self


def signature_of(status: os.stat_result) -> Signature:
    """Size, times and inode: at least one changes whenever the file's bytes change."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def has_temporary_name(name: str) -> bool:
    """True if the name marks an unfinished file."""
    return name.startswith(".") or name.lower().endswith(_TEMPORARY)


def is_open_for_writing(descriptor: int) -> bool:
    """True if a process has the file open for writing: the kernel then refuses a read lease.

    False also if the file system has no leases.
    """
    if not hasattr(fcntl, "F_SETLEASE") or not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:  # another user's file, or no leases: only the observations can tell
        return False
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def read_observations(path: Path) -> dict[str, Observation]:
    """The saved observations by file name; empty if the file is missing or cut off."""
    try:
        kept = json.loads(path.read_text())
        return {name: Observation((s[0], s[1], s[2], s[3]), count, at) for name, (s, count, at) in kept.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError, IndexError):
        return {}


def write_observations(path: Path, observations: Mapping[str, Observation]) -> None:
    """Save the observations for the next scan."""
    kept = {name: [seen.signature, seen.count, seen.at] for name, seen in observations.items()}
    write_atomically(path, json.dumps(kept))

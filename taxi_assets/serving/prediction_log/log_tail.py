"""Follows a log: returns the new lines of all its segments.

Without new lines, a read takes a few microseconds.
"""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from taxi_assets.serving.prediction_log.segments import MAX_LINE_BYTES, OPEN, SEALED, names

_CHUNK_BYTES = MAX_LINE_BYTES
# A folder changed within this time may change again without a new time of change.
_CLOCK_TICK_SECONDS = 0.1


class LoggedLine(NamedTuple):
    """A whole line of a log, without its end; a loss of power may have left it unreadable."""

    segment: str
    offset: int
    content: bytes


@dataclass
class _Followed:
    name: str
    descriptor: int
    offset: int = 0
    is_sealed: bool = False


class LogTail:
    """Reads each line of a log once, from the beginning: in order within a segment, older segments first.

    Not safe to use from several threads.

    Args:
        folder: The folder of the log; it may not exist yet.
        since: Skip segments that were sealed before this time, seconds since 1970.
    """

    def __init__(self, folder: Path, since: float = 0) -> None:
        self._folder, self._since = folder, since
        self._stamp: tuple[int, int] | None = None
        self._followed: dict[str, _Followed] = {}
        self._finished: set[str] = set()

    def read(self) -> list[LoggedLine]:
        """The lines appended since the last call; a call reads at most 4 MiB of each segment."""
        self._find_segments()
        lines: list[LoggedLine] = []
        for each in list(self._followed.values()):
            # Sealed before its size is read: nothing more will be appended.
            is_last = each.is_sealed
            new = os.fstat(each.descriptor).st_size - each.offset
            if new > 0:
                lines += _read(each, min(new, _CHUNK_BYTES))
            elif is_last:
                self._finish(each)
        return lines

    def close(self) -> None:
        """Close the segments' files."""
        for each in list(self._followed.values()):
            self._finish(each)

    def _finish(self, each: _Followed) -> None:
        os.close(each.descriptor)
        del self._followed[each.name]
        self._finished.add(each.name)

    def _find_segments(self) -> None:
        try:
            status = self._folder.stat()
        except FileNotFoundError:
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == self._stamp:
            return
        self._stamp = stamp if time.time() - status.st_mtime > _CLOCK_TICK_SECONDS else None
        found = dict.fromkeys(names(self._folder, OPEN), OPEN)
        found |= dict.fromkeys(names(self._folder, SEALED), SEALED)
        self._finished &= set(found)
        for name in sorted(set(found) - self._finished):
            if name not in self._followed and not self._open(name, found[name]):
                self._stamp = None  # it was sealed or removed since the listing
            elif name in self._followed:
                self._followed[name].is_sealed = found[name] == SEALED
        for each in [each for name, each in self._followed.items() if name not in found]:
            each.is_sealed = True  # removed: read what is left

    def _open(self, name: str, suffix: str) -> bool:
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(self._folder / f"{name}{suffix}", os.O_RDONLY)
            if suffix == SEALED and os.fstat(descriptor).st_mtime < self._since:
                os.close(descriptor)
                self._finished.add(name)
            else:
                self._followed[name] = _Followed(name, descriptor)
            return True
        return False


def _read(each: _Followed, size: int) -> list[LoggedLine]:
    """The whole lines of the next `size` bytes."""
    content = os.pread(each.descriptor, size, each.offset)
    whole = content.rfind(b"\n") + 1
    lines = []
    for line in content[:whole].split(b"\n")[:-1]:
        lines.append(LoggedLine(each.name, each.offset, line))
        each.offset += len(line) + 1
    if not whole and (each.is_sealed or size == _CHUNK_BYTES):
        each.offset += size  # no writer's line: bytes that a loss of power left
    return lines

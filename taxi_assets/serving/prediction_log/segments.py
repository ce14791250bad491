"""Log segments: files of JSON lines, each appended to by one process, then sealed.

A segment is `<name>.open` while its writer holds a lock on it, then `<name>.jsonl`, which never changes. Names sort by
the time of the segment's first line. Bytes after the last whole line of a killed writer are moved to `<name>.torn`. A
reader that cannot wait touches `.seal`, and each running writer seals its segment.
"""

import contextlib
import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from taxi_assets.errors import TaxiError
from taxi_assets.files import write_atomically

OPEN, SEALED, TORN = ".open", ".jsonl", ".torn"
ID_FIELD = "request_id"

_DRAFT = ".new"
_REQUEST = ".seal"
_ID = re.compile(r"([0-9a-f]{16})-([0-9a-f]{1,12})")
_FIRST_READ_BYTES = 4096
MAX_LINE_BYTES = 4 * 1024 * 1024  # twice the record of 10,000 rides


def new_name() -> str:
    """A segment name of 16 hexadecimal digits: microseconds since 1970, then 12 random bits."""
    return f"{time.time_ns() // 1000:013x}{secrets.randbits(12):03x}"


def begun_at(name: str) -> float:
    """The time when a segment was created, seconds since 1970."""
    return int(name[:13], 16) / 1_000_000


def record_id(segment: str, offset: int) -> str:
    """The id of the record at this offset, bytes."""
    return f"{segment}-{offset:x}"


def parse_id(text: str) -> tuple[str, int]:
    """The segment and the offset in a record's id.

    Raises:
        TaxiError: it is no such id.
    """
    found = _ID.fullmatch(text)
    if not found:
        raise TaxiError(
            f"{text[:60]!r} is no request id: give the `request_id` of an answer, such as 019ab0c1d2e3f4a5-1f0"
        )
    return found[1], int(found[2], 16)


def names(folder: Path, suffix: str) -> list[str]:
    """The names of segments with this suffix, oldest first; none if the folder is missing."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(path.stem for path in folder.iterdir() if path.suffix == suffix and path.name[0] != ".")
    return []


def create_segment(folder: Path) -> tuple[str, int]:
    """Create a locked, empty segment and return its name and its file descriptor.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        name = new_name()
        draft = folder / f".{name}{_DRAFT}"
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Visible only once locked: an unlocked segment counts as one of a writer that has ended.
        with contextlib.suppress(FileNotFoundError):
            draft.rename(folder / f"{name}{OPEN}")
            return name, descriptor
        os.close(descriptor)  # `seal_ended` removed the draft before it was locked


def seal_segment(folder: Path, name: str) -> None:
    """Rename a segment of whole lines to which no process appends; remove it if it never had any bytes."""
    path = folder / f"{name}{OPEN}"
    if path.stat().st_size or (folder / f"{name}{TORN}").exists():
        path.rename(folder / f"{name}{SEALED}")
    else:
        path.unlink()


def request_seal(folder: Path) -> None:
    """Ask all running writers to seal the segments that have records; they do so within a second or two.

    Raises:
        OSError: the folder cannot be written to.
    """
    if folder.is_dir():
        (folder / _REQUEST).touch()


def newest_request(folder: Path) -> int:
    """A number that changes with each `request_seal`; 0 before the first."""
    try:
        return (folder / _REQUEST).stat().st_mtime_ns
    except OSError:
        return 0


def seal_ended(folder: Path) -> tuple[str, ...]:
    """Seal the segments of writers that have ended, and return their names.

    Any number of processes may call this at once, and be killed.

    Raises:
        OSError: the folder cannot be written to.
    """
    for draft in folder.glob(f".*{_DRAFT}"):
        with _lock_if_free(draft) as descriptor:
            if descriptor is not None:
                draft.unlink(missing_ok=True)
    sealed = []
    for name in names(folder, OPEN):
        path = folder / f"{name}{OPEN}"
        with _lock_if_free(path) as descriptor:
            # Another process may have sealed it since it was listed.
            if descriptor is not None and path.exists():
                _keep_torn_aside(folder / f"{name}{TORN}", descriptor)
                seal_segment(folder, name)
                sealed.append(name)
    return tuple(sealed)


def read_record(folder: Path, wanted: str, id_field: str = ID_FIELD) -> bytes | None:
    """The line of a record, found by its id with one read; None if the log does not have it.

    Raises:
        TaxiError: `wanted` is no id.
    """
    segment, offset = parse_id(wanted)
    for suffix in (OPEN, SEALED):  # in this order, as a segment may be sealed in between
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder / f"{segment}{suffix}", os.O_RDONLY)
            try:
                line = _line_at(descriptor, offset)
            finally:
                os.close(descriptor)
            return line if line.startswith(line_start(id_field, wanted)) and line.endswith(b"\n") else None
    return None


def line_start(id_field: str, value: str) -> bytes:
    """The beginning of the line of the record with this id."""
    return b'{"%b":"%b",' % (id_field.encode(), value.encode())


def _line_at(descriptor: int, offset: int) -> bytes:
    content = os.pread(descriptor, _FIRST_READ_BYTES, offset)
    if b"\n" not in content and len(content) == _FIRST_READ_BYTES:
        content = os.pread(descriptor, MAX_LINE_BYTES, offset)
    line, newline, _ = content.partition(b"\n")
    return line + newline


@contextlib.contextmanager
def _lock_if_free(path: Path) -> Iterator[int | None]:
    """The descriptor of a file, locked; None if its writer holds the lock or the file is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield descriptor
    finally:
        os.close(descriptor)


def _keep_torn_aside(torn: Path, descriptor: int) -> None:
    """Move the bytes after the last whole line to a file of their own."""
    size = os.fstat(descriptor).st_size
    end, tail = size, b""
    while end and b"\n" not in tail:
        start = max(end - MAX_LINE_BYTES, 0)
        tail = os.pread(descriptor, end - start, start) + tail
        end = start
    whole = end + tail.rfind(b"\n") + 1
    if whole < size:
        write_atomically(torn, os.pread(descriptor, size - whole, whole))
        os.ftruncate(descriptor, whole)

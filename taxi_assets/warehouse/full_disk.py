"""Reads a warehouse on a full disk: even to read, SQLite needs space for a file beside the catalogue."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from taxi_assets.errors import TaxiError

_NEEDED_BYTES = 1 << 20
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder in memory, if there is one; `TemporaryDirectory` makes a private one in it
_TRIES = 5


def has_room(folder: Path) -> bool:
    """True if the disk has space for the file that SQLite writes while reading."""
    return shutil.disk_usage(folder).free >= _NEEDED_BYTES


@contextmanager
def readable_copy(catalog: Path) -> Iterator[Path]:
    """A temporary copy of the catalogue on another disk; the parquet files are not copied.

    Raises:
        TaxiError: no other disk has space, or the catalogue is being written to.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None))
            copy = _copy(catalog, Path(folder))
        except OSError as error:
            raise TaxiError(f"the disk of {catalog.parent} is full ({error.strerror}): make room on it") from error
        yield copy


def _copy(catalog: Path, folder: Path) -> Path:
    log = catalog.with_name(catalog.name + "-wal")
    for _ in range(_TRIES):
        before = _state(catalog, log)
        for source in (catalog, log):
            (folder / source.name).unlink(missing_ok=True)
            if source.is_file():
                shutil.copy(source, folder)
        if _state(catalog, log) == before:
            return folder / catalog.name
    raise TaxiError(f"the disk of {catalog.parent} is full and being written to: make room on it")


def _state(*paths: Path) -> list[tuple[int, int] | None]:
    statuses = [path.stat() if path.is_file() else None for path in paths]
    return [(status.st_mtime_ns, status.st_size) if status else None for status in statuses]

"""One `taxi up` for each home: a second is refused, and what a killed one left running is ended."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from taxi_assets.cli.supervisor import processes
from taxi_assets.errors import TaxiError
from taxi_assets.warehouse.connection import require_writable

__all__ = ["is_supervised", "supervised_home"]


@contextmanager
def supervised_home(home: Path, grace_seconds: float = processes.GRACE_SECONDS) -> Iterator[str]:
    """Hold the home's lock while the block lasts; the system frees it when the holder dies, however it dies.

    Args:
        home: The folder of everything the platform makes.
        grace_seconds: How long what a killed `taxi up` left may take to end after SIGTERM.

    Yields:
        The mark below which this home's programs start.

    Raises:
        TaxiError: another `taxi up` holds the home, or the home cannot be written to.
    """
    require_writable(home)
    lock = FileLock(home / "up.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        remedy = "stop it with Ctrl-C in its terminal, or set TAXI_HOME to another folder"
        raise TaxiError(f"another `taxi up` runs in {home}: {remedy}") from error
    try:
        tag = _process_tag_of(home)
        processes.stop(tag, grace_seconds)
        yield tag
    finally:
        lock.release()


def is_supervised(home: Path) -> bool:
    """Whether programs of a `taxi up` run in this home; its lock is not touched, which a starting one may want."""
    return bool(processes.tagged_processes(_process_tag_of(home)))


def _process_tag_of(home: Path) -> str:
    return hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]

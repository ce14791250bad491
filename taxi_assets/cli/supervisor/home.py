"""One `taxi up` for each home: refuses a second one, and ends the programs left by a killed one."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from taxi_assets.cli.supervisor import processes
from taxi_assets.errors import TaxiError
from taxi_assets.warehouse.connection import require_writable


@contextmanager
def supervised_home(home: Path) -> Iterator[str]:
    """Hold the home's lock during the block; the system releases it when the process dies.

    Args:
        home: The folder of everything the platform makes.

    Yields:
        The process tag of this home, the parent of its programs' tags.

    Raises:
        TaxiError: another `taxi up` runs in the home, or the home is not writable.
    """
    require_writable(home)
    try:
        lock = FileLock(home / "up.lock").acquire(timeout=0)
    except Timeout as error:
        remedy = "stop it with Ctrl-C in its terminal, or set TAXI_HOME to another folder"
        raise TaxiError(f"another `taxi up` runs in {home}: {remedy}") from error
    with lock:
        tag = _process_tag_of(home)
        processes.stop(tag)  # programs left by a killed `taxi up`
        yield tag


def is_supervised(home: Path) -> bool:
    """True if programs of a `taxi up` run in this home; leaves the lock free for one that is starting."""
    return bool(processes.tagged_processes(_process_tag_of(home)))


def _process_tag_of(home: Path) -> str:
    return hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]

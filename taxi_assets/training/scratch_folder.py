"""Makes a folder for the files of a training, and deletes those that killed trainings left."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

_PREFIX = "training-"


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Makes a folder in `parent`, deleted after the block, and deletes those of killed trainings."""
    lock = _make_folder(parent)
    folder = Path(lock.lock_file).parent
    try:
        yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def _make_folder(parent: Path) -> FileLock:
    """Makes a folder and returns the lock in it, which the system releases when the process ends."""
    parent.mkdir(parents=True, exist_ok=True)
    # One process at a time: another one could delete the folder before it has its lock.
    with FileLock(parent / "training.lock"):
        for folder in parent.glob(f"{_PREFIX}*"):
            _delete_abandoned(folder)
        lock = _lock_of(Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)))
        lock.acquire()
    return lock


def _delete_abandoned(folder: Path) -> None:
    try:
        with _lock_of(folder):
            pass
    except OSError:  # in use, or another user's
        return
    shutil.rmtree(folder, ignore_errors=True)


def _lock_of(folder: Path) -> FileLock:
    # Dask may make a folder in one thread and delete it in another.
    return FileLock(folder / "lock", timeout=0, thread_local=False)

"""One `taxi up` for each environment of a home; ends the programs left by a killed one."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from taxi_assets.cli.supervisor import processes
from taxi_assets.errors import TaxiError
from taxi_assets.settings import Environment
from taxi_assets.settings.home_layout import lock_name
from taxi_assets.warehouse.connection import require_writable


@contextmanager
def supervised_home(home: Path, env: Environment = "dev") -> Iterator[str]:
    """Hold the environment's lock in a home; the system releases it when the process dies.

    Args:
        home: The folder of everything the platform makes.
        env: The environment; those of a home may be up at the same time.

    Yields:
        The process tag of the environment, the parent of its programs' tags.

    Raises:
        TaxiError: another `taxi up` of the environment runs in the home, or the home is not writable.
    """
    require_writable(home)
    with _exclusive(home / lock_name("up.lock", env), f"another `taxi up` of {env} runs in {home}"):
        tag = _process_tag_of(home, env)
        processes.stop(tag)  # programs left by a killed `taxi up`
        yield tag


@contextmanager
def only_cluster(home: Path) -> Iterator[None]:
    """Hold the lock of the services of `taxi up --cluster` during the block: a home has them once.

    Raises:
        TaxiError: another environment's `taxi up --cluster` runs in the home.
    """
    with _exclusive(home / "cluster.lock", f"another environment's `taxi up --cluster` runs in {home}"):
        yield


@contextmanager
def _exclusive(lock: Path, other: str) -> Iterator[None]:
    try:
        acquired = FileLock(lock).acquire(timeout=0)
    except Timeout as error:
        remedy = "stop it with Ctrl-C in its terminal, or set TAXI_HOME to another folder"
        raise TaxiError(f"{other}: {remedy}") from error
    with acquired:
        yield


def is_supervised(home: Path, env: Environment = "dev") -> bool:
    """True if programs of the environment's `taxi up` run; leaves the lock free for one that starts."""
    return bool(processes.tagged_processes(_process_tag_of(home, env)))


def _process_tag_of(home: Path, env: Environment) -> str:
    name = str(home.resolve()) if env == "dev" else f"{home.resolve()}\0{env}"
    return hashlib.sha256(name.encode()).hexdigest()[:16]

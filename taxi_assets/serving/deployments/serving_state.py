"""The serving state folder: the files by which the endpoint's workers agree, and their lock."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from taxi_assets.errors import TaxiError

STATE_VARIABLE = "TAXI_SERVING_STATE"
_LOCK_POLL_SECONDS = 0.02


class StateLocked(TaxiError):
    """Another process or thread changes the state for too long."""


@dataclass(frozen=True)
class ServingState:
    """Paths of the state that workers, commands and Dagster share."""

    folder: Path

    @property
    def routing(self) -> Path:
        """The current routing, replaced atomically."""
        return self.folder / "routing.json"

    @property
    def history(self) -> Path:
        """Every routing by its revision."""
        return self.folder / "routing_history"

    @property
    def deployments(self) -> Path:
        """The deployed models, `<version>.json` each."""
        return self.folder / "deployments"

    @property
    def refusals(self) -> Path:
        """Models that failed a check, `<time>-<version>.json` each."""
        return self.folder / "refusals"

    @property
    def workers(self) -> Path:
        """The models and the routing of each worker, beside a file that it locks while it runs."""
        return self.folder / "workers"

    @property
    def token(self) -> Path:
        """The deployment token that `taxi up` made."""
        return self.folder / "token"

    def create(self) -> "ServingState":
        """Create the folders and return this state.

        Raises:
            TaxiError: a folder cannot be created.
        """
        try:
            for folder in (self.history, self.deployments, self.refusals, self.workers):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TaxiError(
                f"cannot create {error.filename} ({error.strerror}): make {self.folder} writable"
            ) from error
        return self

    @contextmanager
    def lock(self, name: str, timeout: float) -> Iterator[None]:
        """Lock `<name>.lock` during the block, against other processes and threads.

        Raises:
            StateLocked: another process kept it locked for that many seconds.
        """
        deadline = time.monotonic() + timeout
        descriptor = os.open(self.folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not lock_file(descriptor):
                if time.monotonic() > deadline:
                    raise StateLocked(f"another change of the {name} takes longer than {timeout:g} seconds: try again")
                time.sleep(_LOCK_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)


def lock_file(descriptor: int) -> bool:
    """Lock an open file exclusively; False if another open file description has the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

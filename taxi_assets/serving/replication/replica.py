"""A machine that serves from the shared store: it follows the routing, and exchanges its logs."""

import os
import secrets
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from taxi_assets.errors import TaxiError
from taxi_assets.files import write_atomically
from taxi_assets.serving.deployments.deployment_changes import DeploymentChanges
from taxi_assets.serving.deployments.model_store import find_model, stored_versions
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.deployments.version_history import versions_in_use
from taxi_assets.serving.packaging.bento_build import model_store, set_latest
from taxi_assets.serving.prediction_log.log_tables import FEEDBACK_LOG, PREDICTION_LOG
from taxi_assets.serving.replication.bento_archive import download_bento, remove_downloaded
from taxi_assets.serving.replication.log_exchange import exchange_segments, remove_old
from taxi_assets.serving.replication.shared_routing import SharedRouting, read_shared_routing
from taxi_assets.settings import Settings
from taxi_assets.warehouse.shared_store import SharedStore, SharedStoreUnavailable

LOGS = (PREDICTION_LOG, FEEDBACK_LOG)
_FOLDER = "replicas"
_FILE = "replica.json"
_SILENCE = timedelta(minutes=2)


class ReplicaStatus(msgspec.Struct, frozen=True):
    """The routing that one machine serves by.

    Attributes:
        name: Its host's name and random digits, the same after a restart.
        adopted: The key of the shared routing that it has adopted; empty before the first.
        revision: The number of that routing in the shared store.
        problem: Why it does not follow; empty if it does.
        refused: The key of the shared routing that it cannot apply; empty if it follows.
        refused_at: Time of the last try to apply it, seconds since 1970.
        at: Time of this report, ISO 8601 in UTC.
    """

    name: str
    adopted: str = ""
    revision: int = 0
    problem: str = ""
    refused: str = ""
    refused_at: float = 0
    at: str = ""

    @property
    def is_alive(self) -> bool:
        """True if the machine has reported itself within the last minutes."""
        return bool(self.at) and datetime.now(UTC) - datetime.fromisoformat(self.at) < _SILENCE


@dataclass(frozen=True)
class Replica:
    """This machine's copy of what is shared.

    Args:
        settings: The home, which needs nothing but the shared store.
        store: The shared store.
        removes_old: Remove log segments by age; otherwise the ingestion of this home does.
        retry_seconds: Seconds before a routing that was refused is tried again, since each try loads its models.
    """

    settings: Settings
    store: SharedStore
    removes_old: bool = True
    retry_seconds: float = 0

    @property
    def _state(self) -> ServingState:
        return ServingState(self.settings.serving_state)

    def follow_routing(self) -> ReplicaStatus:
        """Adopt the shared routing if it is another, and report it to the store.

        A routing that this machine cannot apply is a `problem` of the status; the one before answers, and a
        later call tries again.

        Raises:
            SharedStoreUnavailable: the store cannot be reached; what is adopted goes on answering.
            OSError: the home cannot be written to.
        """
        before = self.status()
        shared = read_shared_routing(self.store)
        if shared is None or shared.key == before.adopted or self._waits(before, shared):
            return before
        try:
            self._adopt(shared)
        except SharedStoreUnavailable:
            raise
        except TaxiError as error:
            refused = {"problem": str(error), "refused": shared.key, "refused_at": time.time()}
            return self._report(msgspec.structs.replace(before, **refused))
        revision = shared.revision.revision
        return self._report(ReplicaStatus(before.name, shared.key, revision))

    def report_alive(self) -> None:
        """Report the last status again, so that others see that this machine runs.

        Raises:
            SharedStoreUnavailable: the store cannot be reached.
        """
        self._report(self.status())

    def exchange_logs(self) -> int:
        """Upload and download sealed log segments, remove old ones, and return the number of uploaded ones.

        Raises:
            SharedStoreUnavailable: the store cannot be reached.
            OSError: the home cannot be written to.
        """
        uploaded = 0
        for log in LOGS:
            folder = log.folder(self.settings)
            uploaded += len(exchange_segments(self.store, folder, log.name).uploaded)
            if self.removes_old:
                remove_old(folder, log.days(self.settings))
        return uploaded

    def status(self) -> ReplicaStatus:
        """The last status."""
        path = self.settings.serving_state / _FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=ReplicaStatus)
        except (FileNotFoundError, msgspec.MsgspecError):
            return ReplicaStatus(f"{socket.gethostname()}-{secrets.token_hex(4)}")

    def _waits(self, before: ReplicaStatus, shared: SharedRouting) -> bool:
        return shared.key == before.refused and time.time() < before.refused_at + self.retry_seconds

    def _adopt(self, shared: SharedRouting) -> None:
        revision = shared.revision
        bentos = model_store(self.settings)
        for bento in shared.bentos.values():
            # The newest of its version is loaded: a Bento that was packaged again replaces the one before.
            os.utime(download_bento(self.store, bento, bentos))
        changes = DeploymentChanges(self._state, bentos, "the shared routing")
        changes.adopt(revision)
        set_latest(self.settings, shared.bentos[str(revision.routing.champion)].name)
        in_use = versions_in_use(self._state) & stored_versions(bentos)
        remove_downloaded(bentos, frozenset(find_model(bentos, version).parents[1].name for version in in_use))

    def _report(self, status: ReplicaStatus) -> ReplicaStatus:
        """Store a new status in the home and in the shared store."""
        status = msgspec.structs.replace(status, at=datetime.now(UTC).isoformat(timespec="seconds"))
        content = msgspec.json.encode(status)
        self.settings.serving_state.mkdir(parents=True, exist_ok=True)
        write_atomically(self.settings.serving_state / _FILE, content)
        self.store.write(f"{_FOLDER}/{status.name}.json", content)
        return status


def read_replicas(store: SharedStore) -> list[ReplicaStatus]:
    """The last status of each machine, by name.

    Raises:
        SharedStoreUnavailable: the store cannot be reached.
    """
    found = [store.read(f"{_FOLDER}/{name}") for name in sorted(store.names(_FOLDER))]
    return [msgspec.json.decode(content, type=ReplicaStatus) for content in found if content]

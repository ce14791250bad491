"""Follows the serving state in one worker: loads models beside those that answer, then swaps them."""

import logging
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from taxi_assets.errors import TaxiError, describe_error
from taxi_assets.serving.deployments.deployment_store import (
    Deployment,
    new_deployment,
    read_deployments,
    remove_deployment,
    write_deployment,
)
from taxi_assets.serving.deployments.freed_memory import return_freed_memory
from taxi_assets.serving.deployments.loaded_models import LoadedModels, LoadHook
from taxi_assets.serving.deployments.model_store import find_model
from taxi_assets.serving.deployments.routed_variants import RoutedVariants
from taxi_assets.serving.deployments.routing import Routing
from taxi_assets.serving.deployments.routing_store import (
    PACKAGED,
    RoutingRevision,
    newest_readable,
    read_routing,
    routings_to_restore,
    store_routing,
)
from taxi_assets.serving.deployments.serving_state import ServingState, StateLocked
from taxi_assets.serving.deployments.workers import WorkerFile, WorkerReport
from taxi_assets.serving.serving_manifest import read_version

POLL_SECONDS = 0.2
# Of waiting for other workers: two loading at a time would leave no core of two to the threads that answer.
TURN_SECONDS = 2.0
_START_SECONDS = 10.0
# The loading thread gives way to the thread that answers.
_THREAD_NICENESS = 10
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class FollowerHooks:
    """Functions called in the follower's thread.

    Attributes:
        on_load: Called with a version, the seconds of its load, and the reason if it was refused.
        before_swap: Called with the variants that will answer next, to warm up what they need.
        after_swap: Called with the variants that answered before and with those that answer now.
    """

    on_load: LoadHook = lambda *_: None
    before_swap: Callable[[RoutedVariants], None] = lambda *_: None
    after_swap: Callable[[RoutedVariants, RoutedVariants], None] = lambda *_: None


class Follower:
    """The models of one worker, as the serving state demands.

    Attributes:
        variants: The current models; read it once per request.
        refused_routing: The revision that this worker cannot apply and the reason, if any.
        damaged: The faults of stored routings that its start has left out.
    """

    def __init__(self, state: ServingState, store: Path, packaged: Path, hooks: FollowerHooks | None = None) -> None:
        """Load the current routing or, if that fails, the newest one before it, else the packaged model.

        Args:
            state: The state folder, shared with the other workers.
            store: The model store.
            packaged: The serving folder in this Bento.
            hooks: Functions called at loads and swaps.

        Raises:
            TaxiError: no routing can be loaded, nor the packaged model.
        """
        self._state, self._hooks = state.create(), hooks or FollowerHooks()
        self._models = LoadedModels(self._hooks.on_load)
        self._seen: tuple[bytes, ...] | None = None
        self._is_reported = False
        self._polling, self._stopped = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self.refused_routing: tuple[int, str] | None = None
        _record_packaged(state, packaged, self._models)
        self._file = WorkerFile(state)
        deployments = read_deployments(state)
        self._models.update(deployments)
        self.damaged: list[str] = []
        self.variants = self._first_variants(store, packaged)
        with suppress(OSError):  # the thread tries again and logs it
            self.poll()

    @property
    def routing_problems(self) -> list[str]:
        """Faults of the routing: the reason for answering by an earlier one, and damaged stored ones."""
        reason = self.refused_routing[1] if self.refused_routing else None
        return list(dict.fromkeys([*([reason] if reason else []), *self.damaged]))

    def start(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Follow changes in a thread until `close`."""
        self._thread = threading.Thread(target=self._follow, args=(poll_seconds,), name="follow-routing", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and remove this worker's report."""
        self._stopped.set()
        if self._thread:
            self._thread.join()
        self._file.close()

    def poll(self) -> bool:
        """Apply the serving state if it changed, and report it; True if it changed. Threads take turns.

        Raises:
            OSError: the state cannot be read, or the report cannot be written; the next call tries again.
        """
        with self._polling:
            seen = tuple(self._read_state())
            has_changed = seen != self._seen
            if has_changed:
                deployments = read_deployments(self._state)
                with self._turn():
                    self._models.update(deployments)
                self._apply(deployments)
                self._seen, self._is_reported = seen, False
            if not self._is_reported:
                self._file.write(self._report())
                self._is_reported = True
        if has_changed:
            return_freed_memory()
        return has_changed

    def _follow(self, poll_seconds: float) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _THREAD_NICENESS)
        failure = None
        while not self._stopped.wait(poll_seconds):
            before, failure = failure, self._try_poll()
            if failure and failure != before:
                _LOGGER.error("cannot follow the serving state in %s: %s", self._state.folder, failure)
            elif before and not failure:
                _LOGGER.warning("follows the serving state in %s again", self._state.folder)

    def _try_poll(self) -> str | None:
        """Poll and return the failure, if any: the models that answer stay, and the next poll tries again."""
        try:
            self.poll()
        except OSError as error:
            return f"{describe_error(error)}: make room there, or make it readable and writable"
        except Exception:
            return traceback.format_exc()
        return None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other worker loads, but not for long, so that any number of workers follows in time."""
        with ExitStack() as turn:
            with suppress(StateLocked, OSError):
                turn.enter_context(self._state.lock("loading", TURN_SECONDS))
            yield

    def _read_state(self) -> Iterator[bytes]:
        """The content of the files that decide; a comparison of times and sizes could miss a change."""
        for path in (self._state.routing, *sorted(self._state.deployments.glob("*.json"))):
            with suppress(FileNotFoundError):
                yield path.read_bytes()

    def _apply(self, deployments: Mapping[int, Deployment]) -> None:
        """Swap to the current routing, or keep the one before with the reason."""
        before = self.variants
        routing = self._loadable_routing(before.routing)
        self._models.keep({*deployments, *routing.routing.versions})
        after = RoutedVariants.of(routing, self._models.models)
        self._hooks.before_swap(after)
        self.variants = after
        self._hooks.after_swap(before, after)

    def _loadable_routing(self, before: RoutingRevision) -> RoutingRevision:
        revision = 0
        try:
            wanted = read_routing(self._state) or before
            revision = wanted.revision
            self._models.require(wanted.routing.versions)
        except TaxiError as error:
            self.refused_routing = (revision, str(error))
            return before
        self.refused_routing = None
        return wanted

    def _first_variants(self, store: Path, packaged: Path) -> RoutedVariants:
        """The newest routing that can be loaded; without one, the packaged model.

        Raises:
            TaxiError: the packaged model cannot be loaded either.
        """
        models = self._models
        for routing in routings_to_restore(self._state, self._note_damaged):
            if _load_versions(routing.routing.versions, store, models):
                return RoutedVariants.of(routing, models.models)
        version = read_version(packaged)
        models.load(new_deployment(packaged, version, PACKAGED))
        return RoutedVariants.of(RoutingRevision(0, Routing(version)), models.models)

    def _note_damaged(self, error: TaxiError) -> None:
        _LOGGER.error("a stored routing is left out: %s", error)
        self.damaged.append(str(error))

    def _report(self) -> WorkerReport:
        loaded = {str(version): key for version, key in self._models.keys.items()}
        failed = {str(version): each for version, each in self._models.failed.items()}
        return WorkerReport(self._file.worker, self.variants.routing.revision, loaded, failed, self.refused_routing)


def _record_packaged(state: ServingState, packaged: Path, models: LoadedModels) -> None:
    """Load the packaged model and make it the champion, unless a change of the routing was asked for."""
    with state.lock("deployment", _START_SECONDS):
        current, version = newest_readable(state), read_version(packaged)
        if current is None or (current.by == PACKAGED and current.routing != Routing(version)):
            deployment = new_deployment(packaged, version, PACKAGED)
            models.load(deployment)  # one that fails a check must not become the champion
            write_deployment(state, deployment)
            store_routing(state, Routing(version), PACKAGED)
            earlier = read_deployments(state).get(current.routing.champion) if current else None
            if earlier and earlier.by == PACKAGED:
                remove_deployment(state, earlier.version)


def _load_versions(versions: tuple[int, ...], store: Path, models: LoadedModels) -> bool:
    """Load the versions that are not, from the store; False if one fails."""
    try:
        for version in versions:
            if version not in models.models:
                models.load(new_deployment(find_model(store, version), version, "restart"))
    except TaxiError:
        return False
    return True

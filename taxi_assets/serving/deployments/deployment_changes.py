"""Changes of deployments and of the routing, each complete in every running worker or undone.

The endpoint, the commands and Dagster call these functions. Without a running worker a change is checked here and
applies from the endpoint's next start.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.deployment_store import (
    Deployment,
    new_deployment,
    read_deployments,
    remove_deployment,
    write_deployment,
    write_refusal,
)
from taxi_assets.serving.deployments.model_checks import load_checked
from taxi_assets.serving.deployments.model_store import find_model, stored_versions
from taxi_assets.serving.deployments.routing import Routing, parse_routing
from taxi_assets.serving.deployments.routing_store import (
    PACKAGED,
    RoutingRevision,
    adopt_routing,
    newest_readable,
    previous_routing,
    restore_routing,
    roll_back,
    store_routing,
)
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.deployments.workers import WorkerReport, live_workers, wait_for_workers

# Of the workers, and half as many for a change that is under way: below the 15 s that BentoML gives a traced request.
CHANGE_SECONDS = 9.0
# Each is a model in the memory of every worker.
MAX_DEPLOYED = 8


class RefusedModel(TaxiError):
    """A model that failed a check; it is not deployed."""


class TooManyDeployed(TaxiError):
    """No more versions may be deployed."""


class RoutedVersion(TaxiError):
    """A version that cannot be removed while it is routed."""


class UnknownVersion(TaxiError):
    """A version that is not deployed, or not in the store."""


class LostVersion(TaxiError):
    """A version of the routing before that is no longer in the store."""


@dataclass(frozen=True)
class DeploymentChanges:
    """Changes the serving state and waits for the workers.

    Attributes:
        state: The state folder.
        store: The model store.
        by: The command or address that asks, for the record.
        timeout: Seconds that the workers may take for one change.
    """

    state: ServingState
    store: Path
    by: str
    timeout: float = CHANGE_SECONDS

    def deploy(self, version: int) -> Deployment:
        """Load and check a version in every worker; a version that is deployed already stays as it is.

        Raises:
            UnknownVersion: the store has no such version.
            RefusedModel: it fails a check in a worker, or does not load in time; the earlier state is restored.
            TooManyDeployed: another version must be removed first.
            StateLocked: another change takes too long, here and below.
        """
        with self._change() as deadline:
            return self._deploy(version, deadline)

    def undeploy(self, version: int) -> None:
        """Remove a deployment.

        Raises:
            UnknownVersion: it is not deployed.
            RoutedVersion: the routing names it.
        """
        with self._change() as deadline:
            if version not in read_deployments(self.state):
                raise UnknownVersion(f"version {version} is not deployed: see `taxi route`")
            current = newest_readable(self.state)
            if current and version in current.routing.versions:
                raise RoutedVersion(f"version {version} is routed: route without it first")
            remove_deployment(self.state, version)
            self._wait(lambda report: str(version) not in report.loaded, deadline)

    def set_routing(self, body: object) -> RoutingRevision:
        """Deploy those of a routing's versions that are not, and apply it in every worker.

        Args:
            body: The routing, as `parse_routing` takes it.

        Raises:
            InvalidRouting: it is wrong, or a version is neither deployed nor in the store.
            RefusedModel: a version fails a check, or a worker cannot apply the routing; the state before is restored.
            TooManyDeployed: another version must be removed first.
        """
        with self._change() as deadline:
            routing = parse_routing(body, {*read_deployments(self.state), *stored_versions(self.store)})
            with self._deployed(routing.versions, deadline):
                return self._route(lambda: store_routing(self.state, routing, self.by), deadline)

    def adopt(self, shared: RoutingRevision) -> RoutingRevision:
        """Deploy a routing of another machine, and apply it in every worker, each rider with the same version.

        Raises:
            UnknownVersion: the store lacks one of its versions.
            RefusedModel: a version fails a check, or a worker cannot apply the routing; the state before is restored.
        """
        with self._change() as deadline, self._deployed(shared.routing.versions, deadline):
            return self._route(lambda: adopt_routing(self.state, shared), deadline)

    def make_champion(self, version: int) -> RoutingRevision:
        """Deploy a version and make it the champion, in every worker; challengers and shadows stay.

        Raises:
            UnknownVersion: the store has no such version.
            RefusedModel: it fails a check or cannot be applied; the old champion stays.
        """
        with self._change() as deadline:
            self._deploy(version, deadline)
            current = newest_readable(self.state)
            routing = _with_champion(current.routing, version) if current else Routing(version)
            return self._route(lambda: store_routing(self.state, routing, self.by), deadline)

    def roll_back(self) -> RoutingRevision:
        """Restore the routing before in every worker, and deploy its versions again if they were removed.

        Raises:
            NoEarlierRouting: there is none.
            DamagedRouting: its file is damaged.
            LostVersion: the store no longer has a version of it.
            RefusedModel: a version of it fails a check.
        """
        with self._change() as deadline:
            before = previous_routing(self.state)
            try:
                with self._deployed(_versions(before), deadline):
                    return self._route(lambda: roll_back(self.state, self.by), deadline)
            except UnknownVersion as error:
                raise LostVersion(f"the routing before cannot be restored: {error}") from error

    @contextmanager
    def _change(self) -> Iterator[float]:
        """Keep other changes out during the block; yields the time by which the workers must have followed."""
        with self.state.create().lock("deployment", self.timeout / 2):
            yield time.monotonic() + self.timeout

    @contextmanager
    def _deployed(self, versions: Sequence[int], deadline: float) -> Iterator[None]:
        """Deploy those of the versions that are not; remove them again if one or the block fails."""
        missing = [version for version in versions if version not in read_deployments(self.state)]
        try:
            for version in missing:
                self._deploy(version, deadline)
            yield
        except TaxiError:
            for version in missing:
                remove_deployment(self.state, version)
            raise

    def _deploy(self, version: int, deadline: float) -> Deployment:
        before = read_deployments(self.state).get(version)
        workers = live_workers(self.state)
        # After a failed check it gets a new key, so that the workers try again.
        sound = None if before and any(_has_failed(report, before) for report in workers) else before
        is_routed = version in _versions(newest_readable(self.state))
        try:
            deployment = self._find(version, sound)
            if not workers:
                load_checked(Path(deployment.folder), version)
            self._write(deployment, before if is_routed else sound, deadline)
        except (UnknownVersion, TooManyDeployed):
            raise
        except TaxiError as error:
            write_refusal(self.state, version, str(error), self.by)
            raise RefusedModel(str(error)) from error
        return deployment

    def _find(self, version: int, before: Deployment | None) -> Deployment:
        """The deployment before if the store's model is the same, otherwise a new one."""
        try:
            folder = find_model(self.store, version)
        except TaxiError as error:
            raise UnknownVersion(str(error)) from error
        deployment = new_deployment(folder, version, self.by)
        if not before or before.manifest_sha256 != deployment.manifest_sha256:
            return deployment
        return replace(before, by=self.by, at=deployment.at) if before.by == PACKAGED else before

    def _write(self, deployment: Deployment, before: Deployment | None, deadline: float) -> None:
        """Store the deployment and wait until every worker has loaded it; undo it if one cannot."""
        others = [str(version) for version in read_deployments(self.state) if version != deployment.version]
        if len(others) >= MAX_DEPLOYED:
            remedy = "remove one with DELETE /deployments/<version>"
            raise TooManyDeployed(f"{MAX_DEPLOYED} versions are deployed already ({', '.join(others)}): {remedy}")
        write_deployment(self.state, deployment)
        try:
            self._wait(lambda report: _has_loaded(report, deployment), deadline)
        except TaxiError:
            if before:
                write_deployment(self.state, before)
            else:
                remove_deployment(self.state, deployment.version)
            raise

    def _route(self, change: Callable[[], RoutingRevision], deadline: float) -> RoutingRevision:
        """Change the routing and wait until every worker answers by it; undo it if one cannot."""
        before, second = newest_readable(self.state), _previous_versions(self.state)
        new = change()
        try:
            self._wait(lambda report: _answers_by(report, new), deadline)
        except TaxiError as error:
            if before:
                restore_routing(self.state, before)
            write_refusal(self.state, new.routing.champion, str(error), self.by)
            raise RefusedModel(f"the routing is refused, the one before stays: {error}") from error
        kept = {*new.routing.versions, *_previous_versions(self.state)}
        for version in {*_versions(before), *second} - kept:
            remove_deployment(self.state, version)
        return new

    def _wait(self, is_done: Callable[[WorkerReport], bool], deadline: float) -> None:
        late = wait_for_workers(self.state, is_done, deadline - time.monotonic())
        if late:
            names = ", ".join(report.worker.partition("-")[0] for report in late)
            raise TaxiError(f"worker {names} has not followed within {self.timeout:g} seconds: see the endpoint's log")


def _has_failed(report: WorkerReport, deployment: Deployment) -> bool:
    key, _ = report.failed.get(str(deployment.version), ("", ""))
    return key == deployment.key


def _has_loaded(report: WorkerReport, deployment: Deployment) -> bool:
    if _has_failed(report, deployment):
        raise TaxiError(report.failed[str(deployment.version)][1])
    return report.loaded.get(str(deployment.version)) == deployment.key


def _answers_by(report: WorkerReport, new: RoutingRevision) -> bool:
    if report.refused_routing and report.refused_routing[0] == new.revision:
        raise TaxiError(report.refused_routing[1])
    return report.revision >= new.revision


def _versions(revision: RoutingRevision | None) -> tuple[int, ...]:
    return revision.routing.versions if revision else ()


def _previous_versions(state: ServingState) -> tuple[int, ...]:
    """The versions of the previous routing; none if its file is damaged, which must not prevent a change."""
    with suppress(TaxiError):
        return _versions(previous_routing(state))
    return ()


def _with_champion(routing: Routing, version: int) -> Routing:
    challengers = tuple(each for each in routing.challengers if each.version != version)
    return Routing(version, challengers, tuple(shadow for shadow in routing.shadows if shadow != version))

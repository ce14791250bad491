"""A model store and a serving state for the tests of this folder, with workers in threads."""

from collections.abc import Callable, Iterator
from pathlib import Path

import model_store_samples
import pytest

from taxi_assets.serving.deployments import follow
from taxi_assets.serving.deployments.deployment_changes import DeploymentChanges
from taxi_assets.serving.deployments.follow import Follower, FollowerHooks
from taxi_assets.serving.deployments.serving_state import ServingState

StartWorker = Callable[..., Follower]


@pytest.fixture(autouse=True)
def _loads_are_not_niced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that load models give way to no other process, so that a busy machine is no late worker."""
    monkeypatch.setattr(follow, "_THREAD_NICENESS", 0)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Versions 1 to 4."""
    for version in range(1, 5):
        model_store_samples.add_version(tmp_path / "store", version)
    return tmp_path / "store"


@pytest.fixture
def packaged(store: Path) -> Path:
    """Version 1, the one in the Bento."""
    return store / "v1-000000000001" / "src" / "model"


@pytest.fixture
def state(tmp_path: Path) -> ServingState:
    return ServingState(tmp_path / "serving").create()


@pytest.fixture
def changes(state: ServingState, store: Path) -> DeploymentChanges:
    """Changes with time to spare, since a busy machine is no late worker."""
    return DeploymentChanges(state, store, "test", timeout=120)


@pytest.fixture
def start_worker(state: ServingState, store: Path, packaged: Path) -> Iterator[StartWorker]:
    """Start a worker, which follows the state until the test ends."""
    started: list[Follower] = []

    def start(hooks: FollowerHooks | None = None) -> Follower:
        started.append(Follower(state, store, packaged, hooks))
        started[-1].start(poll_seconds=0.02)
        return started[-1]

    yield start
    for worker in started:
        worker.close()

"""Workers load models one after the other, and none waits long for its turn."""

import time
from pathlib import Path

import pytest

from taxi_assets.serving.deployments import follow
from taxi_assets.serving.deployments.deployment_store import new_deployment, write_deployment
from taxi_assets.serving.deployments.follow import Follower, FollowerHooks
from taxi_assets.serving.deployments.model_store import find_model
from taxi_assets.serving.deployments.serving_state import ServingState, StateLocked


def deploy(state: ServingState, store: Path) -> None:
    """Ask the workers for version 2."""
    write_deployment(state, new_deployment(find_model(store, 2), 2, "test"))


def test_no_other_worker_loads_meanwhile(state: ServingState, store: Path, packaged: Path) -> None:
    def on_load(version: int, _seconds: float, _refusal: str | None) -> None:
        if version == 2:
            with pytest.raises(StateLocked), state.lock("loading", 0):
                pass
            loaded.append(version)

    loaded: list[int] = []
    worker = Follower(state, store, packaged, FollowerHooks(on_load))
    deploy(state, store)
    worker.poll()
    assert loaded == [2]
    with state.lock("loading", 0):
        pass  # its turn is over
    worker.close()


@pytest.mark.parametrize("is_locked", [True, False])
def test_a_worker_loads_in_the_end_without_a_turn(
    state: ServingState, store: Path, packaged: Path, monkeypatch: pytest.MonkeyPatch, is_locked: bool
) -> None:
    monkeypatch.setattr(follow, "TURN_SECONDS", 0.1)
    worker = Follower(state, store, packaged)
    deploy(state, store)
    began = time.monotonic()
    if is_locked:
        with state.lock("loading", 0):
            worker.poll()
        assert time.monotonic() - began >= 0.1
    else:
        (state.folder / "loading.lock").unlink()
        (state.folder / "loading.lock").mkdir()  # no lock can be opened
        worker.poll()
    assert sorted(worker.variants.deployed) == [1, 2]
    worker.close()

"""A worker follows the serving state, and a restart comes back to the last routing that can be loaded."""

import gc
import os
import shutil
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import model_store_samples
import pytest
from conftest import StartWorker

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.deployment_changes import DeploymentChanges
from taxi_assets.serving.deployments.deployment_store import new_deployment
from taxi_assets.serving.deployments.follow import Follower, FollowerHooks
from taxi_assets.serving.deployments.loaded_models import LoadedModels
from taxi_assets.serving.deployments.model_store import find_model
from taxi_assets.serving.deployments.routed_variants import RoutedVariants
from taxi_assets.serving.deployments.routing import Routing
from taxi_assets.serving.deployments.routing_store import read_routing, store_routing
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.deployments.workers import live_workers

SPLIT = {"champion": 2, "challengers": [{"version": 3, "share": 0.5}], "shadows": [1]}


def answering(worker: Follower) -> tuple[int, int]:
    """The worker's revision and champion."""
    return worker.variants.routing.revision, worker.variants.champion.version


def test_the_packaged_model_is_the_first_champion(start_worker: StartWorker, state: ServingState) -> None:
    worker = start_worker()
    assert answering(worker) == (1, 1)
    routing = read_routing(state)
    assert routing
    assert (routing.routing.champion, routing.by) == (1, "packaged")
    assert [report.revision for report in live_workers(state)] == [1]


def test_a_newer_packaged_model_is_champion_until_a_routing_is_set(
    state: ServingState, store: Path, packaged: Path, changes: DeploymentChanges
) -> None:
    Follower(state, store, packaged).close()
    newer = Follower(state, store, store / "v2-000000000002/src/model")
    assert answering(newer) == (2, 2)
    assert sorted(newer.variants.deployed) == [2]
    newer.close()
    changes.make_champion(3)
    newest = Follower(state, store, store / "v4-000000000004/src/model")
    assert newest.variants.champion.version == 3
    newest.close()


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (lambda changes: changes.set_routing({"champion": 1}), (1, [1])),
        (lambda changes: changes.make_champion(1), (1, [1])),
        (lambda changes: changes.deploy(1), (2, [1, 2])),
    ],
)
def test_a_packaged_model_that_a_client_asked_for_stays_with_a_newer_bento(
    state: ServingState,
    store: Path,
    packaged: Path,
    changes: DeploymentChanges,
    change: Callable[[DeploymentChanges], object],
    kept: tuple[int, list[int]],
) -> None:
    Follower(state, store, packaged).close()
    change(changes)
    current = read_routing(state)
    assert current
    assert (current.revision, current.by) == (1, "test" if kept[0] == 1 else "packaged")
    newer = Follower(state, store, store / "v2-000000000002/src/model")
    assert (newer.variants.champion.version, sorted(newer.variants.deployed)) == kept
    newer.close()


def test_a_change_reaches_every_worker(start_worker: StartWorker, changes: DeploymentChanges) -> None:
    workers = [start_worker(), start_worker()]
    for version in (2, 3):
        changes.deploy(version)
    revision = changes.set_routing(SPLIT).revision
    assert [answering(worker) for worker in workers] == [(revision, 2)] * 2
    for key in map(str, range(100)):
        assert len({worker.variants.assign(key).version for worker in workers}) == 1


def test_an_unchanged_state_is_not_applied_again(start_worker: StartWorker) -> None:
    worker = start_worker()
    before = worker.variants
    assert not worker.poll()
    assert worker.variants is before


def test_loads_and_swaps_are_counted(start_worker: StartWorker, changes: DeploymentChanges, store: Path) -> None:
    loads: list[tuple[int, bool]] = []
    warmed: list[int] = []
    swaps: list[tuple[int, int]] = []
    hooks = FollowerHooks(
        lambda version, seconds, reason: loads.append((version, seconds > 0 and reason is None)),
        lambda after: warmed.append(after.champion.version),
        lambda before, after: swaps.append((before.champion.version, after.champion.version)),
    )
    start_worker(hooks)
    changes.make_champion(2)
    model_store_samples.add_version(store, 9, model_store_samples.damage_file)
    with pytest.raises(TaxiError, match="version 9 is refused"):
        changes.deploy(9)
    assert loads == [(1, True), (2, True), (9, False)]
    assert set(swaps) == {(1, 1), (1, 2), (2, 2)}
    assert warmed == [after for _, after in swaps]


def test_a_restart_comes_back_to_the_last_routing(
    start_worker: StartWorker, changes: DeploymentChanges, state: ServingState, store: Path, packaged: Path
) -> None:
    first = start_worker()
    changes.deploy(2)
    changes.deploy(3)
    changes.set_routing(SPLIT)
    again = Follower(state, store, packaged)
    assert again.variants.routing == first.variants.routing
    assert [again.variants.assign(f"{n}").version for n in range(50)] == [
        first.variants.assign(f"{n}").version for n in range(50)
    ]
    again.close()


def test_a_restart_uses_the_newest_routing_that_can_be_loaded(
    changes: DeploymentChanges, start_worker: StartWorker, store: Path, state: ServingState
) -> None:
    for version in (2, 3, 4):
        changes.make_champion(version)
    model_store_samples.damage_file(store / "v4-000000000004" / "src" / "model")
    shutil.rmtree(store / "v3-000000000003")
    worker = start_worker()
    assert answering(worker) == (1, 2)
    assert worker.refused_routing
    assert worker.refused_routing[0] == 3
    assert "damaged" in worker.refused_routing[1]
    (report,) = live_workers(state)
    assert tuple(report.refused_routing or ()) == worker.refused_routing
    assert changes.make_champion(2).routing.champion == 2
    assert (answering(worker), worker.refused_routing) == ((4, 2), None)


def test_a_restart_without_any_routing_that_can_be_loaded_uses_the_packaged_model(
    changes: DeploymentChanges, start_worker: StartWorker, store: Path
) -> None:
    changes.make_champion(2)
    shutil.rmtree(store / "v2-000000000002")
    assert answering(start_worker()) == (0, 1)


def test_a_damaged_routing_is_skipped_at_a_restart(
    changes: DeploymentChanges, start_worker: StartWorker, state: ServingState
) -> None:
    changes.make_champion(2)
    changes.make_champion(3)
    state.routing.write_text("{")
    assert answering(start_worker()) == (2, 3)


@pytest.mark.parametrize("damaged", [(3,), (3, 2), (3, 2, 1)])
def test_a_restart_goes_back_past_damaged_routings_and_names_them(
    changes: DeploymentChanges,
    start_worker: StartWorker,
    state: ServingState,
    store: Path,
    caplog: pytest.LogCaptureFixture,
    damaged: tuple[int, ...],
) -> None:
    for version in (1, 2, 3, 4):
        changes.make_champion(version)
    for revision in damaged:
        (state.history / f"0000000{revision}.json").write_bytes(b"{")
    model_store_samples.damage_file(store / "v4-000000000004" / "src" / "model")
    worker = start_worker()
    assert answering(worker) == {1: (2, 2), 2: (1, 1), 3: (0, 1)}[len(damaged)]
    refused, *named = worker.routing_problems
    assert "version 4 is refused" in refused
    for revision, fault in zip(damaged, named, strict=True):
        assert f"0000000{revision}.json is no routing" in fault
        assert fault in caplog.text
    assert changes.make_champion(3).revision == 5
    assert (answering(worker), worker.routing_problems) == ((5, 3), named)


def test_a_damaged_routing_changes_nothing(
    start_worker: StartWorker, changes: DeploymentChanges, state: ServingState
) -> None:
    worker = start_worker()
    changes.make_champion(2)
    state.routing.write_text("{")
    worker.poll()
    assert answering(worker) == (2, 2)
    assert worker.refused_routing
    assert "is no routing" in worker.refused_routing[1]


@pytest.mark.parametrize("is_full_at_start", [False, True])
def test_a_full_disk_is_logged_once_and_the_worker_serves_on(
    start_worker: StartWorker,
    changes: DeploymentChanges,
    state: ServingState,
    caplog: pytest.LogCaptureFixture,
    is_full_at_start: bool,
) -> None:
    swaps: list[int] = []
    full: list[Path] = []

    def fill_disk(_: RoutedVariants, after: RoutedVariants) -> None:
        swaps.append(after.champion.version)
        if after.champion.version == 2 and not full:
            (lock,) = state.workers.glob("*.lock")
            full.append(lock.with_name(f".{lock.stem}.json.{os.getpid()}"))
            full[0].symlink_to("/dev/full")

    if is_full_at_start:
        changes.make_champion(2)
    worker = start_worker(FollowerHooks(after_swap=fill_disk))
    if not is_full_at_start:
        changes.deploy(2)
        store_routing(state, Routing(2), "test")
    wait_until(lambda: len(caplog.messages) > 0)
    for _ in range(10):
        with suppress(OSError):
            worker.poll()
    assert worker.variants.champion.version == 2
    full[0].unlink()
    wait_until(lambda: len(caplog.messages) > 1)
    assert [report.revision for report in live_workers(state)] == [worker.variants.routing.revision]
    assert [message.split(" the serving state")[0] for message in caplog.messages] == ["cannot follow", "follows"]
    assert "No space left on device: make room" in caplog.text
    assert swaps.count(2) == 1


def wait_until(condition: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + 30, threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        pause.wait(0.02)


def test_a_manifest_changed_after_the_deployment_is_refused(store: Path) -> None:
    folder = store / "v2-000000000002/src/model"
    deployment = new_deployment(folder, 2, "test")
    model_store_samples.edit_manifest(folder, lambda manifest: manifest.update(note="x"))
    with pytest.raises(TaxiError, match="has changed: deploy it again"):
        LoadedModels(lambda *_: None).load(deployment)


def test_objects_of_the_time_of_a_load_are_freed(store: Path) -> None:
    class Request:
        itself: "Request"

    request = Request()
    request.itself = request
    is_alive = weakref.ref(request)
    LoadedModels(lambda *_: None).load(new_deployment(find_model(store, 2), 2, "test"))
    del request
    gc.collect()
    assert is_alive() is None


def test_a_restart_serves_a_version_rebuilt_since(
    changes: DeploymentChanges, start_worker: StartWorker, store: Path
) -> None:
    changes.make_champion(2)
    model_store_samples.edit_manifest(store / "v2-000000000002/src/model", lambda manifest: manifest.update(note="x"))
    assert answering(start_worker()) == (1, 2)


def test_a_broken_packaged_model_does_not_start(state: ServingState, store: Path) -> None:
    packaged = model_store_samples.add_version(store, 9, model_store_samples.damage_file)
    with pytest.raises(TaxiError, match="damaged"):
        Follower(state, store, packaged)
    assert live_workers(state) == []

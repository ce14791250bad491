"""A change is complete in every worker, or the state before stays and the reason is kept."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import model_store_samples
import pytest
from conftest import StartWorker

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.deployment_changes import (
    MAX_DEPLOYED,
    DeploymentChanges,
    RefusedModel,
    RoutedVersion,
    UnknownVersion,
)
from taxi_assets.serving.deployments.deployment_store import read_deployments, read_refusals
from taxi_assets.serving.deployments.routing import InvalidRouting
from taxi_assets.serving.deployments.routing_store import read_routing
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.deployments.workers import WorkerFile

SPLIT = {"champion": 2, "challengers": [{"version": 3, "share": 0.1}], "shadows": [4]}


def champion(state: ServingState) -> int | None:
    current = read_routing(state)
    return current.routing.champion if current else None


def test_a_deployed_version_is_loaded_and_not_routed(start_worker: StartWorker, changes: DeploymentChanges) -> None:
    worker = start_worker()
    deployment = changes.deploy(2)
    assert (deployment.version, deployment.by) == (2, "test")
    assert sorted(worker.variants.deployed) == [1, 2]
    assert worker.variants.champion.version == 1


def test_a_version_deployed_again_is_not_loaded_again(start_worker: StartWorker, changes: DeploymentChanges) -> None:
    worker = start_worker()
    first = changes.deploy(2)
    model = worker.variants.deployed[2].model
    assert changes.deploy(2) == first
    assert worker.variants.deployed[2].model is model


def test_a_rebuilt_version_is_loaded_again(start_worker: StartWorker, changes: DeploymentChanges, store: Path) -> None:
    worker = start_worker()
    changes.make_champion(2)
    before = worker.variants.champion.model
    model_store_samples.edit_manifest(store / "v2-000000000002/src/model", lambda manifest: manifest.update(note="x"))
    changes.deploy(2)
    assert worker.variants.champion.version == 2
    assert worker.variants.champion.model is not before


@pytest.mark.parametrize(
    ("name", "with_worker"), [*((name, True) for name in model_store_samples.BROKEN), ("bad checksum", False)]
)
def test_a_broken_model_is_never_deployed(
    start_worker: StartWorker, changes: DeploymentChanges, state: ServingState, name: str, with_worker: bool
) -> None:
    damage, reason = model_store_samples.BROKEN[name]
    model_store_samples.add_version(changes.store, 9, damage)
    worker = start_worker() if with_worker else None
    with pytest.raises(RefusedModel, match="version 9 is refused"):
        changes.make_champion(9)
    assert 9 not in read_deployments(state)
    assert champion(state) == (1 if worker else None)
    (refusal,) = read_refusals(state)
    assert (refusal.version, refusal.by) == (9, "test")
    assert reason in refusal.reason
    if worker:
        assert (worker.variants.champion.version, sorted(worker.variants.deployed)) == (1, [1])


def test_a_broken_rebuild_leaves_the_earlier_one(
    start_worker: StartWorker, changes: DeploymentChanges, store: Path, state: ServingState
) -> None:
    worker = start_worker()
    changes.make_champion(2)
    before, deployed = worker.variants.champion.model, read_deployments(state)[2]
    model_store_samples.change_golden_predictions(store / "v2-000000000002/src/model")
    with pytest.raises(RefusedModel):
        changes.deploy(2)
    assert worker.variants.champion.model is before
    assert read_deployments(state)[2] == deployed


def test_a_version_that_is_not_in_the_store_is_unknown(changes: DeploymentChanges, state: ServingState) -> None:
    with pytest.raises(UnknownVersion, match="version 99 has no Bento"):
        changes.deploy(99)
    assert read_refusals(state) == []


def test_a_routing_deploys_its_versions(
    start_worker: StartWorker, changes: DeploymentChanges, state: ServingState
) -> None:
    worker = start_worker()
    changes.deploy(2)
    before = read_deployments(state)[2]
    assert changes.set_routing(SPLIT).routing.versions == (2, 3, 4)
    assert worker.variants.routing.routing.versions == (2, 3, 4)
    assert read_deployments(state)[2] == before


@pytest.mark.parametrize("shadow", [9, 99])
def test_a_refused_routing_deploys_nothing(
    start_worker: StartWorker, changes: DeploymentChanges, state: ServingState, shadow: int
) -> None:
    model_store_samples.add_version(changes.store, 9, model_store_samples.damage_file)
    worker = start_worker()
    refusal = {9: (RefusedModel, "version 9 is refused"), 99: (InvalidRouting, r"shadows\[0\] is version 99")}[shadow]
    with pytest.raises(refusal[0], match=refusal[1]):
        changes.set_routing({"champion": 2, "shadows": [shadow]})
    assert sorted(read_deployments(state)) == [1]
    assert (champion(state), worker.variants.champion.version) == (1, 1)


def test_a_new_champion_leaves_challengers_and_shadows(changes: DeploymentChanges) -> None:
    for version in (2, 3, 4):
        changes.deploy(version)
    changes.set_routing(SPLIT)
    after = changes.make_champion(1).routing
    assert after.as_json() == {**SPLIT, "champion": 1}
    promoted = changes.make_champion(3).routing
    assert promoted.as_json() == {"champion": 3, "challengers": [], "shadows": [4]}


def test_a_rollback_comes_back_in_every_worker(start_worker: StartWorker, changes: DeploymentChanges) -> None:
    workers = [start_worker(), start_worker()]
    for version in (2, 3):
        changes.make_champion(version)
    assert changes.roll_back().routing.champion == 2
    assert [worker.variants.champion.version for worker in workers] == [2, 2]
    assert changes.roll_back().routing.champion == 1
    assert [worker.variants.champion.version for worker in workers] == [1, 1]
    with pytest.raises(TaxiError, match="no earlier routing"):
        changes.roll_back()


def test_only_this_routing_and_the_one_before_stay_loaded(
    start_worker: StartWorker, changes: DeploymentChanges, state: ServingState
) -> None:
    start_worker()
    changes.deploy(4)
    for version in (2, 3):
        changes.make_champion(version)
    assert sorted(read_deployments(state)) == [2, 3, 4]  # 4 was deployed by itself
    changes.roll_back()
    assert sorted(read_deployments(state)) == [2, 4]


def test_a_removed_version_is_no_longer_served(start_worker: StartWorker, changes: DeploymentChanges) -> None:
    worker = start_worker()
    changes.deploy(2)
    changes.undeploy(2)
    assert sorted(worker.variants.deployed) == [1]
    with pytest.raises(UnknownVersion, match="version 2 is not deployed"):
        changes.undeploy(2)


def test_a_routed_version_is_not_removed(changes: DeploymentChanges) -> None:
    changes.make_champion(2)
    with pytest.raises(RoutedVersion, match="version 2 is routed"):
        changes.undeploy(2)


def test_the_number_of_deployed_versions_is_limited(changes: DeploymentChanges, store: Path) -> None:
    for version in range(1, MAX_DEPLOYED + 2):
        if version > 4:
            model_store_samples.add_version(store, version)
        if version <= MAX_DEPLOYED:
            changes.deploy(version)
    with pytest.raises(TaxiError, match=f"{MAX_DEPLOYED} versions are deployed already"):
        changes.deploy(MAX_DEPLOYED + 1)
    changes.undeploy(1)
    changes.deploy(MAX_DEPLOYED + 1)


@pytest.mark.parametrize(
    "change", [lambda changes: changes.deploy(2), lambda changes: changes.set_routing({"champion": 1, "shadows": [3]})]
)
def test_a_worker_that_does_not_follow_undoes_the_change(
    start_worker: StartWorker,
    changes: DeploymentChanges,
    state: ServingState,
    change: Callable[[DeploymentChanges], object],
) -> None:
    worker = start_worker()
    changes.deploy(3)
    stuck = WorkerFile(state)
    with pytest.raises(RefusedModel, match="has not followed within"):
        change(replace(changes, timeout=0.5))
    stuck.close()
    assert sorted(read_deployments(state)) == [1, 3]
    current = read_routing(state)
    assert current
    assert current.routing.versions == (1,)
    worker.poll()
    assert worker.variants.shadows == ()


@pytest.mark.parametrize("damaged", ["routing.json", "routing_history/00000001.json"])
@pytest.mark.parametrize(
    "change",
    [lambda changes: changes.set_routing({"champion": 3}), lambda changes: changes.make_champion(3)],
)
def test_a_damaged_routing_prevents_no_change(
    start_worker: StartWorker,
    changes: DeploymentChanges,
    state: ServingState,
    damaged: str,
    change: Callable[[DeploymentChanges], object],
) -> None:
    worker = start_worker()
    changes.make_champion(2)
    changes.deploy(3)
    (state.folder / damaged).write_bytes(b"{")
    change(changes)
    assert worker.variants.champion.version == 3


def test_a_version_that_failed_at_a_start_can_be_deployed_again(
    start_worker: StartWorker, changes: DeploymentChanges, state: ServingState, store: Path
) -> None:
    changes.deploy(2)
    network = store / "v2-000000000002/src/model/model.onnx"
    network.rename(network.with_name("away"))
    worker = start_worker()
    assert sorted(worker.variants.deployed) == [1]
    with pytest.raises(RefusedModel):
        changes.deploy(2)
    assert sorted(read_deployments(state)) == [1]
    network.with_name("away").rename(network)
    changes.deploy(2)
    assert sorted(worker.variants.deployed) == [1, 2]


@pytest.mark.parametrize("content", ["[]", '{"version": "9"}', None])
def test_a_damaged_deployment_counts_as_none(
    start_worker: StartWorker, changes: DeploymentChanges, state: ServingState, content: str | None
) -> None:
    changes.deploy(2)
    stored = (state.deployments / "2.json").read_text().replace('"version": 2', '"version": "9"')
    (state.deployments / "9.json").write_text(stored if content is None else content)
    worker = start_worker()
    changes.deploy(3)
    assert sorted(worker.variants.deployed) == [1, 2, 3]


def test_concurrent_changes_are_applied_one_after_another(
    start_worker: StartWorker, changes: DeploymentChanges, state: ServingState
) -> None:
    workers = [start_worker(), start_worker()]
    with ThreadPoolExecutor() as threads:
        revisions = list(threads.map(changes.make_champion, (2, 3, 4)))
    assert sorted(revision.revision for revision in revisions) == [2, 3, 4]
    current = read_routing(state)
    assert current
    assert current.revision == 4
    assert {worker.variants.champion.version for worker in workers} == {current.routing.champion}

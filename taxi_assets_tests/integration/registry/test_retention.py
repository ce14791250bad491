"""Retention removes pickles and Bentos of old versions; data for `taxi reproduce` and `lineage` stays."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from registered_models import Register, model_pickle

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.database import client
from taxi_assets.registry.model_files import Version
from taxi_assets.registry.model_versions import MODEL_NAME
from taxi_assets.serving.deployments.deployment_store import Deployment, remove_deployment, write_deployment
from taxi_assets.serving.deployments.routing import Challenger, Routing
from taxi_assets.serving.deployments.routing_store import store_routing
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.deployments.version_history import versions_in_use
from taxi_assets.serving.packaging import bento_build
from taxi_assets.serving.packaging.release import package_version
from taxi_assets.serving.packaging.retention import remove_old_models
from taxi_assets.settings import Settings

KEPT = {2, 3, 5, 6, 7}  # 2: champion; 3: the one before; 5: a user's alias; 6 and 7: the newest two

NOTHING: dict[str, tuple[str, ...]] = {"removed_models": (), "removed_bentos": ()}


@pytest.fixture
def versions(settings: Settings, register: Register) -> dict[int, Version]:
    """Seven versions, each with a scored month and a Bento; version 1 has the newest Bento."""
    made = {number: register(f"key {number}", data_snapshot=str(number)) for number in range(1, 8)}
    for number, version in made.items():
        model_versions.set_month_version(settings, version, Month(2023, number))
        put_bento(settings, number)
    model_versions.promote(settings, 3, "first")
    model_versions.promote(settings, 2, "better")
    client(settings).set_registered_model_alias(MODEL_NAME, "my-favourite", "5")
    return made


@pytest.fixture
def keeping_two(settings: Settings) -> Settings:
    return settings.model_copy(update={"keep_models": 2})


def put_bento(settings: Settings, number: int) -> None:
    tag = f"taxi_duration:v{number}-0f3c"
    source = bento_build.bento_folder(settings, tag) / "src"
    source.mkdir(parents=True, exist_ok=True)
    (source / "release.json").write_text(f'{{"tag": "{tag}", "labels": {{}}}}')
    (source.parents[1] / "latest").write_text("v1-0f3c")


def bentos(settings: Settings) -> set[int]:
    folder = bento_build.bento_folder(settings, "taxi_duration:x").parent
    return {int(path.name[1]) for path in folder.iterdir() if path.is_dir()}


def pickles(settings: Settings, versions: dict[int, Version]) -> set[int]:
    return {number for number, version in versions.items() if model_pickle(settings, version).is_file()}


def test_champion_predecessor_newest_and_aliased_versions_are_kept(
    keeping_two: Settings, versions: dict[int, Version]
) -> None:
    done = remove_old_models(keeping_two)
    assert done == {"removed_models": ("version 1", "version 4"), "removed_bentos": ("taxi_duration:v4-0f3c",)}
    assert pickles(keeping_two, versions) == KEPT
    assert bentos(keeping_two) == KEPT | {1}  # the newest Bento is what `make up` serves
    assert remove_old_models(keeping_two) == NOTHING


@pytest.fixture
def state(settings: Settings) -> Iterator[ServingState]:
    """The home's serving state; tests share the home."""
    yield ServingState(settings.serving_state).create()
    shutil.rmtree(settings.serving_state)


def test_deployed_routed_and_previously_routed_versions_are_kept(
    keeping_two: Settings, versions: dict[int, Version], state: ServingState
) -> None:
    for routing in (Routing(2), Routing(1), Routing(3, (Challenger(5, 0.1),), (6,))):
        store_routing(state, routing, "test")
    write_deployment(state, Deployment(4, "", "", "test", "", "key"))
    assert versions_in_use(state) == {1, 3, 4, 5, 6}
    assert remove_old_models(keeping_two) == NOTHING
    remove_deployment(state, 4)
    assert remove_old_models(keeping_two) == {
        "removed_models": ("version 4",),
        "removed_bentos": ("taxi_duration:v4-0f3c",),
    }


def test_a_damaged_routing_protects_the_newest_intact_ones(
    keeping_two: Settings, versions: dict[int, Version], state: ServingState
) -> None:
    for champion in (4, 1, 2):
        store_routing(state, Routing(champion), "test")
    state.routing.write_text("{")
    assert versions_in_use(state) == {1, 2}
    (state.history / "00000002.json").write_text("{")
    with pytest.raises(TaxiError, match="is no routing"):
        remove_old_models(keeping_two)
    assert pickles(keeping_two, versions) == set(versions)


def test_dry_run_reports_the_same_and_removes_nothing(keeping_two: Settings, versions: dict[int, Version]) -> None:
    removal = remove_old_models(keeping_two, is_dry_run=True)
    assert pickles(keeping_two, versions) == bentos(keeping_two) == set(versions)
    assert remove_old_models(keeping_two) == removal


def test_data_for_reproduce_and_lineage_stays(keeping_two: Settings, versions: dict[int, Version]) -> None:
    remove_old_models(keeping_two)
    found = model_versions.require(keeping_two, 4)
    assert found.tags["data_snapshot"] == "4"
    assert model_versions.referenced_snapshots(keeping_two) == set(range(1, 8))
    assert tracking.get_logged_run(keeping_two, found.run_id).tags["dagster_run_id"] == "run of key 4"
    assert model_versions.get_month_version(keeping_two, Month(2023, 4)).version == 4


def test_removed_model_is_reported_and_trained_again(
    keeping_two: Settings, versions: dict[int, Version], register: Register
) -> None:
    remove_old_models(keeping_two)
    for load in (model_versions.load_sklearn, lambda settings, version: package_version(settings, version.version)):
        with pytest.raises(TaxiError, match=r"version 4 was removed by retention \(TAXI_KEEP_MODELS\): materialise"):
            load(keeping_two, versions[4])
    assert model_versions.find(keeping_two, "key 4") is None
    assert register("key 4").version == 8


def test_few_versions_are_all_kept(settings: Settings, register: Register) -> None:
    version = register("key")
    assert remove_old_models(settings) == NOTHING
    assert model_pickle(settings, version).is_file()


def test_a_home_without_models_has_nothing_to_remove(tmp_path: Path) -> None:
    assert remove_old_models(Settings(home=tmp_path / "home")) == NOTHING
    assert not (tmp_path / "home").exists()

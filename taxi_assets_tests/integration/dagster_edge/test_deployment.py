"""The asset `deployment` routes the packaged champion, and fails in one sentence if it is refused."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import model_store_samples
import pytest
from platform_harness import MARCH, PlatformHarness

from taxi_assets.registry import model_versions
from taxi_assets.serving.deployments.deployment_changes import DeploymentChanges
from taxi_assets.serving.deployments.routing_store import RoutingRevision, read_routing
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.packaging.bento_build import model_store

OTHER = 99


@pytest.fixture
def newest(platform: PlatformHarness) -> Iterator[Path]:
    """The serving folder of another version, whose Bento is the newest until the end of the test."""
    store = model_store(platform.settings)
    latest = (store / "latest").read_text()
    model = model_store_samples.add_version(store, OTHER)
    bento = model.parents[1]
    model.with_name("release.json").write_text(json.dumps({"tag": f"taxi_duration:{bento.name}", "labels": {}}))
    (store / "latest").write_text(bento.name)
    yield model
    shutil.rmtree(bento)
    (store / "latest").write_text(latest)


def routing(state: ServingState) -> RoutingRevision:
    found = read_routing(state)
    assert found
    return found


def deploy(platform: PlatformHarness) -> tuple[bool, Any]:
    """True and the check's result if the asset was materialised, else the failure's sentence."""
    done = platform.materialise(MARCH, "deployment")
    if done.success:
        return True, platform.checks(platform.find(done.run_id), "deployment")["the_endpoint_serves_the_champion"]
    (failure,) = platform.events(platform.find(done.run_id), dg.DagsterEventType.STEP_FAILURE)
    return False, failure.step_failure_data.user_failure_data.description  # type: ignore[union-attr]


def test_a_run_makes_the_champion_the_routings(platform: PlatformHarness) -> None:
    champion = model_versions.champion(platform.settings)
    assert champion
    (run,) = platform.instance.get_runs(dg.RunsFilter(job_name="train_month"), ascending=True, limit=1)
    shown = platform.metadata(run, "deployment")
    routed = shown["routing"].value
    assert (routed["champion"], routed["by"]) == (champion.version, "asset deployment")  # type: ignore[index,call-overload]
    assert str(shown["url"].value).endswith(f"/deployments/{champion.version}/predict")
    assert (shown["is_followed"].value, shown["refusals"].value) == (False, "none")


def test_a_newer_champion_replaces_it_and_a_persons_routing_stays(
    platform: PlatformHarness, serving_state: ServingState, newest: Path
) -> None:
    before = routing(serving_state).routing.champion
    is_done, check = deploy(platform)
    assert (is_done, check.passed, routing(serving_state).routing.champion) == (True, True, OTHER)
    DeploymentChanges(serving_state, model_store(platform.settings), "taxi rollback").roll_back()
    is_done, check = deploy(platform)
    assert (is_done, check.passed, routing(serving_state).routing.champion) == (True, False, before)
    assert check.description == (
        f"taxi rollback made version {before} the champion after version {OTHER}: "
        f"`taxi deploy {OTHER} --champion` makes it the champion again"
    )


def test_a_refused_model_fails_in_one_sentence_and_the_old_champion_stays(
    platform: PlatformHarness, serving_state: ServingState, newest: Path
) -> None:
    before = routing(serving_state)
    model_store_samples.damage_file(newest)
    is_done, sentence = deploy(platform)
    assert not is_done
    assert sentence.startswith(f"version {OTHER} is refused: ")
    assert "\n" not in sentence
    assert routing(serving_state) == before

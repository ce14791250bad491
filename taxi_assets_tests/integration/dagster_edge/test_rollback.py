"""A new champion is shadowed by the one before, and rolled back everywhere if it is worse."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import model_store_samples
import numpy as np
import pandas as pd
import pytest
from platform_harness import MARCH, PlatformHarness
from sample_predictions import prediction

from taxi_assets.defs.serving.prediction_log import prediction_log_sensor
from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.champion_watch import WatchOutcome, find_watched, watch_champion
from taxi_assets.promotion.apply_decision import CHAMPION_SINCE_TAG, is_change_interrupted
from taxi_assets.registry import model_versions
from taxi_assets.serving.champion_deployment import DEPLOYED_BY, deploy_champion
from taxi_assets.serving.deployments.deployment_changes import DeploymentChanges
from taxi_assets.serving.deployments.routing import Routing
from taxi_assets.serving.deployments.routing_store import newest_readable
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.packaging.bento_build import model_store
from taxi_assets.serving.prediction_log import segments
from taxi_assets.serving.prediction_log.log_writer import LogWriter

RIDES = 1_200


@pytest.fixture
def champion(platform: PlatformHarness) -> int:
    found = model_versions.champion(platform.settings)
    assert found
    return found.version


@pytest.fixture
def deployed(platform: PlatformHarness, champion: int, serving_state: ServingState) -> Iterator[int]:
    """A newer champion, deployed by the asset; its Bento is the newest until the end of the test."""
    since = model_versions.require(platform.settings, champion).tags.get(CHAMPION_SINCE_TAG)
    version = platform.train(MARCH, max_iter=2).version
    model_versions.promote(platform.settings, version, "For the test.")
    store = model_store(platform.settings)
    latest = (store / "latest").read_text()
    model = model_store_samples.add_version(store, version)
    bento = model.parents[1]
    model.with_name("release.json").write_text(json.dumps({"tag": f"taxi_duration:{bento.name}", "labels": {}}))
    (store / "latest").write_text(bento.name)
    deploy_champion(platform.settings, DEPLOYED_BY)
    yield version
    shutil.rmtree(bento)
    (store / "latest").write_text(latest)
    with platform.warehouse.publishing("as before") as connection:
        for table in ("predictions", "feedback", "champion_changes WHERE change = 'rolled_back'"):
            connection.execute(f"DELETE FROM {table}")
    model_versions.remove_tag(platform.settings, model_versions.require(platform.settings, version), "rolled_back")
    if since:
        model_versions.tag_decision(platform.settings, champion, {CHAMPION_SINCE_TAG: since})


def ride(
    platform: PlatformHarness, champion: int, shadow: int, bias: float, *, shadow_bias: float = 0, age_days: int = 0
) -> None:
    """Rides with feedback, which both predict too long by their bias, minutes."""
    draw = np.random.default_rng(7)
    ids = [f"r{age_days}.{number}" for number in range(RIDES)]
    actual, answered = draw.uniform(10, 40, RIDES), datetime.now(UTC).replace(tzinfo=None) - timedelta(days=age_days)
    common = {"answered_at": answered, "pickup_at": datetime(2023, 3, 1, 8), "service": "green"}
    common |= {"pickup_zone_id": 74, "dropoff_zone_id": 75}
    answers = pd.DataFrame({"request_id": ids, "model_version": champion, "variant": "champion", **common})
    answers["duration_minutes"] = actual + bias + draw.normal(0, 3, RIDES)
    shadows = answers.assign(request_id="s" + answers["request_id"], shadow_of=ids, model_version=shadow)
    shadows = shadows.assign(
        variant=f"shadow {shadow}", duration_minutes=actual + shadow_bias + draw.normal(0, 3, RIDES)
    )
    feedback = pd.DataFrame({"request_id": ids, "actual_minutes": actual, "received_at": answered})
    with platform.warehouse.publishing("rides") as connection:
        for table, rows in (("predictions", answers), ("predictions", shadows), ("feedback", feedback)):
            connection.register("rows", rows)
            connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM rows")
            connection.unregister("rows")


def watch(platform: PlatformHarness, **settings: Any) -> WatchOutcome:
    return watch_champion(platform.settings.model_copy(update=settings), platform.warehouse, "test", "run")


def routing(state: ServingState) -> Routing:
    found = newest_readable(state)
    assert found
    return found.routing


def changes(platform: PlatformHarness) -> list[Any]:
    query = (
        "SELECT model_version, replaced_version, change, decided_by, run_id FROM champion_changes "
        "WHERE change = 'rolled_back'"
    )
    with platform.warehouse.reading() as connection:
        return connection.execute(query).fetchall()


def aliased(platform: PlatformHarness) -> int:
    found = model_versions.champion(platform.settings)
    assert found
    return found.version


def test_the_champion_before_shadows_the_new_one(
    platform: PlatformHarness, champion: int, deployed: int, serving_state: ServingState
) -> None:
    assert routing(serving_state) == Routing(deployed, shadows=(champion,))
    assert find_watched(serving_state) == champion
    outcome = watch(platform)
    assert outcome.state == "watching"
    assert outcome.watch
    assert outcome.watch.rides == 0


@pytest.mark.slow
def test_records_of_a_watched_champion_are_sealed_for_the_next_tick(
    platform: PlatformHarness, deployed: int, serving_state: ServingState
) -> None:
    log = platform.settings.prediction_log
    writer = LogWriter(log)
    writer.append(prediction(model_version=deployed))
    with dg.build_sensor_context(platform.instance, resources={"warehouse": platform.warehouse}) as context:
        skipped = prediction_log_sensor(context)
        assert isinstance(skipped, dg.SkipReason)
        assert "watched" in str(skipped.skip_message)
        deadline = time.monotonic() + 10
        while not segments.names(log, segments.SEALED):
            assert time.monotonic() < deadline
            os.sched_yield()
        assert isinstance(prediction_log_sensor(context), dg.RunRequest)
    writer.close()


def test_a_worse_champion_is_rolled_back_everywhere(
    platform: PlatformHarness, champion: int, deployed: int, serving_state: ServingState
) -> None:
    ride(platform, deployed, champion, bias=3)
    job = platform.definitions.resolve_job_def("ingest_predictions")
    result = job.execute_in_process(instance=platform.instance)
    run = platform.find(result.run_id)
    shown, (check,) = platform.metadata(run, "rollback"), platform.checks(run, "rollback").values()
    assert (shown["state"].value, shown["rides"].value, check.passed) == ("rolled back", RIDES, False)
    assert f"version {deployed} is worse than version {champion} on 1,200 rides" in str(check.description)
    assert routing(serving_state) == Routing(champion)
    assert aliased(platform) == champion
    assert changes(platform) == [(champion, deployed, "rolled_back", "asset rollback", run.run_id)]
    tags = model_versions.require(platform.settings, deployed).tags
    assert tags["rolled_back"] == shown["reason"].value
    # Nothing brings it back: neither the next check of the logs nor a deployment.
    assert watch(platform).state == "none"
    assert deploy_champion(platform.settings, DEPLOYED_BY).routing["champion"] == champion
    assert routing(serving_state) == Routing(champion)


@pytest.mark.parametrize("shadow_bias", [0.0, 3.0])
def test_a_champion_that_is_no_worse_stays_and_its_shadow_ends(
    platform: PlatformHarness, champion: int, deployed: int, serving_state: ServingState, shadow_bias: float
) -> None:
    ride(platform, deployed, champion, bias=0, shadow_bias=shadow_bias)
    if not shadow_bias:
        assert watch(platform).state == "watching"
        assert watch(platform, watch_rides=RIDES).state == "passed"
    else:
        assert watch(platform).state == "passed"  # a better one needs no more rides
    assert routing(serving_state) == Routing(deployed)
    assert (aliased(platform), changes(platform)) == (deployed, [])
    assert watch(platform).state == "none"


@pytest.mark.slow
def test_rides_before_the_deployment_do_not_count(
    platform: PlatformHarness, champion: int, deployed: int, serving_state: ServingState
) -> None:
    ride(platform, deployed, champion, bias=9, age_days=1)  # of an earlier deployment of the same version
    outcome = watch(platform)
    assert outcome.watch
    assert (outcome.state, outcome.watch.rides) == ("watching", 0)
    assert routing(serving_state).champion == deployed


def test_a_routing_that_a_person_sets_ends_the_watch(
    platform: PlatformHarness, champion: int, deployed: int, serving_state: ServingState
) -> None:
    ride(platform, deployed, champion, bias=3)
    chosen = {"champion": deployed, "challengers": [{"version": champion, "share": 0.1}]}
    DeploymentChanges(serving_state, model_store(platform.settings), "taxi route").set_routing(chosen)
    assert watch(platform).state == "none"
    assert routing(serving_state).as_json()["challengers"] == chosen["challengers"]


@pytest.mark.slow  # it waits for the lock of the deployments
def test_a_failed_rollback_goes_on_where_it_stopped(
    platform: PlatformHarness, champion: int, deployed: int, serving_state: ServingState
) -> None:
    ride(platform, deployed, champion, bias=3)
    (serving_state.folder / "deployment.lock").chmod(0o600)
    with serving_state.lock("deployment", 1), pytest.raises(TaxiError, match="another change"):
        watch(platform)
    assert (aliased(platform), routing(serving_state).champion) == (champion, deployed)
    assert watch(platform).state == "rolled_back"
    assert routing(serving_state) == Routing(champion)
    assert len(changes(platform)) == 1
    with platform.warehouse.reading() as connection:
        assert not is_change_interrupted(platform.settings, connection)


def test_a_watch_of_no_rides_is_off(
    platform: PlatformHarness, champion: int, serving_state: ServingState, tmp_path: Path
) -> None:
    deployments = DeploymentChanges(serving_state, model_store(platform.settings), "test")
    model = model_store_samples.add_version(model_store(platform.settings), 98)
    store = model_store(platform.settings)
    latest = (store / "latest").read_text()
    model.with_name("release.json").write_text(
        json.dumps({"tag": f"taxi_duration:{model.parents[1].name}", "labels": {}})
    )
    (store / "latest").write_text(model.parents[1].name)
    try:
        off = platform.settings.model_copy(update={"watch_rides": 0})
        assert deploy_champion(off, DEPLOYED_BY).routing["shadows"] == []
        assert find_watched(serving_state) is None
    finally:
        (store / "latest").write_text(latest)
        shutil.rmtree(model.parents[1])
        deployments.roll_back()

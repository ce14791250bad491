"""Unfinished months: the sensor finds the missing assets, reports them and completes the month."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from platform_harness import FEBRUARY, JANUARY, MARCH, PlatformHarness

from taxi_assets.cli import status_report
from taxi_assets.ingestion import file_stability
from taxi_assets.monitoring.superseded_versions import superseded_versions, tag_superseded
from taxi_assets.monitoring.unfinished_months import unfinished_months
from taxi_assets.registry import model_versions
from taxi_assets.registry.database import client
from taxi_assets.serving.deployments.deployment_store import write_refusal
from taxi_assets.serving.deployments.routing import Routing
from taxi_assets.serving.deployments.routing_store import store_routing
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.synthetic import parse_shift

RELEASED = ("duration_bento", "deployment")
DECIDED = ("champion_model", *RELEASED)
SCORED = ("model_evaluation", *DECIDED)
TRAINED = ("duration_model", *SCORED)
NEW = ("drift_report", "champion_performance", "retraining", *TRAINED)


@pytest.fixture(autouse=True)
def _no_wait_between_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_stability, "WAIT_UNTIL_STABLE", file_stability.ScanPolicy(seconds_between=0))


def missing_assets(platform: PlatformHarness) -> dict[str, tuple[str, ...]]:
    return {str(each.month): each.missing_assets for each in unfinished_months(platform.settings, platform.warehouse)}


@contextmanager
def without(platform: PlatformHarness, table: str, condition: str = "true") -> Iterator[None]:
    """Deletes rows during the block, as if never written."""
    with platform.warehouse.publishing("some rows less") as connection:
        rows = connection.execute(f"SELECT * FROM {table} WHERE {condition}").to_arrow_table()
        connection.execute(f"DELETE FROM {table} WHERE {condition}")
    assert rows.num_rows
    yield
    with platform.warehouse.publishing("as before") as connection:
        connection.register("gone", rows)
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM gone")


@contextmanager
def replaced(platform: PlatformHarness, month: str) -> Iterator[None]:
    """Replaces the month's file in use during the block."""
    key = f"month = DATE '{month}-01'"
    with platform.warehouse.publishing("another file") as connection:
        connection.execute(f"UPDATE source_files SET sha256 = reverse(sha256) WHERE {key}")
    yield
    with platform.warehouse.publishing("as before") as connection:
        connection.execute(f"UPDATE source_files SET sha256 = reverse(sha256) WHERE {key}")


@contextmanager
def tagged(platform: PlatformHarness, **tags: str) -> Iterator[None]:
    """Sets tags of March's version during the block."""
    version = model_versions.get_month_version(platform.settings, MARCH)
    assert version
    model_versions.tag_decision(platform.settings, version.version, tags)
    yield
    model_versions.tag_decision(platform.settings, version.version, {name: version.tags[name] for name in tags})


def test_complete_month_has_no_missing_assets(platform: PlatformHarness) -> None:
    assert missing_assets(platform) == {}
    run = platform.instance.get_runs(dg.RunsFilter(job_name="train_month"), ascending=True)[0]
    assert platform.checks(run, "deployment")["every_month_is_finished"].passed


@pytest.mark.parametrize(
    ("table", "condition", "expected"),
    [
        ("drift_reports", "true", ("drift_report",)),
        ("retraining_decisions", "true", ("champion_performance", "retraining")),
        ("promotions", "true", DECIDED),
        ("evaluations", "true", SCORED),
    ],
)
def test_unwritten_rows_are_missing(
    platform: PlatformHarness, table: str, condition: str, expected: tuple[str, ...]
) -> None:
    with without(platform, table, condition):
        assert missing_assets(platform) == {"2023-03": expected}
        assert not status_report.status_summary(platform.settings)["unfinished"][0]["reason"]
    assert missing_assets(platform) == {}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [({"evaluation_snapshot": "1"}, SCORED), ({"decision_snapshot": "1"}, DECIDED)],
    ids=["evaluated before its file came", "killed before the decision was carried out"],
)
def test_assets_of_another_state_are_missing(
    platform: PlatformHarness, tags: dict[str, str], expected: tuple[str, ...]
) -> None:
    with tagged(platform, **tags):
        assert missing_assets(platform) == {"2023-03": expected}


def test_unpackaged_champion_is_missing(platform: PlatformHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    latest = platform.settings.bentoml_home / "bentos" / "taxi_duration" / "latest"
    text = latest.read_text()
    latest.unlink()
    assert missing_assets(platform) == {"2023-03": RELEASED}
    latest.write_text(text)


def test_a_champion_that_was_never_deployed_is_missing(platform: PlatformHarness, serving_state: ServingState) -> None:
    state, champion = serving_state, model_versions.champion(platform.settings)
    assert champion
    state.folder.rename(state.folder.with_name("away"))
    assert missing_assets(platform) == {"2023-03": ("deployment",)}
    write_refusal(state.create(), champion.version, "slow", "test")
    assert missing_assets(platform) == {}
    shutil.rmtree(state.folder)
    state.folder.with_name("away").rename(state.folder)
    store_routing(state, Routing(99), "a person")
    assert missing_assets(platform) == {}


def test_newest_month_is_retrained_after_a_training_file_is_replaced(
    platform: PlatformHarness,
) -> None:
    version = model_versions.get_month_version(platform.settings, MARCH)
    assert version
    with replaced(platform, "2023-01"):
        (found,) = unfinished_months(platform.settings, platform.warehouse)
        assert found.missing_assets == TRAINED
        assert found.reason == f"version {version.version} was trained on superseded files"
        assert f"version {version.version}" in found.sentence()
        tag_superseded(platform.settings, platform.warehouse)
        shown = client(platform.settings).get_model_version(model_versions.MODEL_NAME, str(version.version))
        assert shown.tags[model_versions.SUPERSEDED_TAG].startswith("green 2023-01 (")
        assert "Trained on superseded files: green 2023-01 (" in shown.description
    with replaced(platform, "2023-03"):  # used for scoring only
        assert version.version not in superseded_versions(platform.settings, platform.warehouse)
    tag_superseded(platform.settings, platform.warehouse)
    shown = client(platform.settings).get_model_version(model_versions.MODEL_NAME, str(version.version))
    assert model_versions.SUPERSEDED_TAG not in shown.tags
    assert "superseded" not in shown.description


# The sensor's requests


def tick(platform: PlatformHarness) -> Any:
    """The sensor's result at the second scan, where an unchanged file counts as complete."""
    resources = {"settings": platform.settings, "warehouse": platform.warehouse}
    repository = platform.definitions.get_repository_def()
    for _ in range(2):
        with dg.build_sensor_context(
            instance=platform.instance, resources=resources, repository_def=repository, sensor_name="landing_sensor"
        ) as context:
            result = repository.get_sensor_def("landing_sensor").evaluate_tick(context)
    return result


def selected(request: Any) -> tuple[str, ...]:
    return tuple(key.to_user_string() for key in request.asset_selection or ())


def report_failed(platform: PlatformHarness, request: Any) -> None:
    job = platform.definitions.resolve_job_def(str(request.job_name))
    platform.instance.create_run_for_job(job_def=job, tags=request.tags, status=dg.DagsterRunStatus.FAILURE)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_month_with_interrupted_training_is_completed(empty_platform: PlatformHarness, tmp_path: Path) -> None:
    platform = empty_platform
    platform.run("ingest_months", [JANUARY, FEBRUARY])  # as if `taxi run` was interrupted before its last month's run
    (request,) = tick(platform).run_requests
    assert (request.job_name, request.partition_key, selected(request)) == ("train_month", "2023-02", NEW)
    (event,) = [each for each in tick(platform).asset_events if each.check_name == "every_month_is_finished"]
    assert (event.passed, event.description) == (False, f"2023-02 lacks {', '.join(NEW)}")
    status = status_report.status_summary(platform.settings)
    assert [each["month"] for each in status["unfinished"]] == ["2023-02"]
    json.dumps(status, default=str)

    assert platform.materialise(FEBRUARY, *selected(request)).success
    assert missing_assets(platform) == {}
    assert not tick(platform).run_requests

    # January is republished: only the newest month is trained again.
    platform.land(JANUARY, tmp_path, parse_shift("slower_city=1.2"))
    (request,) = tick(platform).run_requests
    assert (request.job_name, request.partition_key) == ("ingest_months", "2023-01")
    platform.run("ingest_months", [JANUARY])
    assert platform.is_stale("duration_model", FEBRUARY)  # as Dagster shows it
    keys = []
    for _ in range(3):
        (request,) = tick(platform).run_requests
        assert (request.partition_key, selected(request)) == ("2023-02", TRAINED)
        keys.append(request.run_key.rpartition(".")[2])
        report_failed(platform, request)
    assert keys == ["0", "1", "2"]
    result = tick(platform)
    assert not result.run_requests
    assert "version 1 was trained on superseded files; 3 runs to finish it failed" in str(result.skip_message)
    assert platform.materialise(FEBRUARY, *TRAINED).success
    assert missing_assets(platform) == {}
    assert not any(platform.is_stale(asset, FEBRUARY) for asset in TRAINED if asset not in RELEASED)
    assert not tick(platform).run_requests
    assert list(superseded_versions(platform.settings, platform.warehouse)) == [1]
    numbers = [each.version for each in model_versions.versions(platform.settings)]
    assert numbers == [2, 1]

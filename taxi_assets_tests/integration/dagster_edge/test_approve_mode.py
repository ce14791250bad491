"""Approve mode in Dagster: the first version waits, a job approves it, and the sensor releases it."""

from dataclasses import replace
from typing import Any

import dagster as dg
import pytest
from challenger_models import OracleModel, register
from platform_harness import FEBRUARY, JANUARY, MARCH, PlatformHarness
from test_unfinished_months import RELEASED, missing_assets, selected, tick

from taxi_assets.cli.status_report import status_summary
from taxi_assets.definitions import build
from taxi_assets.ingestion import file_stability
from taxi_assets.registry import model_versions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def _no_wait_between_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_stability, "WAIT_UNTIL_STABLE", file_stability.ScanPolicy(seconds_between=0))


def decide(platform: PlatformHarness, **config: Any) -> dg.ExecuteInProcessResult:
    """Runs the job by which a person decides."""
    return platform.definitions.resolve_job_def("decide_waiting_version").execute_in_process(
        instance=platform.instance,
        run_config={
            "ops": {"decide_by_person": {"config": config}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )


def champion(platform: PlatformHarness) -> int | None:
    found = model_versions.champion(platform.settings)
    return found.version if found else None


def test_the_first_version_waits_and_is_released_after_its_approval(empty_platform: PlatformHarness) -> None:
    settings = empty_platform.settings.model_copy(update={"promotion": "approve"})
    platform = replace(empty_platform, settings=settings, definitions=build(settings))
    platform.run("ingest_months", [JANUARY, FEBRUARY])
    run = platform.run("train_month", [MARCH])
    assert run.status == dg.DagsterRunStatus.SUCCESS
    shown = platform.metadata(run, "champion_model")
    assert (shown["decision"].value, shown["champion"].value) == ("waiting for approval", "none")
    assert "`taxi approve 1 --by NAME --why TEXT`" in str(shown["what_next"].value)
    check = platform.checks(run, "champion_model")["there_is_a_champion"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    made = {event.asset_key for event in platform.events(run, dg.DagsterEventType.ASSET_MATERIALIZATION)}
    assert not {dg.AssetKey(asset) for asset in RELEASED} & made
    assert (champion(platform), missing_assets(platform)) == (None, {})
    assert not tick(platform).run_requests
    (waiting,) = status_summary(settings)["waiting"]
    assert (waiting["version"], waiting["month"], waiting["champion_version"]) == (1, "2023-03", None)

    done = decide(platform, version=1, decision="approved", by="ann", why="The first of all.")
    assert done.success
    assert (champion(platform), missing_assets(platform)) == (1, {"2023-03": RELEASED})
    with platform.warehouse.reading() as connection:
        ((run_id,),) = connection.execute("SELECT run_id FROM approvals").fetchall()
    assert run_id == done.run_id
    (request,) = tick(platform).run_requests
    assert selected(request) == RELEASED
    assert platform.materialise(MARCH, *RELEASED).success
    assert missing_assets(platform) == {}


def test_a_better_challenger_of_one_run_waits(platform: PlatformHarness) -> None:
    before = champion(platform)
    weak = platform.train(MARCH, max_iter=1, learning_rate=0.01)
    model_versions.promote(platform.settings, weak.version, "To be beaten.")
    good = register(platform, MARCH, "better, and waits", OracleModel())
    result = platform.definitions.resolve_job_def("train_month").execute_in_process(
        asset_selection=[dg.AssetKey(asset) for asset in ("model_evaluation", "champion_model")],
        partition_key=str(MARCH),
        instance=platform.instance,
        run_config={
            "resources": {"settings": {"config": {"promotion": "approve"}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
    )
    assert result.success
    assert champion(platform) == weak.version != before
    refused = decide(platform, version=weak.version, decision="approved", by="ann", why="A mistake.")
    assert not refused.success
    assert decide(platform, version=good.version, decision="rejected", by="ann", why="Not now.").success
    assert platform.materialise(MARCH, "champion_model").success  # the rejection stands on the same evidence
    assert champion(platform) == weak.version

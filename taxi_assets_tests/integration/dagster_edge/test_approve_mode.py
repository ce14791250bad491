"""Approve mode in Dagster: the first version waits, a job approves it, and the sensor releases it."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from challenger_models import OracleModel, register
from platform_harness import FEBRUARY, JANUARY, MARCH, PlatformHarness
from test_unfinished_months import RELEASED, missing_assets, selected, tick

from taxi_assets.cli.audit_command import print_audit
from taxi_assets.cli.status_report import status_summary
from taxi_assets.definitions import build
from taxi_assets.defs.check_results import check_result_reader
from taxi_assets.ingestion import file_stability
from taxi_assets.monitoring.audit import audit
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
    check_audit(platform)


def check_audit(platform: PlatformHarness) -> None:
    """The audit of now and of earlier times: version 1, approved by ann."""
    settings, checks = platform.settings, check_result_reader(platform.instance)
    facts = audit(settings, platform.warehouse, checks)
    champion, evidence, approval = facts["champion"], facts["evidence"], facts["approval"]
    assert (champion["model_version"], champion["change"], champion["decided_by"]) == (1, "approved", "ann")
    assert (evidence["month"], evidence["state"]) == (MARCH.first_day, "approved")
    assert (approval["why"], approval["decided_at"]) == ("The first of all.", champion["changed_at"])
    assert [(month["month"], len(month["sha256"])) for month in facts["training"]["months"]] == [
        (str(month), 64) for month in (JANUARY, FEBRUARY, MARCH)
    ]
    assert all(month["checks"]["raw_trips"]["failed"] == [] for month in facts["training"]["months"])
    assert facts["routing"]["champion"] == facts["registry_champion"] == 1
    assert facts["disagreements"] == []
    assert facts["evidence_pack"] == str(settings.evidence / "2023-03-v1")
    json.dumps(facts, default=str)
    print_audit(facts)
    before = audit(settings, platform.warehouse, checks, champion["changed_at"] - timedelta(seconds=1))
    assert (before["champion"], before["until"], before["routing"]) == (None, champion["changed_at"], None)
    with platform.warehouse.publishing("as of an older release, and a promotion without an alias") as connection:
        connection.execute("DELETE FROM champion_changes")
        connection.execute("UPDATE promotions SET state = NULL")
    older = audit(settings, platform.warehouse, checks)
    assert (older["champion"]["model_version"], older["champion"]["change"]) == (1, "promoted")


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

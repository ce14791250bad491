"""`retraining` decides whether a month trains; the sensor goes on from a failed step."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from platform_harness import APRIL, FEBRUARY, JANUARY, MARCH, PlatformHarness, first_run_of
from test_unfinished_months import DECIDED, NEW, RELEASED, SCORED, TRAINED, missing_assets, selected, tick

from taxi_assets.definitions import build
from taxi_assets.evaluation import record_evaluation
from taxi_assets.ingestion import file_stability
from taxi_assets.monitoring import record_retraining
from taxi_assets.months import Month
from taxi_assets.promotion import champion as promotion
from taxi_assets.registry import model_versions
from taxi_assets.serving.packaging import bento_build
from taxi_assets.settings import RetrainingMode
from taxi_assets.synthetic import parse_shift
from taxi_assets.training import train

MAY, AUGUST, DECEMBER = (Month(2023, number) for number in (5, 8, 12))
# The functions that fail, by the assets that the month then lacks.
STEPS = (
    (record_retraining, "_add", NEW[1:]),
    (train, "fit", TRAINED),
    (record_evaluation, "record_evaluation", SCORED),
    (promotion, "record_decision", DECIDED),
)


@pytest.fixture(autouse=True)
def _no_wait_between_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_stability, "WAIT_UNTIL_STABLE", file_stability.ScanPolicy(seconds_between=0))


def in_mode(platform: PlatformHarness, mode: RetrainingMode) -> PlatformHarness:
    settings = platform.settings.model_copy(update={"retrain": mode})
    return replace(platform, settings=settings, definitions=build(settings))


@pytest.fixture
def drifting(empty_platform: PlatformHarness) -> PlatformHarness:
    """March trained its model, the first; in May it is two months old."""
    platform = in_mode(empty_platform, "drift")
    platform.run("ingest_months", [JANUARY, FEBRUARY])
    platform.run("train_month", [MARCH])
    return platform


def plant_verdicts(platform: PlatformHarness, verdicts: dict[Month, str]) -> None:
    with platform.warehouse.publishing("drift of months without trips") as connection:
        for month, verdict in verdicts.items():
            values = {"month": month.first_day, "verdict": verdict}
            connection.execute("INSERT INTO drift_verdicts BY NAME SELECT $month AS month, $verdict AS verdict", values)


@pytest.fixture
def decided(platform: PlatformHarness) -> Iterator[PlatformHarness]:
    """The drift verdicts of months after March, without their trips."""
    plant_verdicts(platform, {MAY: "stable", AUGUST: "retrain"})
    yield platform
    with platform.warehouse.publishing("as before") as connection:
        for table in ("drift_verdicts", "retraining_decisions"):
            connection.execute(f"DELETE FROM {table} WHERE month > ?", [MARCH.first_day])


def decisions(platform: PlatformHarness) -> list[dict[str, Any]]:
    with platform.warehouse.reading() as connection:
        return connection.execute("FROM retraining_decisions ORDER BY decided_at").df().to_dict("records")


def champion(platform: PlatformHarness) -> int:
    found = model_versions.champion(platform.settings)
    assert found
    return found.version


def made(platform: PlatformHarness, run: dg.DagsterRun) -> set[str]:
    events = platform.events(run, dg.DagsterEventType.ASSET_MATERIALIZATION)
    return {event.asset_key.to_user_string() for event in events if event.asset_key}


def fail(*_: object, **__: object) -> None:
    raise RuntimeError("the disk is gone")


def test_the_first_month_trains(platform: PlatformHarness) -> None:
    run = first_run_of(platform, "train_month")
    shown = platform.metadata(run, "retraining")
    assert (shown["decision"].value, shown["mode"].value) == ("trains a model", "monthly")
    assert shown["reason"].value == "no earlier month has a model"


def decide(platform: PlatformHarness, month: Month, mode: RetrainingMode, *assets: str, **config: Any) -> dg.DagsterRun:
    result = in_mode(platform, mode).materialise(month, "retraining", *assets, retraining=config)
    assert result.success
    return platform.find(result.run_id)


def test_a_month_that_does_not_train_is_skipped_and_its_run_succeeds(decided: PlatformHarness) -> None:
    before = champion(decided)
    run = decide(decided, MAY, "drift", *TRAINED)
    assert made(decided, run) == {"retraining"}
    skipped = {event.step_key for event in decided.events(run, dg.DagsterEventType.STEP_SKIPPED)}
    assert {*TRAINED} <= skipped
    shown = decided.metadata(run, "retraining", MAY)
    assert (shown["decision"].value, shown["reason"].value) == ("trains no model", "it is stable")
    assert (shown["drift_verdict"].value, shown["last_training"].value) == ("stable", "2023-03")
    assert champion(decided) == before
    assert not decided.has_changed_code("retraining", MAY)


@pytest.mark.slow
def test_another_mode_and_a_person_decide_anew(decided: PlatformHarness) -> None:
    reasons = []
    for mode, config in (("never", {}), ("monthly", {}), ("drift", {"retrain": True, "by": "ann", "why": "A test."})):
        run = decide(decided, MAY, mode, **config)
        assert decided.checks(run, "retraining")["no_old_model_stays_untrained"].passed
        reasons.append(decided.metadata(run, "retraining")["reason"].value)
    assert reasons == ["the policy trains never", "the policy trains monthly", "ann asks for it: A test."]
    assert [row["is_retraining"] for row in decisions(decided)[-3:]] == [False, True, True]
    old = decide(decided, DECEMBER, "never")
    assert not decided.checks(old, "retraining")["no_old_model_stays_untrained"].passed


def test_a_month_trains_and_then_stays_trained(decided: PlatformHarness) -> None:
    run = decide(decided, AUGUST, "drift", "duration_model")
    assert made(decided, run) == {"retraining", "duration_model"}
    reason = "the last training is 5 months old"
    assert decided.metadata(run, "retraining")["reason"].value == reason
    again = decide(decided, AUGUST, "never")
    assert decided.metadata(again, "retraining")["reason"].value == reason


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_stable_month_trains_nothing_and_a_shifted_one_trains_after_each_failure(
    drifting: PlatformHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = drifting
    platform.land(MAY, tmp_path)
    (request,) = tick(platform).run_requests
    assert (request.job_name, request.partition_key, selected(request)) == ("train_month", "2023-05", ())
    run = platform.run("train_month", [MAY])
    assert not set(TRAINED) & made(platform, run)
    shown = platform.metadata(run, "retraining")
    assert (shown["decision"].value, shown["reason"].value) == ("trains no model", "it is stable")
    assert platform.checks(run, "retraining")["no_old_model_stays_untrained"].passed
    assert (champion(platform), missing_assets(platform)) == (1, {})
    assert not tick(platform).run_requests

    # The champion is packaged although the month does not train.
    (platform.settings.bentoml_home / "bentos" / "taxi_duration" / "latest").unlink()
    assert bento_build.latest(platform.settings) is None
    (request,) = tick(platform).run_requests
    assert (request.partition_key, selected(request)) == (None, RELEASED)
    assert platform.materialise(MAY, *RELEASED).success

    plant_verdicts(platform, {APRIL: "retrain"})  # a drift trains once the month before has it
    platform.land(MAY, tmp_path, parse_shift("slower_city=2"))
    assert tick(platform).run_requests
    assert platform.materialise(MAY, "raw_trips", "drift_report").success
    for module, name, lacking in STEPS:
        expected = missing_assets(platform)["2023-05"]
        with monkeypatch.context() as patch:
            patch.setattr(module, name, fail)
            assert not platform.materialise(MAY, *expected).success
        assert champion(platform) == 1
        (request,) = tick(platform).run_requests
        assert (request.partition_key, selected(request)) == ("2023-05", lacking)
    assert platform.materialise(MAY, *DECIDED).success
    assert missing_assets(platform) == {}
    assert not tick(platform).run_requests
    stable, shifted = decisions(platform)[1:]
    assert (stable["is_retraining"], stable["verdict"], stable["trainings"]) == (False, "stable", 1)
    assert (shifted["is_retraining"], shifted["verdict"], shifted["model_version"]) == (True, "retrain", 1)
    assert shifted["error_growth"] > 0.02
    assert shifted["reason"].startswith("the month and the one before drifted, and the champion's error has grown")

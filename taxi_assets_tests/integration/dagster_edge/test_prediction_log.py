"""The assets of the prediction log: their metadata, checks and sensor."""

import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from platform_harness import PlatformHarness
from sample_predictions import prediction

from taxi_assets.defs.serving import prediction_log as defs_of_log
from taxi_assets.defs.serving.prediction_log import prediction_log_sensor
from taxi_assets.serving.prediction_log import segments
from taxi_assets.serving.prediction_log.log_writer import LogWriter


def ingest(platform: PlatformHarness) -> dg.DagsterRun:
    """Run the job as the sensor does."""
    job = platform.definitions.resolve_job_def("ingest_predictions")
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    result = job.execute_in_process(instance=platform.instance, run_config=quiet, raise_on_error=False)
    return platform.find(result.run_id)


def tick(platform: PlatformHarness) -> Any:
    resources = {"warehouse": platform.warehouse}
    with dg.build_sensor_context(platform.instance, resources=resources) as context:
        return prediction_log_sensor(context)


def test_predictions_are_ingested_when_a_sealed_segment_waits(empty_platform: PlatformHarness) -> None:
    log = empty_platform.settings.prediction_log
    assert isinstance(tick(empty_platform), dg.SkipReason)
    assert not empty_platform.settings.home.joinpath("synthetic", "warehouse").exists()
    writer = LogWriter(log)
    for number in range(3):
        writer.append(prediction(number, model_version=1 + number % 2))
    assert isinstance(tick(empty_platform), dg.SkipReason)
    writer.close()
    assert isinstance(tick(empty_platform), dg.RunRequest)
    run = ingest(empty_platform)
    assert run.is_success
    metadata: Any = empty_platform.metadata(run, "prediction_log")
    shown = {name: each.value for name, each in metadata.items() if name != "by_variant"}
    assert (shown["records"], shown["segments"], shown["torn_lines"]) == (3, 1, 0)
    assert shown["first_record_at"] == "2024-05-06 12:00:00 UTC"
    assert [record.data["records"] for record in metadata["by_variant"].records] == [2, 1]
    days = empty_platform.metadata(run, "daily_serving_summary")
    assert days["summarised_days"].value == "2024-05-06"
    for asset in ("prediction_log", "daily_serving_summary"):
        results = empty_platform.checks(run, asset)
        assert results
        assert all(each.passed for each in results.values())
    assert isinstance(tick(empty_platform), dg.SkipReason)
    assert ingest(empty_platform).is_success  # with nothing to do


def test_a_run_in_progress_or_just_failed_is_not_requested_again(
    empty_platform: PlatformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = LogWriter(empty_platform.settings.prediction_log)
    writer.append(prediction())
    writer.close()
    job, instance = empty_platform.definitions.resolve_job_def("ingest_predictions"), empty_platform.instance
    run = instance.create_run_for_job(job)
    assert "in progress" in tick(empty_platform).skip_message
    instance.report_run_failed(run)
    assert "failed" in tick(empty_platform).skip_message
    monkeypatch.setattr(defs_of_log, "_RETRY_SECONDS", 0)
    assert isinstance(tick(empty_platform), dg.RunRequest)


@pytest.mark.slow
def test_torn_and_overdue_segments_are_warnings(empty_platform: PlatformHarness) -> None:
    log = empty_platform.settings.prediction_log
    _, descriptor = segments.create_segment(log)
    os.write(descriptor, b"{")
    os.close(descriptor)
    writer = LogWriter(log)
    writer.append(prediction())
    leave_since_1970(log)
    run = ingest(empty_platform)
    assert run.is_success
    results = empty_platform.checks(run, "prediction_log")
    assert {name for name, each in results.items() if not each.passed} == {
        "log_lines_are_whole",
        "segments_are_sealed_in_time",
    }
    writer.close()


def leave_since_1970(log: Path) -> None:
    """Rename the open segment, so that its writer should have sealed it long ago."""
    newest = max(log.glob(f"*{segments.OPEN}"))
    newest.rename(log / f"{1_000_000:013x}abc{segments.OPEN}")


@pytest.mark.slow
def test_a_prediction_that_is_there_twice_fails_the_run(
    empty_platform: PlatformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = LogWriter(empty_platform.settings.prediction_log)
    writer.append(prediction())
    writer.close()
    assert ingest(empty_platform).is_success
    with empty_platform.warehouse.publishing("a person forgets what is ingested") as connection:
        connection.execute("DELETE FROM logged_segments")
    run = ingest(empty_platform)
    assert not empty_platform.checks(run, "prediction_log")["request_ids_are_unique"].passed
    assert not run.is_success

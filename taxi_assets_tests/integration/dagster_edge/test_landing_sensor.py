"""The landing folder's sensor: the files that start runs, and those that do not."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, EngineEventData
from platform_harness import APRIL, FEBRUARY, JANUARY, MARCH, PlatformHarness
from sample_lake import ZONE_FILES

from taxi_assets import synthetic
from taxi_assets.files import sha256_of
from taxi_assets.ingestion import file_stability
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publish_month import publish_zones
from taxi_assets.ingestion.retry_files import retry
from taxi_assets.ingestion.scan_landing import list_source_files
from taxi_assets.months import Month
from taxi_assets.registry import tracking
from taxi_assets.registry.database import client
from taxi_assets.synthetic import parse_shift
from taxi_assets.tlc.month_file import file_name


@pytest.fixture(autouse=True)
def _no_wait_between_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_stability, "WAIT_UNTIL_STABLE", file_stability.ScanPolicy(seconds_between=0))


def tick(platform: PlatformHarness) -> Any:
    """The sensor's result at the second scan, where an unchanged file counts as complete."""
    scan(platform)
    return scan(platform)


def scan(platform: PlatformHarness) -> Any:
    """The sensor's result."""
    resources = {"settings": platform.settings, "warehouse": platform.warehouse}
    repository = platform.definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=platform.instance, resources=resources, repository_def=repository, sensor_name="landing_sensor"
    ) as context:
        return repository.get_sensor_def("landing_sensor").evaluate_tick(context)


def states(platform: PlatformHarness) -> dict[str, str]:
    return {record.file_name: record.state for record in list_source_files(platform.warehouse)}


def requested(platform: PlatformHarness) -> dict[str, str | None]:
    """The requested job of each month."""
    return {str(request.partition_key): request.job_name for request in tick(platform).run_requests or ()}


@pytest.fixture
def landing(empty_platform: PlatformHarness) -> Path:
    empty_platform.settings.landing.mkdir(parents=True)
    return empty_platform.settings.landing


def put(months_folder: Path, landing: Path, month: Month) -> Path:
    return Path(shutil.copy(months_folder / file_name("green", month), landing))


def test_an_empty_folder_starts_nothing(empty_platform: PlatformHarness, landing: Path) -> None:
    data = tick(empty_platform)
    assert not data.run_requests
    assert str(landing) in str(data.skip_message)


def test_missing_folder_starts_nothing(empty_platform: PlatformHarness) -> None:
    assert not tick(empty_platform).run_requests


def test_first_month_is_ingested_and_not_trained(
    empty_platform: PlatformHarness, months_folder: Path, landing: Path
) -> None:
    put(months_folder, landing, JANUARY)
    assert requested(empty_platform) == {"2023-01": "ingest_months"}


def test_newest_of_several_months_is_trained_after_the_others(
    empty_platform: PlatformHarness, months_folder: Path, landing: Path
) -> None:
    for month in (MARCH, JANUARY, FEBRUARY):
        put(months_folder, landing, month)
    requests = tick(empty_platform).run_requests or ()
    assert [(request.partition_key, request.job_name) for request in requests] == [
        ("2023-01", "ingest_months"),
        ("2023-02", "ingest_months"),
        ("2023-03", "train_month"),
    ]
    priorities = [int(request.tags["dagster/priority"]) for request in requests]
    assert priorities[2] < min(priorities[:2])


@pytest.mark.slow
def test_with_several_runs_at_once_a_training_waits_until_no_month_is_ingested(
    empty_platform: PlatformHarness, months_folder: Path, landing: Path
) -> None:
    settings = empty_platform.settings.model_copy(update={"max_concurrent_runs": 2})
    platform = replace(empty_platform, settings=settings)
    for month in (FEBRUARY, JANUARY):
        put(months_folder, landing, month)
    (request,) = tick(platform).run_requests or ()
    assert (request.partition_key, request.job_name) == ("2023-01", "ingest_months")
    run = platform.instance.create_run_for_job(
        platform.definitions.resolve_job_def("ingest_months"), tags=request.tags, status=dg.DagsterRunStatus.STARTED
    )
    assert requested(platform) == {}
    publish_zones(platform.warehouse, *(months_folder / name for name in ZONE_FILES))
    ingest_month(platform.warehouse, "green", JANUARY)
    assert requested(platform) == {}  # its checks may still run
    platform.instance.report_run_canceled(run)
    assert requested(platform) == {"2023-02": "train_month"}


def test_run_request_is_keyed_by_the_files_checksum(
    empty_platform: PlatformHarness, months_folder: Path, landing: Path
) -> None:
    file = put(months_folder, landing, JANUARY)
    sha256 = sha256_of(file)
    (request,) = tick(empty_platform).run_requests or ()
    assert request.run_key == f"green-2023-01-{sha256}-1.0"
    ours = {
        tag: pid_event for tag, pid_event in request.tags.items() if tag[0] != "." and not tag.startswith("dagster/")
    }
    assert ours == {"taxi/file": file.name}
    assert request.tags["dagster/partition"] == "2023-01"
    (again,) = tick(empty_platform).run_requests or ()
    assert again.run_key == request.run_key


@pytest.mark.slow
def test_republished_file_is_another_request(
    empty_platform: PlatformHarness, months_folder: Path, landing: Path, tmp_path: Path
) -> None:
    put(months_folder, landing, JANUARY)
    (first,) = tick(empty_platform).run_requests or ()
    empty_platform.land(JANUARY, tmp_path, parse_shift("slower_city=1.1"))
    (second,) = tick(empty_platform).run_requests or ()
    assert first.run_key != second.run_key


def test_other_files_start_no_run(empty_platform: PlatformHarness, months_folder: Path, landing: Path) -> None:
    content = (months_folder / file_name("green", JANUARY)).read_bytes()
    strange = ("green_tripdata_2023-13.parquet", "holiday.parquet", "yellow_tripdata_2023-01.parquet")
    unfinished = ("green_tripdata_2023-01.parquet.part", "green_tripdata_2023-02.parquet.crdownload")
    hidden = (".green_tripdata_2023-01.parquet.part", ".green_tripdata_2023-01.parquet", "taxi_zone_lookup.csv")
    for name in (*strange, *unfinished, *hidden):
        (landing / name).write_bytes(content)
    assert requested(empty_platform) == {}
    assert states(empty_platform) == dict.fromkeys(strange, "quarantined") | dict.fromkeys(unfinished, "arriving")
    assert {path.name for path in landing.iterdir()} == {*unfinished, *hidden}


def test_months_of_an_unused_service_wait(empty_platform: PlatformHarness, tmp_path: Path) -> None:
    synthetic.write_month(empty_platform.settings.landing, "yellow", JANUARY, 300, 7)
    assert requested(empty_platform) == {}
    assert states(empty_platform) == {"yellow_tripdata_2023-01.parquet": "waiting"}


def test_file_is_not_taken_by_the_first_scan(
    empty_platform: PlatformHarness, months_folder: Path, landing: Path
) -> None:
    put(months_folder, landing, JANUARY)
    data = scan(empty_platform)
    assert not data.run_requests
    assert "it may be incomplete" in str(data.skip_message)
    assert list(landing.iterdir())
    assert scan(empty_platform).run_requests


def test_broken_file_blocks_no_other(empty_platform: PlatformHarness, months_folder: Path, landing: Path) -> None:
    put(months_folder, landing, JANUARY)
    (landing / file_name("green", FEBRUARY)).write_bytes(b"PAR1 and nothing more")
    assert requested(empty_platform) == {"2023-01": "ingest_months"}


def test_broken_file_is_reported_then_quarantined(empty_platform: PlatformHarness, landing: Path) -> None:
    (landing / file_name("green", FEBRUARY)).write_bytes(b"")
    data = tick(empty_platform)
    assert not data.run_requests
    assert "its end is missing" in str(data.skip_message)
    scan(empty_platform)
    assert states(empty_platform) == {file_name("green", FEBRUARY): "quarantined"}


def test_published_month_starts_nothing_and_a_new_month_is_trained(
    platform: PlatformHarness, months_folder: Path, tmp_path: Path
) -> None:
    assert requested(platform) == {}
    put(months_folder, platform.settings.landing, APRIL)
    try:
        assert requested(platform) == {"2023-04": "train_month"}
    finally:
        delete_month(platform, APRIL)


def delete_month(platform: PlatformHarness, month: Month) -> None:
    """Deletes the month, since other tests need one that was never ingested."""
    with platform.warehouse.publishing("as before") as connection:
        connection.execute("DELETE FROM source_files WHERE month = ?", [month.first_day])
    shutil.rmtree(platform.settings.file_store / "green" / str(month))


# Runs that fail


def report_run(platform: PlatformHarness, request: dg.RunRequest, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """Adds the run that the daemon makes from the request, with this status."""
    job = platform.definitions.resolve_job_def(str(request.job_name))
    tags = {**request.tags, "dagster/partition": str(request.partition_key), "dagster/run_key": str(request.run_key)}
    run = platform.instance.create_run_for_job(job_def=job, tags=tags, status=status)
    return platform.find(run.run_id)


@pytest.mark.slow
def test_queued_or_active_run_is_not_requested_again(
    empty_platform: PlatformHarness, months_folder: Path, landing: Path
) -> None:
    put(months_folder, landing, JANUARY)
    (request,) = tick(empty_platform).run_requests
    report_run(empty_platform, request, dg.DagsterRunStatus.STARTED)
    assert requested(empty_platform) == {}


@pytest.mark.slow
def test_file_with_failing_runs_is_retried_three_times_and_blocks_no_other(
    empty_platform: PlatformHarness, months_folder: Path, landing: Path
) -> None:
    put(months_folder, landing, JANUARY)
    keys = []
    for _ in range(3):
        (request,) = tick(empty_platform).run_requests
        keys.append(request.run_key.rpartition("-")[2])
        report_run(empty_platform, request, dg.DagsterRunStatus.FAILURE)
    assert keys == ["1.0", "1.1", "1.2"]
    data = tick(empty_platform)
    assert not data.run_requests
    assert "3 runs failed" in str(data.skip_message)
    put(months_folder, landing, FEBRUARY)
    assert list(requested(empty_platform)) == ["2023-02"]
    again = retry(empty_platform.warehouse, file_name("green", JANUARY))
    assert again.request == 3
    assert list(requested(empty_platform)) == ["2023-01", "2023-02"]


@pytest.mark.slow
def test_a_run_whose_worker_died_is_closed_in_dagster_and_mlflow(empty_platform: PlatformHarness) -> None:
    job = empty_platform.definitions.resolve_job_def("train_month")
    run = empty_platform.instance.create_run_for_job(job_def=job, status=dg.DagsterRunStatus.STARTED)
    with subprocess.Popen(["true"]) as worker:
        pid_event = EngineEventData.in_process(worker.pid)
    event = DagsterEvent(
        "ENGINE_EVENT", "train_month", event_specific_data=pid_event, message="Started process for run"
    )
    empty_platform.instance.report_dagster_event(event, run.run_id)
    mlflow_run_id = tracking.open_run(empty_platform.settings, run.run_id, "train_month", {})
    scan(empty_platform)
    assert empty_platform.find(run.run_id).status == dg.DagsterRunStatus.FAILURE
    assert client(empty_platform.settings).get_run(mlflow_run_id).info.status == "FAILED"


# The list of files in the UI


def test_the_list_of_files_is_shown_when_it_changes(
    empty_platform: PlatformHarness, months_folder: Path, landing: Path
) -> None:
    (landing / "holiday.parquet").write_bytes(b"no trips")
    (event,) = tick(empty_platform).asset_events
    assert (event.check_name, event.passed) == ("no_file_is_in_quarantine", False)
    (row,) = [record.data for record in event.metadata["source_files"].records]
    assert (row["file"], row["state"]) == ("holiday.parquet", "quarantined")
    assert "not named as TLC names a month" in row["reasons"]

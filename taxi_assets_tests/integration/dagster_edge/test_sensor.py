"""The landing folder's sensor: what a new file starts, and what starts nothing."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, EngineEventData
from town import APRIL, FEBRUARY, JANUARY, MARCH, Town

from taxi_assets import synthetic
from taxi_assets.ingestion import file_stability
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.retry_files import retry
from taxi_assets.ingestion.scan_landing import records_of
from taxi_assets.months import Month
from taxi_assets.registry import tracking
from taxi_assets.registry.database import client
from taxi_assets.synthetic import parse_shift
from taxi_assets.tlc.file_transfer import sha256_of
from taxi_assets.tlc.month_file import file_name


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_stability, "PATIENT", file_stability.Pace(seconds_between=0))


def tick(town: Town) -> Any:
    """What the sensor answers at the second look, at which a file that did not change is whole."""
    look(town)
    return look(town)


def look(town: Town) -> Any:
    """What the sensor answers."""
    resources = {"settings": town.settings, "warehouse": town.warehouse}
    repository = town.definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=town.instance, resources=resources, repository_def=repository, sensor_name="landing_sensor"
    ) as context:
        return repository.get_sensor_def("landing_sensor").evaluate_tick(context)


def states(town: Town) -> dict[str, str]:
    return {record.file_name: record.state for record in records_of(town.warehouse)}


def requested(town: Town) -> dict[str, str | None]:
    """The job asked for, by month."""
    return {str(request.partition_key): request.job_name for request in tick(town).run_requests or ()}


@pytest.fixture
def landing(empty_town: Town) -> Path:
    empty_town.settings.landing.mkdir(parents=True)
    return empty_town.settings.landing


def put(months_folder: Path, landing: Path, month: Month) -> Path:
    return Path(shutil.copy(months_folder / file_name("green", month), landing))


def test_an_empty_folder_starts_nothing(empty_town: Town, landing: Path) -> None:
    data = tick(empty_town)
    assert not data.run_requests
    assert str(landing) in str(data.skip_message)


def test_a_folder_that_is_not_there_starts_nothing(empty_town: Town) -> None:
    assert not tick(empty_town).run_requests


def test_the_first_month_is_taken_in_but_not_trained_for(empty_town: Town, months_folder: Path, landing: Path) -> None:
    put(months_folder, landing, JANUARY)
    assert requested(empty_town) == {"2023-01": "ingest_months"}


def test_the_newest_of_several_is_trained_for_after_the_others(
    empty_town: Town, months_folder: Path, landing: Path
) -> None:
    for month in (MARCH, JANUARY, FEBRUARY):
        put(months_folder, landing, month)
    requests = tick(empty_town).run_requests or ()
    assert [(request.partition_key, request.job_name) for request in requests] == [
        ("2023-01", "ingest_months"),
        ("2023-02", "ingest_months"),
        ("2023-03", "month"),
    ]
    priorities = [int(request.tags["dagster/priority"]) for request in requests]
    assert priorities[2] < min(priorities[:2])


def test_a_request_is_known_by_the_bytes_of_its_file(empty_town: Town, months_folder: Path, landing: Path) -> None:
    file = put(months_folder, landing, JANUARY)
    sha256 = sha256_of(file)
    (request,) = tick(empty_town).run_requests or ()
    assert request.run_key == f"green-2023-01-{sha256}-1.0"
    ours = {tag: told for tag, told in request.tags.items() if tag[0] != "." and not tag.startswith("dagster/")}
    assert ours == {"taxi/file": file.name}
    assert request.tags["dagster/partition"] == "2023-01"
    (again,) = tick(empty_town).run_requests or ()
    assert again.run_key == request.run_key


def test_republished_bytes_are_another_request(
    empty_town: Town, months_folder: Path, landing: Path, tmp_path: Path
) -> None:
    put(months_folder, landing, JANUARY)
    (first,) = tick(empty_town).run_requests or ()
    empty_town.land(JANUARY, tmp_path, parse_shift("slower_city=1.1"))
    (second,) = tick(empty_town).run_requests or ()
    assert first.run_key != second.run_key


def test_other_files_start_nothing(empty_town: Town, months_folder: Path, landing: Path) -> None:
    content = (months_folder / file_name("green", JANUARY)).read_bytes()
    strange = ("green_tripdata_2023-13.parquet", "holiday.parquet", "yellow_tripdata_2023-01.parquet")
    unfinished = ("green_tripdata_2023-01.parquet.part", "green_tripdata_2023-02.parquet.crdownload")
    hidden = (".green_tripdata_2023-01.parquet.part", ".green_tripdata_2023-01.parquet", "taxi_zone_lookup.csv")
    for name in (*strange, *unfinished, *hidden):
        (landing / name).write_bytes(content)
    assert requested(empty_town) == {}
    assert states(empty_town) == dict.fromkeys(strange, "quarantined") | dict.fromkeys(unfinished, "arriving")
    assert {path.name for path in landing.iterdir()} == {*unfinished, *hidden}


def test_months_of_a_service_that_is_not_in_use_wait(empty_town: Town, tmp_path: Path) -> None:
    synthetic.write_month(empty_town.settings.landing, "yellow", JANUARY, 300, 7)
    assert requested(empty_town) == {}
    assert states(empty_town) == {"yellow_tripdata_2023-01.parquet": "waiting"}


def test_a_file_is_not_taken_at_the_first_look(empty_town: Town, months_folder: Path, landing: Path) -> None:
    put(months_folder, landing, JANUARY)
    data = look(empty_town)
    assert not data.run_requests
    assert "it may still be being written" in str(data.skip_message)
    assert list(landing.iterdir())
    assert look(empty_town).run_requests


def test_a_broken_file_stops_no_other(empty_town: Town, months_folder: Path, landing: Path) -> None:
    put(months_folder, landing, JANUARY)
    (landing / file_name("green", FEBRUARY)).write_bytes(b"PAR1 and nothing more")
    assert requested(empty_town) == {"2023-01": "ingest_months"}


def test_a_file_that_stays_broken_is_named_then_put_aside(empty_town: Town, landing: Path) -> None:
    (landing / file_name("green", FEBRUARY)).write_bytes(b"")
    data = tick(empty_town)
    assert not data.run_requests
    assert "its end is missing" in str(data.skip_message)
    look(empty_town)
    assert states(empty_town) == {file_name("green", FEBRUARY): "quarantined"}


def test_what_is_published_starts_nothing_and_a_new_month_trains(
    town: Town, months_folder: Path, tmp_path: Path
) -> None:
    assert requested(town) == {}
    put(months_folder, town.settings.landing, APRIL)
    try:
        assert requested(town) == {"2023-04": "month"}
    finally:
        forget(town, APRIL)


def forget(town: Town, month: Month) -> None:
    """It never arrived: other tests take it for a month nobody has."""
    with town.warehouse.publishing("as before") as connection:
        connection.execute("DELETE FROM arrivals WHERE month = ?", [month.first_day])
    shutil.rmtree(town.settings.arrived / "green" / str(month))


# Runs that fail


def report_run(town: Town, request: dg.RunRequest, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """A run as the daemon makes it of the request, that came to this end."""
    job = town.definitions.resolve_job_def(str(request.job_name))
    tags = {**request.tags, "dagster/partition": str(request.partition_key), "dagster/run_key": str(request.run_key)}
    run = town.instance.create_run_for_job(job_def=job, tags=tags, status=status)
    return town.find(run.run_id)


@pytest.mark.slow
def test_a_run_that_waits_or_goes_on_is_not_asked_for_again(
    empty_town: Town, months_folder: Path, landing: Path
) -> None:
    put(months_folder, landing, JANUARY)
    (request,) = tick(empty_town).run_requests
    report_run(empty_town, request, dg.DagsterRunStatus.STARTED)
    assert requested(empty_town) == {}


@pytest.mark.slow
def test_a_file_whose_runs_fail_is_tried_three_times_and_keeps_no_other(
    empty_town: Town, months_folder: Path, landing: Path
) -> None:
    put(months_folder, landing, JANUARY)
    keys = []
    for _ in range(3):
        (request,) = tick(empty_town).run_requests
        keys.append(request.run_key.rpartition("-")[2])
        report_run(empty_town, request, dg.DagsterRunStatus.FAILURE)
    assert keys == ["1.0", "1.1", "1.2"]
    data = tick(empty_town)
    assert not data.run_requests
    assert "3 runs failed" in str(data.skip_message)
    put(months_folder, landing, FEBRUARY)
    assert list(requested(empty_town)) == ["2023-02"]
    again = retry(empty_town.warehouse, file_name("green", JANUARY))
    assert again.request == 3
    assert list(requested(empty_town)) == ["2023-01", "2023-02"]


@pytest.mark.slow
def test_a_month_without_its_features_is_finished(empty_town: Town, months_folder: Path, landing: Path) -> None:
    put(months_folder, landing, JANUARY)
    tick(empty_town)
    ingest_month(empty_town.warehouse, "green", JANUARY, None)
    assert requested(empty_town) == {"2023-01": "ingest_months"}
    empty_town.run("ingest_months", [JANUARY])
    assert requested(empty_town) == {}


def test_a_run_whose_worker_died_is_closed_in_dagster_and_mlflow(empty_town: Town) -> None:
    job = empty_town.definitions.resolve_job_def("month")
    run = empty_town.instance.create_run_for_job(job_def=job, status=dg.DagsterRunStatus.STARTED)
    with subprocess.Popen(["true"]) as worker:
        told = EngineEventData.in_process(worker.pid)
    event = DagsterEvent("ENGINE_EVENT", "month", event_specific_data=told, message="Started process for run")
    empty_town.instance.report_dagster_event(event, run.run_id)
    mlflow_run_id = tracking.open_run(empty_town.settings, run.run_id, "month", {})
    look(empty_town)
    assert empty_town.find(run.run_id).status == dg.DagsterRunStatus.FAILURE
    assert client(empty_town.settings).get_run(mlflow_run_id).info.status == "FAILED"


# What the UI shows without a run


def test_the_list_of_files_is_shown_when_it_changes(empty_town: Town, months_folder: Path, landing: Path) -> None:
    (landing / "holiday.parquet").write_bytes(b"no trips")
    (event,) = tick(empty_town).asset_events
    assert (event.check_name, event.passed) == ("no_file_is_in_quarantine", False)
    (row,) = [record.data for record in event.metadata["arrivals"].records]
    assert (row["file"], row["state"]) == ("holiday.parquet", "quarantined")
    assert "not named as TLC names a month" in row["reasons"]

"""The landing folder's sensor: what a new file starts, and what starts nothing."""

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from town import APRIL, FEBRUARY, JANUARY, MARCH, Town

from taxi_assets.months import Month
from taxi_assets.sources.landing import sha256_of
from taxi_assets.sources.tlc import file_name
from taxi_assets.synthetic import parse_shift


def tick(town: Town) -> Any:
    """What the sensor answers."""
    resources = {"settings": town.settings, "warehouse": town.warehouse}
    repository = town.definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=town.instance, resources=resources, repository_def=repository, sensor_name="landing_sensor"
    ) as context:
        return repository.get_sensor_def("landing_sensor").evaluate_tick(context)


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
    (request,) = tick(empty_town).run_requests or ()
    assert request.run_key == f"green-2023-01-{sha256_of(file)}"
    assert request.tags["taxi/file"] == file.name
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
    for name in (
        "green_tripdata_2023-01.parquet.part",
        ".green_tripdata_2023-01.parquet.part",
        ".green_tripdata_2023-01.parquet",
        "green_tripdata_2023-13.parquet",
        "yellow_tripdata_2023-01.parquet",
        "holiday.parquet",
        "taxi_zone_lookup.csv",
    ):
        (landing / name).write_bytes(content)
    assert requested(empty_town) == {}


def test_a_broken_file_stops_no_other(empty_town: Town, months_folder: Path, landing: Path) -> None:
    put(months_folder, landing, JANUARY)
    (landing / file_name("green", FEBRUARY)).write_bytes(b"PAR1 and nothing more")
    assert requested(empty_town) == {"2023-01": "ingest_months"}


def test_a_broken_file_alone_is_named(empty_town: Town, landing: Path) -> None:
    (landing / file_name("green", FEBRUARY)).write_bytes(b"")
    data = tick(empty_town)
    assert not data.run_requests
    assert "green_tripdata_2023-02.parquet is not a whole parquet file" in str(data.skip_message)


def test_what_is_published_starts_nothing_and_a_new_month_trains(town: Town, months_folder: Path) -> None:
    assert requested(town) == {}
    file = put(months_folder, town.settings.landing, APRIL)
    try:
        assert requested(town) == {"2023-04": "month"}
    finally:
        file.unlink()

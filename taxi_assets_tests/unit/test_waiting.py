"""What waits in the landing folder, and whether it can be trained on."""

from pathlib import Path

import pytest

from taxi_assets import synthetic
from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.sources import waiting
from taxi_assets.sources.arrivals import inspect_file
from taxi_assets.sources.tlc import file_name

JANUARY, FEBRUARY = Month(2023, 1), Month(2023, 2)


@pytest.fixture
def landing(settings: Settings) -> Path:
    for month in (FEBRUARY, JANUARY):
        synthetic.write_month(settings.landing, "green", month, 50, 1)
    return settings.landing


def hold(warehouse: Warehouse, file: Path) -> None:
    arrival = inspect_file(file)
    with warehouse.publishing("held") as connection:
        connection.execute(
            "INSERT INTO arrivals BY NAME SELECT 'green' AS service, $month AS month, $sha256 AS sha256",
            {"month": arrival.month.first_day, "sha256": arrival.sha256},
        )
        connection.execute(
            "INSERT INTO trip_features BY NAME SELECT 'green' AS service, $month AS month",
            {"month": arrival.month.first_day},
        )


def test_new_files_wait_oldest_month_first(settings: Settings, warehouse: Warehouse, landing: Path) -> None:
    found = waiting.unpublished(settings, warehouse)
    assert [arrival.month for arrival in found.arrivals] == [JANUARY, FEBRUARY]
    assert found.broken == ()


def test_what_is_published_does_not_wait(settings: Settings, warehouse: Warehouse, landing: Path) -> None:
    hold(warehouse, landing / file_name("green", JANUARY))
    assert [arrival.month for arrival in waiting.unpublished(settings, warehouse).arrivals] == [FEBRUARY]


def test_other_bytes_of_a_published_month_wait(settings: Settings, warehouse: Warehouse, landing: Path) -> None:
    hold(warehouse, landing / file_name("green", JANUARY))
    synthetic.write_month(landing, "green", JANUARY, 51, 1)
    assert len(waiting.unpublished(settings, warehouse).arrivals) == 2


def test_a_broken_file_is_told_of_and_keeps_no_other_waiting(
    settings: Settings, warehouse: Warehouse, landing: Path
) -> None:
    broken = landing / file_name("green", JANUARY)
    broken.write_bytes(broken.read_bytes()[:-10])
    found = waiting.unpublished(settings, warehouse)
    assert [arrival.month for arrival in found.arrivals] == [FEBRUARY]
    (sentence,) = found.broken
    assert sentence.startswith(f"{broken} is not a whole parquet file")


def test_files_of_other_services_and_names_do_not_wait(settings: Settings, warehouse: Warehouse, landing: Path) -> None:
    content = (landing / file_name("green", JANUARY)).read_bytes()
    for name in ("yellow_tripdata_2023-01.parquet", ".green_tripdata_2023-03.parquet", "trips.parquet"):
        (landing / name).write_bytes(content)
    assert len(waiting.unpublished(settings, warehouse).arrivals) == 2


def test_one_month_alone_cannot_be_trained_on(settings: Settings, warehouse: Warehouse, landing: Path) -> None:
    only = inspect_file(landing / file_name("green", FEBRUARY))
    assert waiting.can_train(settings, warehouse, []) is None
    assert waiting.can_train(settings, warehouse, [only]) is None


def test_the_newest_is_trained_for_once_an_earlier_one_comes_with_it(
    settings: Settings, warehouse: Warehouse, landing: Path
) -> None:
    arrivals = waiting.unpublished(settings, warehouse).arrivals
    assert waiting.can_train(settings, warehouse, arrivals) == arrivals[-1]


def test_the_newest_is_trained_for_where_an_earlier_one_is_held(
    settings: Settings, warehouse: Warehouse, landing: Path
) -> None:
    hold(warehouse, landing / file_name("green", JANUARY))
    newest = inspect_file(landing / file_name("green", FEBRUARY))
    assert waiting.can_train(settings, warehouse, [newest]) == newest


def test_a_month_before_all_that_are_held_is_not_trained_for(
    settings: Settings, warehouse: Warehouse, landing: Path
) -> None:
    hold(warehouse, landing / file_name("green", FEBRUARY))
    late = inspect_file(landing / file_name("green", JANUARY))
    assert waiting.can_train(settings, warehouse, [late]) is None

"""Whatever is wrong with one file, or one step of the landing sensor: other files are requested, the fault is told."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from town import FEBRUARY, JANUARY, Town, settings_in

from taxi_assets import synthetic
from taxi_assets.definitions import build
from taxi_assets.defs import sensors
from taxi_assets.defs.instance import open_instance
from taxi_assets.ingestion import file_paths, file_stability, file_state, landing_listing, pending, scan_landing
from taxi_assets.ingestion.scan_landing import records_of
from taxi_assets.ingestion.source_files import Record, put_records, utc_now
from taxi_assets.months import Month, newest_month

POISON = "green_tripdata_2023-01.parquet"


@pytest.fixture(scope="module")
def one_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    settings = settings_in(tmp_path_factory.mktemp("poisoned"), Path("/nowhere"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(settings.dagster_home))
        with open_instance(settings) as instance:
            yield Town(settings, build(settings), instance)


@pytest.fixture
def town(one_town: Town, monkeypatch: pytest.MonkeyPatch) -> Town:
    """A platform in which nothing has arrived; two looks, however soon, make a file whole."""
    monkeypatch.setattr(file_stability, "PATIENT", file_stability.Pace(seconds_between=0))
    for folder in (one_town.settings.landing, one_town.settings.arrived, one_town.settings.quarantine):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    with one_town.warehouse.publishing("empty") as connection:
        connection.execute("DELETE FROM arrivals")
    return one_town


def ticks(town: Town, capfd: pytest.CaptureFixture[str], times: int = 2) -> tuple[list[str], str]:
    """The months the last of some ticks asks for, and what it says."""
    repository = town.definitions.get_repository_def()
    resources = {"settings": town.settings, "warehouse": town.warehouse}
    for _ in range(times):
        capfd.readouterr()
        with dg.build_sensor_context(
            instance=town.instance, resources=resources, repository_def=repository, sensor_name="landing_sensor"
        ) as context:
            data = repository.get_sensor_def("landing_sensor").evaluate_tick(context)
    asked = [str(request.partition_key) for request in data.run_requests or ()]
    return asked, f"{data.skip_message} {capfd.readouterr().err}"


def land(town: Town, *months: Month) -> None:
    for month in months:
        synthetic.write_month(town.settings.landing, "green", month, 300, 7)


def poisoned(original: Callable[..., Any], step: str) -> Callable[..., Any]:
    """The same, but for what has to do with the poisoned file."""

    def call(*given: Any, **named: Any) -> Any:
        if any(POISON in str(each) for each in given if not isinstance(each, dict)) and (
            step != "place" or "incoming" in str(given[0])
        ):
            raise RuntimeError("poison")
        return original(*given, **named)

    return call


@pytest.mark.parametrize(
    ("step", "module", "name"),
    [
        ("scan", landing_listing, "_why_not_yet"),
        ("take", file_paths, "take"),
        ("judge", scan_landing, "examine"),
        ("settle", file_state, "_settle_one"),
        ("place", file_paths, "move"),
        ("request", sensors, "_request"),
    ],
)
def test_one_poisoned_file_keeps_no_other(
    town: Town,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    step: str,
    module: Any,
    name: str,
) -> None:
    monkeypatch.setattr(module, name, poisoned(getattr(module, name), step))
    land(town, JANUARY, FEBRUARY)
    asked, told = ticks(town, capfd)
    assert "2023-02" in asked
    assert "poison" in told
    if step in ("judge", "settle"):
        assert {r.state for r in records_of(town.warehouse) if r.file_name == POISON} == {"quarantined"}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (sensors, "close_dead"),
        (sensors, "match_mlflow_runs"),
        (scan_landing, "look"),
        (pending, "can_train"),
        (sensors, "quarantine_event"),
        (sensors, "listing_digest"),
    ],
)
def test_a_step_that_fails_keeps_no_request(
    town: Town, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], module: Any, name: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("poison")

    land(town, FEBRUARY)
    assert ticks(town, capfd)[0] == ["2023-02"]
    monkeypatch.setattr(module, name, fail)
    asked, told = ticks(town, capfd, 1)
    assert asked == ["2023-02"]
    assert "poison" in told


def test_a_file_of_a_month_that_is_not_over_is_put_aside(town: Town, capfd: pytest.CaptureFixture[str]) -> None:
    ahead = newest_month().plus(2)
    land(town, ahead, FEBRUARY)
    asked, told = ticks(town, capfd)
    assert asked == ["2023-02"]
    assert f"green_tripdata_{ahead}.parquet is put aside: {ahead} is not over" in told
    (aside,) = [r for r in records_of(town.warehouse) if r.state == "quarantined"]
    assert aside.reasons[0].startswith(f"{ahead} is not over: the newest month that is over is {newest_month()}")


def test_a_month_that_is_not_over_and_was_taken_before_keeps_no_other(
    town: Town, capfd: pytest.CaptureFixture[str]
) -> None:
    """A lake of an earlier version holds such a file: it waits, is told of, and is not what is trained for."""
    ahead = newest_month().plus(1)
    land(town, JANUARY, FEBRUARY)
    ticks(town, capfd)
    place = f"arrived/green/{ahead}/{'0' * 64}.parquet"
    poison = Record(place, "poison", "waiting", utc_now(), "green", ahead, 1, "0" * 64, request=99)
    (town.settings.root / Path(place)).parent.mkdir(parents=True)
    (town.settings.root / place).touch()
    with town.warehouse.publishing("poison") as connection:
        put_records(connection, [poison])
    asked, told = ticks(town, capfd, 1)
    assert asked == ["2023-01", "2023-02"]
    assert f"{ahead} is not over" in told

"""A fault in one file or one sensor step is reported and does not block other files."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from platform_harness import FEBRUARY, JANUARY, PlatformHarness, settings_in

from taxi_assets import synthetic
from taxi_assets.definitions import build
from taxi_assets.defs.ingestion import sensors
from taxi_assets.defs.instance import open_instance
from taxi_assets.ingestion import file_paths, file_stability, file_state, landing_listing, pending, scan_landing
from taxi_assets.ingestion.scan_landing import list_source_files
from taxi_assets.ingestion.source_files import SourceFile, utc_now, write_source_files
from taxi_assets.months import Month, newest_month

POISON = "green_tripdata_2023-01.parquet"


@pytest.fixture(scope="module")
def module_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformHarness]:
    settings = settings_in(tmp_path_factory.mktemp("poisoned"), Path("/nowhere"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(settings.dagster_home))
        with open_instance(settings) as instance:
            yield PlatformHarness(settings, build(settings), instance)


@pytest.fixture
def platform(module_platform: PlatformHarness, monkeypatch: pytest.MonkeyPatch) -> PlatformHarness:
    """An empty platform where two scans at any interval make a file complete."""
    monkeypatch.setattr(file_stability, "WAIT_UNTIL_STABLE", file_stability.ScanPolicy(seconds_between=0))
    for folder in (
        module_platform.settings.landing,
        module_platform.settings.file_store,
        module_platform.settings.quarantine,
    ):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    with module_platform.warehouse.publishing("empty") as connection:
        connection.execute("DELETE FROM source_files")
    return module_platform


def ticks(platform: PlatformHarness, capfd: pytest.CaptureFixture[str], times: int = 2) -> tuple[list[str], str]:
    """Runs some ticks; returns the months requested by the last one and its output."""
    repository = platform.definitions.get_repository_def()
    resources = {"settings": platform.settings, "warehouse": platform.warehouse}
    for _ in range(times):
        capfd.readouterr()
        with dg.build_sensor_context(
            instance=platform.instance, resources=resources, repository_def=repository, sensor_name="landing_sensor"
        ) as context:
            data = repository.get_sensor_def("landing_sensor").evaluate_tick(context)
    asked = [str(request.partition_key) for request in data.run_requests or ()]
    return asked, f"{data.skip_message} {capfd.readouterr().err}"


def land(platform: PlatformHarness, *months: Month) -> None:
    for month in months:
        synthetic.write_month(platform.settings.landing, "green", month, 300, 7)


def poisoned(original: Callable[..., Any], step: str) -> Callable[..., Any]:
    """Wraps the function so that it fails for the poisoned file only."""

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
        ("scan", landing_listing, "_incomplete_reason"),
        ("take", file_paths, "take"),
        ("inspect", scan_landing, "inspect_taken_file"),
        ("resolve", file_state, "_resolve_state"),
        ("place", file_paths, "move"),
        ("request", sensors, "_request"),
    ],
)
def test_one_failing_file_blocks_no_other(
    platform: PlatformHarness,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    step: str,
    module: Any,
    name: str,
) -> None:
    monkeypatch.setattr(module, name, poisoned(getattr(module, name), step))
    land(platform, JANUARY, FEBRUARY)
    asked, output = ticks(platform, capfd)
    assert "2023-02" in asked
    assert "poison" in output
    if step in ("inspect", "resolve"):
        assert {r.state for r in list_source_files(platform.warehouse) if r.file_name == POISON} == {"quarantined"}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (sensors, "close_dead_runs"),
        (sensors, "sync_mlflow_runs"),
        (scan_landing, "scan_landing"),
        (pending, "newest_trainable"),
        (sensors, "quarantine_event"),
        (sensors, "listing_digest"),
    ],
)
def test_failed_sensor_step_blocks_no_request(
    platform: PlatformHarness,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    module: Any,
    name: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("poison")

    land(platform, FEBRUARY)
    assert ticks(platform, capfd)[0] == ["2023-02"]
    monkeypatch.setattr(module, name, fail)
    asked, output = ticks(platform, capfd, 1)
    assert asked == ["2023-02"]
    assert "poison" in output


def test_file_of_an_unfinished_month_is_quarantined(
    platform: PlatformHarness, capfd: pytest.CaptureFixture[str]
) -> None:
    ahead = newest_month().plus(2)
    land(platform, ahead, FEBRUARY)
    asked, output = ticks(platform, capfd)
    assert asked == ["2023-02"]
    assert f"green_tripdata_{ahead}.parquet is quarantined: {ahead} is not over" in output
    (aside,) = [r for r in list_source_files(platform.warehouse) if r.state == "quarantined"]
    assert aside.reasons[0].startswith(f"{ahead} is not over: the newest month that is over is {newest_month()}")


def test_recorded_file_of_an_unfinished_month_blocks_no_other(
    platform: PlatformHarness, capfd: pytest.CaptureFixture[str]
) -> None:
    """Such a file from an earlier release stays pending, is reported, and starts no training."""
    ahead = newest_month().plus(1)
    land(platform, JANUARY, FEBRUARY)
    ticks(platform, capfd)
    place = f"files/green/{ahead}/{'0' * 64}.parquet"
    poison = SourceFile(place, "poison", "waiting", utc_now(), "green", ahead, 1, "0" * 64, request=99)
    (platform.settings.root / Path(place)).parent.mkdir(parents=True)
    (platform.settings.root / place).touch()
    with platform.warehouse.publishing("poison") as connection:
        write_source_files(connection, [poison])
    asked, output = ticks(platform, capfd, 1)
    assert asked == ["2023-01", "2023-02"]
    assert f"{ahead} is not over" in output

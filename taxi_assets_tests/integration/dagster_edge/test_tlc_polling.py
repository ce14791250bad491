"""The sensor that polls TLC's site: its cursor, and the cases without requests."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from filelock import FileLock
from platform_harness import SEED

from taxi_assets import synthetic
from taxi_assets.definitions import build
from taxi_assets.defs.instance import open_instance
from taxi_assets.settings import DataKind, Settings, run_lock
from taxi_assets.tlc.month_file import file_name
from taxi_assets.tlc.polling import PollingState, newest_expected_month
from taxi_assets.warehouse.connection import Warehouse

NAME = "tlc_polling_sensor"


class Platform:
    """A home whose source is a folder, and successive ticks of its sensor."""

    def __init__(self, home: Path, source: str, kind: DataKind = "real") -> None:
        self.settings = Settings(home=home, data_kind=kind, tlc_source=source, threads=1)
        self.definitions, self.cursor = build(self.settings), None

    def tick(self) -> str:
        repository = self.definitions.get_repository_def()
        resources = {"settings": self.settings, "warehouse": Warehouse(self.settings)}
        with (
            open_instance(self.settings) as instance,
            dg.build_sensor_context(
                instance=instance, cursor=self.cursor, resources=resources, repository_def=repository, sensor_name=NAME
            ) as context,
        ):
            data_kind = repository.get_sensor_def(NAME).evaluate_tick(context)
        assert not data_kind.run_requests
        self.cursor = data_kind.cursor
        return str(data_kind.skip_message)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def platform(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    platform = Platform(tmp_path / "home", str(folder))
    monkeypatch.setenv("DAGSTER_HOME", str(platform.settings.dagster_home))
    return platform


@pytest.fixture
def month() -> Any:
    import time

    return newest_expected_month(time.time())


def test_sensor_is_off_by_default(platform: Platform) -> None:
    sensor = platform.definitions.get_repository_def().get_sensor_def(NAME)
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED


def test_new_month_is_landed_once(platform: Platform, folder: Path, month: Any) -> None:
    assert f"green {month}: not published" in platform.tick()
    assert f"green {month.plus(-1)}: not published" in platform.tick()
    written = synthetic.write_month(folder, "green", month.plus(-2), 50, SEED)
    assert f"green {month.plus(-2)}: fetched into the landing folder" in platform.tick()
    landed = platform.settings.landing / file_name("green", month.plus(-2))
    assert landed.read_bytes() == written.read_bytes()
    landed.unlink()
    assert "nothing to poll yet" in platform.tick()
    assert not landed.exists()


def test_polling_state_is_in_the_cursor(platform: Platform, month: Any) -> None:
    platform.tick()
    polling_state = PollingState.from_text(platform.cursor)
    assert polling_state.files[f"green {month}"].absences == 1
    again = Platform(platform.settings.home, platform.settings.tlc_source)
    again.cursor = platform.cursor
    assert f"green {month.plus(-1)}" in again.tick()


def test_synthetic_months_are_not_polled(platform: Platform) -> None:
    made_up = Platform(platform.settings.home, platform.settings.tlc_source, "synthetic")
    assert "synthetic" in made_up.tick()


def test_no_request_is_sent_during_a_run(platform: Platform) -> None:
    platform.settings.home.mkdir(parents=True)
    with FileLock(run_lock(platform.settings).lock_file):
        assert "working in this home" in platform.tick()
    assert platform.cursor is None


def test_invalid_source_is_reported(platform: Platform) -> None:
    odd = Platform(platform.settings.home, "ftp://example.invalid")
    assert "neither a web address nor a folder" in odd.tick()

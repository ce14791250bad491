"""The small platform: January and February ingested, a model trained, scored and packaged for March."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from platform_harness import APRIL, FEBRUARY, JANUARY, MARCH, ROWS, SEED, PlatformHarness, coarse_pictures, settings_in

from taxi_assets import synthetic
from taxi_assets.definitions import build
from taxi_assets.defs.instance import open_instance
from taxi_assets.serving.deployments.serving_state import ServingState


@pytest.fixture(autouse=True)
def _coarse_pictures() -> Iterator[None]:
    with coarse_pictures():
        yield


@pytest.fixture(scope="session")
def months_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source with four synthetic months and the zones."""
    folder = tmp_path_factory.mktemp("months")
    synthetic.write_zones(folder, SEED)
    for month in (JANUARY, FEBRUARY, MARCH, APRIL):
        synthetic.write_month(folder, "green", month, ROWS, SEED)
    return folder


@pytest.fixture
def empty_platform(tmp_path: Path, months_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlatformHarness]:
    """A new, empty platform."""
    settings = settings_in(tmp_path / "home", months_folder)
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    with open_instance(settings) as instance:
        yield PlatformHarness(settings, build(settings), instance)


@pytest.fixture(scope="session")
def shared_platform(tmp_path_factory: pytest.TempPathFactory, months_folder: Path) -> Iterator[PlatformHarness]:
    settings = settings_in(tmp_path_factory.mktemp("platform"), months_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(settings.dagster_home))
        with open_instance(settings) as instance:
            platform = PlatformHarness(settings, build(settings), instance)
            with coarse_pictures():
                platform.run("ingest_months", [JANUARY, FEBRUARY])
                platform.run("train_month", [MARCH])
            shutil.copytree(settings.home, settings.home.with_name("untouched"), symlinks=True)
            yield platform


@pytest.fixture
def untouched_home(shared_platform: PlatformHarness) -> Path:
    """The small platform's home as it was before any test; tests copy it."""
    return shared_platform.settings.home.with_name("untouched")


@pytest.fixture
def platform(shared_platform: PlatformHarness) -> Iterator[PlatformHarness]:
    """The small platform. Tests may add runs and versions; the champion is restored after each test."""
    with shared_platform.restored_champion():
        yield shared_platform


@pytest.fixture
def serving_state(platform: PlatformHarness) -> Iterator[ServingState]:
    """The platform's serving state, restored after the test."""
    folder = platform.settings.serving_state
    before = shutil.copytree(folder, folder.with_name("serving before"))
    yield ServingState(folder)
    shutil.rmtree(folder)
    before.rename(folder)

"""Fixtures: homes with a landing folder, and months to land."""

from collections.abc import Callable
from pathlib import Path

import pytest
from landing_harness import FEBRUARY, JANUARY, ROWS, LandingHarness

from taxi_assets import synthetic
from taxi_assets.ingestion.publish_month import publish_zones
from taxi_assets.settings import Settings


@pytest.fixture(scope="session")
def months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """January and February, and in `again/` a republished January."""
    folder = tmp_path_factory.mktemp("months")
    synthetic.write_zones(folder, 7)
    for month in (JANUARY, FEBRUARY):
        synthetic.write_month(folder, "green", month, ROWS, 7)
    synthetic.write_month(folder / "again", "green", JANUARY, ROWS, 7, None, [synthetic.parse_shift("null_burst=0.2")])
    bad = [synthetic.parse_shift("slower_city=0.1")]
    synthetic.write_month(folder / "refused", "green", JANUARY, ROWS, 7, None, bad)
    return folder


def make_landing_harness(folder: Path, months: Path) -> LandingHarness:
    """Makes a new home with zones, whose source is empty."""
    (folder / "nowhere").mkdir(parents=True, exist_ok=True)
    source = str(folder / "nowhere")
    settings = Settings(home=folder / "home", data_kind="synthetic", tlc_source=source, threads=1, memory_limit="1GB")
    settings.landing.mkdir(parents=True)
    harness = LandingHarness(settings, months)
    publish_zones(harness.warehouse, months / "taxi_zone_lookup.csv", months / "taxi_zones.zip")
    return harness


@pytest.fixture
def new_landing_harness(tmp_path: Path, months: Path) -> Callable[[str], LandingHarness]:
    """A function that makes a new home, which takes about a second."""
    return lambda name: make_landing_harness(tmp_path / name, months)


@pytest.fixture(scope="session")
def used_landing_harness(tmp_path_factory: pytest.TempPathFactory, months: Path) -> LandingHarness:
    return make_landing_harness(tmp_path_factory.mktemp("landing"), months)


@pytest.fixture
def landing_harness(used_landing_harness: LandingHarness) -> LandingHarness:
    """An empty home, reused and emptied for each test."""
    used_landing_harness.empty()
    return used_landing_harness

"""The champion as a Bento: its labels, and the cases that need a new build."""

from pathlib import Path

import pytest
from platform_harness import MARCH, PlatformHarness

from taxi_assets.errors import TaxiError
from taxi_assets.registry import model_versions
from taxi_assets.serving.packaging import bento_build
from taxi_assets.serving.packaging.release import package_champion
from taxi_assets.serving.served_model import ServedModel
from taxi_assets.serving.serving_manifest import read_manifest
from taxi_assets.settings import Settings


def model_in(platform: PlatformHarness) -> Path:
    folder = platform.settings.bentoml_home / "bentos" / bento_build.BENTO_NAME
    return folder / (folder / "latest").read_text() / "src" / "model"


def test_packaging_without_a_champion_is_an_error(settings: Settings) -> None:
    with pytest.raises(TaxiError, match="there is no champion to package: materialise champion_model"):
        package_champion(settings)


def test_bento_labels_name_the_models_origin(platform: PlatformHarness) -> None:
    champion = model_versions.champion(platform.settings)
    assert champion
    release = package_champion(platform.settings)
    assert release.tag.startswith(f"taxi_duration:v{champion.version}-")
    assert release.labels["version"] == str(champion.version)
    assert release.labels["run_id"] == champion.run_id
    assert release.labels["data_snapshot"] == champion.tags["data_snapshot"]
    assert release.labels["window"] == "2023-01..2023-02"
    assert release.labels["synthetic"] == "true"
    latest = bento_build.latest(platform.settings)
    assert latest
    assert (latest.tag, latest.labels) == (release.tag, release.labels)
    assert read_manifest(model_in(platform))["facts"]["version"] == champion.version


def test_bento_predicts_as_the_registered_model(platform: PlatformHarness) -> None:
    assert package_champion(platform.settings).largest_difference_minutes <= 1e-3
    assert ServedModel.load(model_in(platform))


def test_repeated_packaging_makes_no_second_bento(platform: PlatformHarness) -> None:
    first = package_champion(platform.settings)
    folder = platform.settings.bentoml_home / "bentos" / bento_build.BENTO_NAME
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_dir()}
    assert package_champion(platform.settings) == first
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_dir()} == before


@pytest.mark.slow
def test_another_champion_makes_another_latest_bento(platform: PlatformHarness) -> None:
    first = package_champion(platform.settings)
    other = platform.train(MARCH, max_iter=7)
    model_versions.promote(platform.settings, other.version, "for the test")
    second = package_champion(platform.settings)
    assert second.tag != first.tag
    latest = bento_build.latest(platform.settings)
    assert latest
    assert latest.tag == second.tag

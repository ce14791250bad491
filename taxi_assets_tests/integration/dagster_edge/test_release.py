"""Versions as Bentos: their labels, the cases that need a new build, and the one that is `latest`."""

from pathlib import Path

import pytest
from platform_harness import MARCH, PlatformHarness, first_run_of

from taxi_assets.errors import TaxiError
from taxi_assets.registry import model_versions
from taxi_assets.serving.packaging import bento_build
from taxi_assets.serving.packaging.release import package_version
from taxi_assets.serving.served_model import ServedModel
from taxi_assets.serving.serving_manifest import read_manifest
from taxi_assets.settings import Settings


def model_in(platform: PlatformHarness) -> Path:
    folder = platform.settings.bentoml_home / "bentos" / bento_build.BENTO_NAME
    return folder / (folder / "latest").read_text() / "src" / "model"


def test_packaging_without_a_champion_is_an_error(settings: Settings) -> None:
    with pytest.raises(TaxiError, match="there is no champion to package: materialise champion_model"):
        package_version(settings)


def test_bento_labels_name_the_models_origin(platform: PlatformHarness) -> None:
    champion = model_versions.champion(platform.settings)
    assert champion
    release = package_version(platform.settings)
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


def test_the_packaged_facts_have_both_errors_of_the_evaluation(platform: PlatformHarness) -> None:
    package_version(platform.settings)
    shown = platform.metadata(first_run_of(platform, "train_month"), "model_evaluation", MARCH)
    assert read_manifest(model_in(platform))["facts"]["evaluation"] == {
        "month": "2023-03",
        "scope": "1_to_60_minutes",
        "rmse_minutes": {
            "without_recent_traffic": pytest.approx(shown["rmse_minutes_traffic_unknown"].value, abs=1e-3),
            "with_recent_traffic": pytest.approx(shown["rmse_minutes_traffic_known"].value, abs=1e-3),
        },
    }


def test_bento_predicts_as_the_registered_model(platform: PlatformHarness) -> None:
    assert package_version(platform.settings).largest_difference_minutes <= 1e-3
    assert ServedModel.load(model_in(platform))


def test_repeated_packaging_makes_no_second_bento(platform: PlatformHarness) -> None:
    first = package_version(platform.settings)
    folder = platform.settings.bentoml_home / "bentos" / bento_build.BENTO_NAME
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_dir()}
    assert package_version(platform.settings) == first
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_dir()} == before


def test_a_version_that_is_not_registered_is_not_packaged(platform: PlatformHarness) -> None:
    with pytest.raises(TaxiError, match="there is no version 99: the newest are"):
        package_version(platform.settings, 99)


@pytest.mark.slow
def test_only_the_champions_bento_becomes_the_latest(platform: PlatformHarness) -> None:
    champion = package_version(platform.settings)
    other = platform.train(MARCH, max_iter=7)
    challenger = package_version(platform.settings, other.version)
    assert bento_build.bento_tags(platform.settings, other.version) == [challenger.tag]
    assert bento_build.latest(platform.settings).tag == champion.tag  # type: ignore[union-attr]
    by_number = package_version(platform.settings, int(champion.labels["version"]))
    assert (by_number, bento_build.latest(platform.settings).tag) == (champion, champion.tag)  # type: ignore[union-attr]


@pytest.mark.slow
def test_another_champion_makes_another_latest_bento(platform: PlatformHarness) -> None:
    first = package_version(platform.settings)
    other = platform.train(MARCH, max_iter=7)
    model_versions.promote(platform.settings, other.version, "for the test")
    second = package_version(platform.settings)
    assert second.tag != first.tag
    latest = bento_build.latest(platform.settings)
    assert latest
    assert latest.tag == second.tag
    model_versions.promote(platform.settings, int(first.labels["version"]), "as before")
    assert package_version(platform.settings).tag == first.tag

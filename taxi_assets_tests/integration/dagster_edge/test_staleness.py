"""Staleness in Dagster agrees with the project's own checks after a change of code, file or window."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CODE_VERSION_TAG, DATA_VERSION_TAG
from platform_harness import FEBRUARY, JANUARY, MARCH, PlatformHarness
from test_unfinished_months import without

import taxi_assets
from taxi_assets.defs import code_versions
from taxi_assets.monitoring.unfinished_months import unfinished_months
from taxi_assets.months import Month
from taxi_assets.registry.code_revision import source_digest
from taxi_assets.training import train

PACKAGE = Path(taxi_assets.__file__).parent
# A month of the small platform that each asset is materialised for; None for assets without partitions.
MATERIALISED = {
    **dict.fromkeys(("taxi_zones", "duration_bento", "deployment"), None),
    **dict.fromkeys(("raw_trips", "clean_trips", "trip_features"), FEBRUARY),
    **dict.fromkeys(
        ("duration_model", "drift_report", "model_evaluation", "champion_model", "champion_performance"), MARCH
    ),
}

pytestmark = [
    pytest.mark.filterwarnings("ignore:Function `Definitions.map:dagster.PreviewWarning"),
    pytest.mark.filterwarnings("ignore:Asset job train_month materializes assets with varying BackfillPolicies"),
]


@contextmanager
def changed_source(platform: PlatformHarness, folder: Path, source: str) -> Iterator[PlatformHarness]:
    """Changes one source file of the package during the block, as Dagster and a training see it."""
    package = folder / "taxi_assets"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    with (package / source).open("a") as file:
        file.write("\n")
    with pytest.MonkeyPatch.context() as patch:
        for module in (code_versions, train):
            patch.setattr(module, "source_digest", partial(source_digest, package=package))
        yield replace(platform, definitions=platform.definitions.map_asset_specs(func=with_code_version))


def with_code_version(spec: dg.AssetSpec) -> dg.AssetSpec:
    name = spec.key.to_user_string()
    if name not in code_versions.ASSET_SOURCES:
        return spec
    return spec.replace_attributes(code_version=code_versions.code_version(name))


def changed_assets(platform: PlatformHarness) -> set[str]:
    return {asset for asset, month in MATERIALISED.items() if platform.has_changed_code(asset, month)}


def retrain(platform: PlatformHarness) -> bool:
    """Trains for March; true if no version of the same trips, parameters and code existed."""
    result = platform.materialise(MARCH, "duration_model")
    assert result.success
    return bool(platform.metadata(platform.find(result.run_id), "duration_model")["is_new_version"].value)


def report_features(platform: PlatformHarness, month: Month) -> None:
    """Reports to Dagster that the month's features have a new data version."""
    tags = {DATA_VERSION_TAG: str(uuid4()), CODE_VERSION_TAG: code_versions.code_version("trip_features")}
    platform.instance.report_runless_asset_event(
        dg.AssetMaterialization("trip_features", partition=str(month), tags=tags)
    )


@pytest.mark.parametrize(
    ("source", "stale"),
    [
        ("ingestion/lake_files.py", {"raw_trips"}),
        ("quality/cleaning_rules.py", {"clean_trips"}),
        ("features/trip_features.sql", {"trip_features", "duration_model"}),
        ("training/training_window.py", {"duration_model"}),
        ("defs/training/training_config.py", {"duration_model"}),
        ("evaluation/metrics.py", {"model_evaluation", "champion_performance"}),
        ("promotion/policy.py", {"champion_model"}),
        ("monitoring/drift/measure_drift.py", {"drift_report"}),
        ("serving/served_model.py", {"duration_bento"}),
        ("serving/deployments/model_checks.py", {"duration_bento", "deployment"}),
        ("cli/run_pipeline.py", set()),
    ],
)
def test_changed_source_makes_its_assets_stale(
    platform: PlatformHarness, tmp_path: Path, source: str, stale: set[str]
) -> None:
    with changed_source(platform, tmp_path, source) as changed:
        assert changed_assets(changed) == stale


@pytest.mark.slow
def test_changed_code_trains_a_version_that_has_no_evaluation(platform: PlatformHarness, tmp_path: Path) -> None:
    assert not retrain(platform)
    before = unfinished_months(platform.settings, platform.warehouse)
    with changed_source(platform, tmp_path, "features/target_encoding.py") as changed:
        assert changed.is_stale("duration_model", MARCH)
        assert unfinished_months(platform.settings, platform.warehouse) == before  # changed code requests no run
        assert retrain(changed)
        assert not changed.is_stale("duration_model", MARCH)
        assert changed.is_stale("model_evaluation", MARCH)
        (found,) = unfinished_months(platform.settings, platform.warehouse)
        assert found.missing_assets == ("model_evaluation", "champion_model", "duration_bento", "deployment")
    assert not retrain(platform)  # the earlier code has its version


@pytest.mark.slow
def test_another_month_in_the_window_makes_the_model_stale(platform: PlatformHarness) -> None:
    with without(platform, "published_months", "month = DATE '2023-01-01'"):
        assert platform.train(MARCH).tags["months"] == "2023-02"
    assert not platform.is_stale("duration_model", MARCH)
    report_features(platform, JANUARY)
    assert platform.is_stale("duration_model", MARCH)
    (found,) = unfinished_months(platform.settings, platform.warehouse)
    assert "duration_model" not in found.missing_assets  # a person decides on another training
    assert platform.train(MARCH).tags["months"] == "2023-01,2023-02"
    assert not platform.is_stale("duration_model", MARCH)


@pytest.mark.parametrize(
    ("month", "stale"), [(MARCH, {"drift_report"}), (FEBRUARY, {"drift_report", "duration_model"})]
)
def test_republished_month_makes_its_dependents_stale(platform: PlatformHarness, month: Month, stale: set[str]) -> None:
    # Other tests may have ingested months again: start from an up-to-date state.
    assert platform.materialise(MARCH, "duration_model", "drift_report").success
    report_features(platform, month)
    assert {asset for asset in ("duration_model", "drift_report") if platform.is_stale(asset, MARCH)} == stale

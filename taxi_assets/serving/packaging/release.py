"""Packages model versions from MLflow as Bentos in the store."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.score_summary import rmse_facts
from taxi_assets.registry import model_versions
from taxi_assets.registry.model_files import Version
from taxi_assets.serving.packaging import bento_build
from taxi_assets.serving.packaging.city_map import city_map
from taxi_assets.serving.packaging.onnx_export import write_serving_folder
from taxi_assets.settings import Settings
from taxi_assets.training.dataset import read_zones
from taxi_assets.warehouse.connection import Warehouse

_LABELS = ("version", "run_id", "data_snapshot", "window", "synthetic", "git_commit")


@dataclass(frozen=True)
class Release:
    """A built Bento, and the largest difference of its predictions from the registered model's, minutes."""

    tag: str
    labels: Mapping[str, str]
    largest_difference_minutes: float


def package_version(settings: Settings, number: int | None = None) -> Release:
    """Build a version's Bento, or find the existing one; only the champion's becomes `latest`.

    Args:
        settings: Location of MLflow and the Bento store.
        number: The version; None means the champion.

    Raises:
        TaxiError: there is no such version or no champion, its model was removed, or the Bento predicts differently.
    """
    champion = model_versions.champion(settings)
    version = champion if number is None else model_versions.require(settings, number)
    if version is None:
        raise TaxiError(_no_champion(settings))
    model = model_versions.load_sklearn(settings, version)
    warehouse = Warehouse(settings)
    facts = _facts(warehouse, version)
    labels = {name: str(facts[name]).lower() if name == "synthetic" else str(facts[name]) for name in _LABELS}
    settings.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.root, prefix=".serving-") as folder:
        served_model = write_serving_folder(model, Path(folder, "model"), facts, _zone_names(warehouse))
        is_champion = champion is not None and champion.version == version.version
        drawn = city_map(read_zones(warehouse, shapes=True))
        tag = bento_build.build_bento(settings, Path(folder, "model"), labels, drawn, is_latest=is_champion)
    return Release(tag, labels, served_model.largest_difference_minutes)


def _zone_names(warehouse: Warehouse) -> dict[int, str]:
    zones = read_zones(warehouse)
    return dict(zip(zones["zone_id"].tolist(), zones["zone"].tolist(), strict=True))


def _no_champion(settings: Settings) -> str:
    newest = model_versions.latest(settings)
    refusal = newest.tags.get("refusal") if newest else None
    if newest and refusal:
        return f"there is no champion to package, version {newest.version} was refused: {refusal} Train on other months"
    return "there is no champion to package: materialise champion_model of a month first"


def _facts(warehouse: Warehouse, version: Version) -> dict[str, Any]:
    with warehouse.reading() as connection:
        evaluation = rmse_facts(connection, version.version)
    return {
        "name": version.name,
        "version": version.version,
        "run_id": version.run_id,
        "window": version.tags["window"],
        "services": version.tags["services"],
        "scope": version.tags["scope"],
        "data_snapshot": int(version.tags["data_snapshot"]),
        "data_digest": version.tags["data_digest"],
        "git_commit": version.tags["git_commit"],
        "synthetic": version.tags["synthetic"] == "true",
        "evaluation": evaluation,
    }

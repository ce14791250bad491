"""Packages the champion from MLflow as a Bento in the store."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.registry import model_versions
from taxi_assets.registry.model_files import Version
from taxi_assets.serving.packaging import bento_build
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


def package_champion(settings: Settings) -> Release:
    """Build the champion's Bento, or find the existing one.

    Raises:
        TaxiError: there is no champion, or the Bento predicts differently.
    """
    champion = model_versions.champion(settings)
    if champion is None:
        raise TaxiError(_no_champion(settings))
    facts = _facts(champion)
    labels = {name: str(facts[name]).lower() if name == "synthetic" else str(facts[name]) for name in _LABELS}
    settings.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.root, prefix=".serving-") as folder:
        model = model_versions.load_sklearn(settings, champion)
        served_model = write_serving_folder(model, Path(folder, "model"), facts, _zone_names(settings))
        tag = bento_build.build_bento(settings, Path(folder, "model"), labels)
    return Release(tag, labels, served_model.largest_difference_minutes)


def _zone_names(settings: Settings) -> dict[int, str]:
    zones = read_zones(Warehouse(settings))
    return dict(zip(zones["zone_id"].tolist(), zones["zone"].tolist(), strict=True))


def _no_champion(settings: Settings) -> str:
    newest = model_versions.latest(settings)
    refusal = newest.tags.get("refusal") if newest else None
    if newest and refusal:
        return f"there is no champion to package, version {newest.version} was refused: {refusal} Train on other months"
    return "there is no champion to package: materialise champion_model of a month first"


def _facts(version: Version) -> dict[str, Any]:
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
    }

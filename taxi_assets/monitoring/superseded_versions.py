"""Finds versions trained on files that were replaced since, and tags them in the registry."""

from taxi_assets.registry import model_versions
from taxi_assets.settings import Settings
from taxi_assets.training.superseded_files import superseded_files
from taxi_assets.warehouse.connection import Warehouse


def superseded_versions(settings: Settings, warehouse: Warehouse) -> dict[int, tuple[str, ...]]:
    """The superseded training files by version, the newest version first; versions without any are absent."""
    with warehouse.reading() as connection:
        found = {each.version: superseded_files(connection, each) for each in model_versions.versions(settings)}
    return {version: files for version, files in found.items() if files}


def tag_superseded(settings: Settings, warehouse: Warehouse) -> dict[int, tuple[str, ...]]:
    """Tags and describes versions trained on superseded files; returns the files by version.

    A version whose files are current again loses the tag.
    """
    found = superseded_versions(settings, warehouse)
    for version in model_versions.versions(settings):
        model_versions.tag_superseded(settings, version, found.get(version.version, ()))
    return found

"""Maintains a home: removes pickles and Bentos of old versions, and old snapshots that no model uses."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from taxi_assets.registry import model_versions
from taxi_assets.registry.model_files import REMOVED_TAG, Version, model_file
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.deployments.version_history import versions_in_use
from taxi_assets.serving.packaging import bento_build
from taxi_assets.settings import Settings
from taxi_assets.warehouse import maintenance
from taxi_assets.warehouse.connection import Warehouse


def run_maintenance(settings: Settings, warehouse: Warehouse, is_dry_run: bool = False) -> dict[str, Any]:
    """Maintain the warehouse, then remove old models; return the changes as JSON values."""
    protected_snapshots = model_versions.referenced_snapshots(settings)
    retention = timedelta(days=settings.snapshot_retention_days)
    done = maintenance.maintain(warehouse, protected_snapshots, retention, datetime.now(UTC), is_dry_run)
    return {**done.as_json(), **remove_old_models(settings, is_dry_run)}


def remove_old_models(settings: Settings, is_dry_run: bool = False) -> dict[str, tuple[str, ...]]:
    """Delete the pickle and the Bentos of each version that is not retained.

    It keeps the newest `TAXI_KEEP_MODELS` versions, the champion, the version it replaced, the newest that waits for
    approval, each version with an alias set by a person, each that the endpoint needs, and the newest Bento. `taxi
    reproduce` needs the run, its tags and the warehouse's snapshot, which all stay.

    Args:
        settings: Location of MLflow, the Bento store and the serving state.
        is_dry_run: Return the items without removing them.

    Returns:
        The items: `removed_models`, versions without a pickle now, and `removed_bentos`, tags of Bentos.

    Raises:
        TaxiError: the routing that a rollback restores cannot be read.
    """
    found = model_versions.versions(settings)
    retained, newest = _retained_versions(settings, found), bento_build.latest(settings)
    old = [version for version in found if version.version not in retained]
    models = [version for version in old if REMOVED_TAG not in version.tags]
    bentos = [tag for version in old for tag in bento_build.bento_tags(settings, version.version)]
    bentos = [tag for tag in bentos if newest is None or tag != newest.tag]
    if not is_dry_run:
        for version in models:
            _remove_model(settings, version)
        for tag in bentos:
            shutil.rmtree(bento_build.bento_folder(settings, tag))
    removed_models = tuple(sorted(f"version {each.version}" for each in models))
    return {"removed_models": removed_models, "removed_bentos": tuple(sorted(bentos))}


def _remove_model(settings: Settings, version: Version) -> None:
    # Tagged first: if the process is killed in between, the tag shows that the model may be gone.
    model_versions.tag_decision(
        settings, version.version, {REMOVED_TAG: datetime.now(UTC).isoformat(timespec="seconds")}
    )
    model_file(settings, version).delete()


def _retained_versions(settings: Settings, found: Sequence[Version]) -> set[int]:
    if not found:
        return set()
    retained = set(sorted((version.version for version in found), reverse=True)[: settings.keep_models])
    champion = model_versions.champion(settings)
    if champion:
        replaced = champion.tags.get("replaced_version", "none")
        retained |= {champion.version, *([int(replaced)] if replaced.isdigit() else [])}
    waiting = [each.version for each in found if each.tags.get("decision") == "waiting"]
    retained |= {max(waiting)} if waiting else set()
    in_use = versions_in_use(ServingState(settings.serving_state))
    return retained | model_versions.manually_aliased_versions(settings) | in_use

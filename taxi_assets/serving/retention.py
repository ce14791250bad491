"""Removes the pickles and Bentos of old versions; what a version was made of and what was decided on it stays."""

import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from taxi_assets.mlflow_store import registry
from taxi_assets.mlflow_store.mlflow_database import client, is_initialised, lock
from taxi_assets.mlflow_store.model_files import REMOVED_TAG, model_file
from taxi_assets.serving import packaging
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["Removal", "remove_old_models"]


@dataclass(frozen=True)
class Removal:
    """What is removed, or would be: versions whose pickle goes, and Bentos by their tags."""

    removed_models: tuple[str, ...]
    removed_bentos: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The facts as JSON knows values."""
        return asdict(self)


def remove_old_models(settings: Settings, is_dry_run: bool = False) -> Removal:
    """Delete the pickle and the Bentos of each version that is not kept.

    The newest `TAXI_KEEP_MODELS` versions are kept, the newest challenger among them; so are the champion, the
    version it replaced, each version an alias of a person names, and the newest Bento. `taxi reproduce` needs
    the run, its tags and the lake's snapshot: none of them is touched.

    Args:
        settings: Where MLflow and the Bento store are.
        is_dry_run: Tell what would be removed and remove nothing.
    """
    if not is_initialised(settings):
        return Removal((), ())
    api = client(settings)
    with lock(settings):
        found = api.search_model_versions(f"name = '{registry.MODEL_NAME}'", max_results=10_000)
        kept = _kept(settings, found)
        old = [version for version in found if int(version.version) not in kept]
        with_model = [version for version in old if REMOVED_TAG not in version.tags]
        bentos = [tag for version in old for tag in packaging.tags_of_version(settings, int(version.version))]
        newest = packaging.latest(settings)
        bentos = [tag for tag in bentos if newest is None or tag != newest.tag]
        if not is_dry_run:
            for version in with_model:
                # Tagged first: killed in between, the version says that its model may be gone.
                now = datetime.now(UTC).isoformat(timespec="seconds")
                api.set_model_version_tag(version.name, version.version, REMOVED_TAG, now)
                model_file(settings, api, version).unlink(missing_ok=True)
            for tag in bentos:
                shutil.rmtree(packaging.folder_of(settings, tag))
    return Removal(tuple(sorted(f"version {each.version}" for each in with_model)), tuple(sorted(bentos)))


def _kept(settings: Settings, found: "list[ModelVersion]") -> set[int]:
    numbers = sorted((int(version.version) for version in found), reverse=True)
    kept = set(numbers[: settings.keep_models])
    champion = registry.champion(settings)
    if champion:
        replaced = champion.tags.get("replaced_version", "none")
        kept |= {champion.version, *([int(replaced)] if replaced.isdigit() else [])}
    return kept | registry.versions_named_by_a_person(settings)

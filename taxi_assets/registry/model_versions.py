"""The registered model in MLflow, its versions and their aliases, `champion` among them."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.registry import model_files
from taxi_assets.registry.database import client, is_initialised, lock, ui_url
from taxi_assets.registry.deleted_runs import run_stage
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

MODEL_NAME = "taxi-duration"
CHAMPION = "champion"
_MONTH_ALIAS_PREFIX = "month-"
SUPERSEDED_TAG = "superseded_files"
ROLLED_BACK_TAG = "rolled_back"

_SUPERSEDED_PREFIX = "Trained on superseded files:"


def model_name(settings: Settings) -> str:
    """The registered model of this environment; aliases such as `champion` belong to it."""
    return MODEL_NAME if settings.env == "dev" else f"{MODEL_NAME}-{settings.env}"


def register(settings: Settings, run_id: str, model_uri: str, training_key: str, tags: Mapping[str, str]) -> Version:
    """Register a logged model, or return the existing version of the same training.

    Call it after everything else about the model is logged: an existing version means a finished training, even if
    the process is killed right after.

    Args:
        settings: Location of MLflow's database.
        run_id: The MLflow run that logged the model.
        model_uri: The logged model's address, as `tracking.log_model` returned it.
        training_key: Digest of the training's inputs: data, config, code.
        tags: Facts on the version for people: window, snapshot, commit, Dagster run.
    """
    api = client(settings)
    with lock(settings):
        known = find(settings, training_key)
        if known is None:
            if _registered_model(settings, api) is None:
                api.create_registered_model(
                    model_name(settings), description="Trip duration in minutes, predicted at pickup"
                )
            tags = {**tags, **model_files.digest_tag(settings, api, model_uri), "training_key": training_key}
            known = Version.of(api.create_model_version(model_name(settings), model_uri, run_id, tags=tags))
        _link_to_model(api, known)
    return known


def find(settings: Settings, training_key: str) -> Version | None:
    """The newest usable version of this training, with an intact model and a run that is not deleted."""
    for version in versions(settings, f"tags.training_key = '{training_key}'"):
        if run_stage(client(settings), version.run_id) == "active" and model_files.is_intact(settings, version):
            return version
    return None


def is_usable(settings: Settings, version: Version) -> bool:
    """True if the version's model file exists and is the trained one."""
    return model_files.is_intact(settings, _get(settings, version.version))


def describe(settings: Settings, version: int, description: str) -> None:
    """Set a version's description in MLflow's UI; keeps the sentence on superseded files."""
    api = client(settings)
    before = api.get_model_version(model_name(settings), str(version)).description or ""
    kept = [line for line in before.splitlines() if line.startswith(_SUPERSEDED_PREFIX)]
    api.update_model_version(model_name(settings), str(version), "\n".join([description, *kept]))


def set_month_version(settings: Settings, version: Version, month: Month) -> None:
    """Set the version that is scored on the month, newly trained or reused."""
    api = client(settings)
    with lock(settings):
        api.set_registered_model_alias(model_name(settings), _alias(month), str(version.version))


def get_month_version(settings: Settings, month: Month) -> Version | None:
    """The version scored on this month: that of its last training, which may not have the highest number."""
    number = _aliases(settings).get(_alias(month))
    if number:
        return _get(settings, number)
    # Without an alias: an old version, or its training was killed before it set the alias.
    return next(iter(versions(settings, f"tags.scored_month = '{month}'")), None)


def tag_decision(settings: Settings, version: int, tags: Mapping[str, str]) -> None:
    """Tag a version with the promotion decision and its evidence."""
    api = client(settings)
    for key, value in tags.items():
        api.set_model_version_tag(model_name(settings), str(version), key, value)


def remove_tag(settings: Settings, version: Version, key: str) -> None:
    """Remove a tag of a version, if it has it."""
    if key in _get(settings, version.version).tags:
        client(settings).delete_model_version_tag(model_name(settings), str(version.version), key)


def find_number(settings: Settings, number: int) -> Version | None:
    """The version with this number; None if it does not exist."""
    return next((each for each in versions(settings) if each.version == number), None)


def require(settings: Settings, version: int) -> Version:
    """The version with this number.

    Raises:
        TaxiError: it does not exist.
    """
    found = versions(settings)
    for each in found:
        if each.version == version:
            return each
    numbers = ", ".join(str(each.version) for each in found[:10])
    raise TaxiError(
        f"there is no version {version}: "
        + (f"the newest are {numbers}" if numbers else "none was registered yet; materialise duration_model first")
    )


def versions(settings: Settings, condition: str = "") -> tuple[Version, ...]:
    """Every complete version, newest first; those that meet a condition of MLflow's search, if given."""
    if not is_initialised(settings):
        return ()
    conditions = " and ".join([f"name = '{model_name(settings)}'", *([condition] if condition else [])])
    found = client(settings).search_model_versions(conditions, max_results=10_000)
    complete = [Version.of(version) for version in found if version.status == "READY"]
    return tuple(sorted(complete, key=lambda version: version.version, reverse=True))


def tag_superseded(settings: Settings, version: Version, files: Sequence[str]) -> None:
    """Tag and describe a version trained on superseded files; without files, remove tag and sentence."""
    if version.tags.get(SUPERSEDED_TAG, "") == ", ".join(files):
        return
    api, number = client(settings), str(version.version)
    text = api.get_model_version(model_name(settings), number).description or ""
    lines = [line for line in text.splitlines() if not line.startswith(_SUPERSEDED_PREFIX)]
    if files:
        lines.append(f"{_SUPERSEDED_PREFIX} {', '.join(files)}.")
        api.set_model_version_tag(model_name(settings), number, SUPERSEDED_TAG, ", ".join(files))
    else:
        api.delete_model_version_tag(model_name(settings), number, SUPERSEDED_TAG)
    api.update_model_version(model_name(settings), number, description="\n".join(lines))


def latest(settings: Settings) -> Version | None:
    """The version with the highest number, champion or not."""
    return next(iter(versions(settings)), None)


def versions_by_month(settings: Settings) -> dict[str, list[int]]:
    """The numbers of the versions trained to be scored on each month, oldest first."""
    found: dict[str, list[int]] = {}
    for version in reversed(versions(settings)):
        found.setdefault(version.tags.get("scored_month", ""), []).append(version.version)
    return found


def referenced_snapshots(settings: Settings) -> frozenset[int]:
    """Snapshots that any version, complete or not, was trained or scored on, from its tags."""
    if not is_initialised(settings):
        return frozenset()
    # Of any model: a person may have renamed it, and its versions can still be rebuilt.
    every = client(settings).search_model_versions(max_results=10_000)
    named = ("data_snapshot", "evaluation_snapshot")
    return frozenset(int(version.tags[tag]) for version in every for tag in named if tag in version.tags)


def manually_aliased_versions(settings: Settings) -> set[int]:
    """Versions with an alias set by a person."""
    return {
        int(number)
        for alias, number in _aliases(settings).items()
        if alias != CHAMPION and not alias.startswith(_MONTH_ALIAS_PREFIX)
    }


def champion(settings: Settings) -> Version | None:
    """The version to serve; None before the first promotion."""
    number = _aliases(settings).get(CHAMPION)
    return _get(settings, number) if number else None


def is_first_waiting(settings: Settings) -> bool:
    """True if there is no champion and a version waits for a person's approval."""
    return champion(settings) is None and any(each.tags.get("decision") == "waiting" for each in versions(settings))


def promote(settings: Settings, version: int, reason: str) -> Version:
    """Make a version the champion and tag it with reason, time and replaced version.

    Raises:
        TaxiError: the version does not exist.
    """
    api = client(settings)
    with lock(settings):
        current = champion(settings)
        if current and current.version == version:
            return current
        before = require(settings, version)
        tags = {
            "promotion_reason": reason,
            "promoted_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "replaced_version": str(current.version) if current else "none",
        }
        tag_decision(settings, version, tags)
        if "refusal" in before.tags:
            api.delete_model_version_tag(model_name(settings), str(version), "refusal")
        api.set_registered_model_alias(model_name(settings), CHAMPION, str(version))
        return _get(settings, version)


def load_sklearn(settings: Settings, version: Version) -> Any:
    """Load the fitted estimator of a version, after checking its digest.

    Raises:
        TaxiError: the model is missing or differs from the trained one.
    """
    return model_files.load(settings, _get(settings, version.version))


def version_url(settings: Settings, version: int) -> str:
    """The version's page in MLflow's UI."""
    return ui_url(settings, f"models/{model_name(settings)}/versions/{version}")


def _alias(month: Month) -> str:
    return f"{_MONTH_ALIAS_PREFIX}{month}"


def _get(settings: Settings, number: int | str) -> Version:
    """The version as MLflow has it now."""
    return Version.of(client(settings).get_model_version(model_name(settings), str(number)))


def _aliases(settings: Settings) -> dict[str, str]:
    """The number of the version of each alias."""
    model = _registered_model(settings, client(settings)) if is_initialised(settings) else None
    return dict(model.aliases) if model else {}


def _registered_model(settings: Settings, api: "MlflowClient") -> "RegisteredModel | None":
    found = api.search_registered_models(f"name = '{model_name(settings)}'")
    return found[0] if found else None


def _link_to_model(api: "MlflowClient", version: Version) -> None:
    """Show the version on the pages of its run and logged model, as MLflow's `register_model` does."""
    from mlflow.exceptions import MlflowException

    tag = json.dumps([{"name": version.name, "version": version.version}])
    with suppress(MlflowException):  # a person may have deleted the page, which the version does not need
        api.set_logged_model_tags(version.source.removeprefix("models:/"), {"mlflow.modelVersions": tag})

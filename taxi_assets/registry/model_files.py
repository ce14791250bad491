"""Finds, checks and loads the pickled model of a version."""

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["DIGEST_TAG", "MODEL_FILE", "REMOVED_TAG", "digest_tag", "is_intact", "load", "model_file"]

MODEL_FILE = "model.pkl"
DIGEST_TAG = "model_sha256"
REMOVED_TAG = "model_removed_at"


def model_file(settings: Settings, api: "MlflowClient", version: "ModelVersion") -> Path:
    """The path of a version's pickle.

    Raises:
        TaxiError: the registry names a path outside this home.
    """
    uri = str(api.get_model_version_download_uri(version.name, version.version))
    return _file(settings, uri, f"version {version.version}")


def digest_tag(settings: Settings, api: "MlflowClient", model_uri: str) -> dict[str, str]:
    """A tag with the SHA-256 of a logged model's pickle, checked by later loads; empty without a pickle."""
    logged = api.get_logged_model(model_uri.removeprefix("models:/"))
    file = _file(settings, str(logged.artifact_location), f"the model {logged.model_id}")
    return {DIGEST_TAG: hashlib.sha256(file.read_bytes()).hexdigest()} if file.is_file() else {}


def is_intact(settings: Settings, api: "MlflowClient", version: "ModelVersion") -> bool:
    """True if the pickle exists with the SHA-256 logged at training."""
    try:
        _read(model_file(settings, api, version), int(version.version), version.tags)
    except TaxiError:
        return False
    return True


def load(file: Path, version: int, tags: Mapping[str, str]) -> Any:
    """Load the fitted estimator, after checking the SHA-256 logged at training.

    Raises:
        TaxiError: the file is missing, was removed by retention, or differs.
    """
    # Safe to unpickle: the digest shows that this platform wrote the bytes.
    return pickle.loads(_read(file, version, tags))  # noqa: S301


def _read(file: Path, version: int, tags: Mapping[str, str]) -> bytes:
    month = tags.get("scored_month")
    remedy = f"materialise duration_model of {month or 'its month'} to train it again"
    if REMOVED_TAG in tags:
        raise TaxiError(f"the model of version {version} was removed by retention (TAXI_KEEP_MODELS): {remedy}")
    if not file.is_file():
        raise TaxiError(f"the model of version {version} is not at {file}: {remedy}")
    content, logged = file.read_bytes(), tags.get(DIGEST_TAG)
    found = hashlib.sha256(content).hexdigest()
    if found != logged:
        raise TaxiError(
            f"the model of version {version} at {file} differs from the trained one (SHA-256 {found[:16]}, "
            f"logged {(logged or 'none')[:16]}): {remedy}"
        )
    return content


def _file(settings: Settings, uri: str, what: str) -> Path:
    parts = urlsplit(uri)
    folder = Path(url2pathname(parts.path)).resolve()
    artifacts = (settings.mlflow_home / "artifacts").resolve()
    if parts.scheme not in {"", "file"} or not folder.is_relative_to(artifacts):
        raise TaxiError(f"{what} is at {uri}, outside {artifacts}: only models trained in this home are loaded")
    return folder / MODEL_FILE

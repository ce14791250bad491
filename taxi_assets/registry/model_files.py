"""A registered version, and its pickled model: found, checked, loaded."""

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taxi_assets.errors import TaxiError
from taxi_assets.registry.artifacts import ArtifactFile, find_artifact
from taxi_assets.registry.database import client
from taxi_assets.settings import Settings
from taxi_assets.warehouse.shared_store import SharedStoreUnavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

MODEL_FILE = "model.pkl"
DIGEST_TAG = "model_sha256"
REMOVED_TAG = "model_removed_at"


@dataclass(frozen=True)
class Version:
    """A registered version: its number, its MLflow run, its logged model's URI and its tags."""

    name: str
    version: int
    run_id: str
    source: str
    tags: Mapping[str, str]

    @classmethod
    def of(cls, found: "ModelVersion") -> "Version":
        """The version that MLflow returned."""
        return cls(str(found.name), int(found.version), str(found.run_id), str(found.source), dict(found.tags))


def model_file(settings: Settings, version: Version) -> ArtifactFile:
    """The pickle of a version.

    Raises:
        TaxiError: the registry names a place outside the artifacts.
    """
    uri = str(client(settings).get_model_version_download_uri(version.name, str(version.version)))
    return find_artifact(settings, uri, MODEL_FILE, f"version {version.version}")


def digest_tag(settings: Settings, api: "MlflowClient", model_uri: str) -> dict[str, str]:
    """A tag with the SHA-256 of a logged model's pickle, checked by later loads; empty without a pickle."""
    logged = api.get_logged_model(model_uri.removeprefix("models:/"))
    file = find_artifact(settings, str(logged.artifact_location), MODEL_FILE, f"the model {logged.model_id}")
    content = file.read()
    return {} if content is None else {DIGEST_TAG: hashlib.sha256(content).hexdigest()}


def is_intact(settings: Settings, version: Version) -> bool:
    """True if the pickle exists with the SHA-256 logged at training.

    Raises:
        SharedStoreUnavailable: S3 cannot be used.
    """
    try:
        _read(settings, version)
    except SharedStoreUnavailable:  # nothing is known of the pickle
        raise
    except TaxiError:
        return False
    return True


def load(settings: Settings, version: Version) -> Any:
    """Load the fitted estimator, after checking the SHA-256 logged at training.

    Raises:
        TaxiError: the file is missing, was removed by retention, differs, or is outside the artifacts.
    """
    # Safe to unpickle: the digest shows that this platform wrote the bytes.
    return pickle.loads(_read(settings, version))  # noqa: S301


def _read(settings: Settings, version: Version) -> bytes:
    file, tags, number = model_file(settings, version), version.tags, version.version
    month = tags.get("scored_month")
    remedy = f"materialise duration_model of {month or 'its month'} to train it again"
    if REMOVED_TAG in tags:
        raise TaxiError(f"the model of version {number} was removed by retention (TAXI_KEEP_MODELS): {remedy}")
    content, logged = file.read(), tags.get(DIGEST_TAG)
    if content is None:
        raise TaxiError(f"the model of version {number} is not at {file.place}: {remedy}")
    found = hashlib.sha256(content).hexdigest()
    if found != logged:
        raise TaxiError(
            f"the model of version {number} at {file.place} differs from the trained one (SHA-256 {found[:16]}, "
            f"logged {(logged or 'none')[:16]}): {remedy}"
        )
    return content

"""Stores which model versions are deployed, and why others were refused."""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec

from taxi_assets.errors import TaxiError
from taxi_assets.files import sha256_of, write_atomically
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.serving_manifest import MANIFEST_FILE

KEPT_REFUSALS = 100


@dataclass(frozen=True)
class Deployment:
    """A deployed model.

    Attributes:
        version: The model version.
        folder: Its serving folder.
        manifest_sha256: The checksum of the folder's manifest, which has those of the other files.
        by: The command or address that deployed it.
        at: Time of the deployment, ISO 8601 in UTC.
        key: A new one for each deployment, so that workers load a version again.
    """

    version: int
    folder: str
    manifest_sha256: str
    by: str
    at: str
    key: str


@dataclass(frozen=True)
class Refusal:
    """A version that failed a check: the reason, and the time in UTC."""

    version: int
    reason: str
    by: str
    at: str


def new_deployment(folder: Path, version: int, by: str) -> Deployment:
    """Describe the deployment of the model in a folder.

    Raises:
        TaxiError: the folder has no manifest.
    """
    try:
        checksum = sha256_of(folder / MANIFEST_FILE)
    except OSError as error:
        remedy = "package the model again"
        raise TaxiError(
            f"version {version} is refused: {folder} has no manifest ({error.strerror}): {remedy}"
        ) from error
    return Deployment(version, str(folder), checksum, by, _now(), uuid4().hex)


def read_deployments(state: ServingState) -> dict[int, Deployment]:
    """The deployed models by version; a damaged file counts as none."""
    found = {}
    for path in sorted(state.deployments.glob("*.json")):
        with suppress(OSError, ValueError):
            deployment = msgspec.json.decode(path.read_bytes(), type=Deployment)
            found[deployment.version] = deployment
    return dict(sorted(found.items()))


def write_deployment(state: ServingState, deployment: Deployment) -> None:
    """Store a deployment, in place of an earlier one of its version."""
    write_atomically(state.deployments / f"{deployment.version}.json", json.dumps(asdict(deployment)))


def remove_deployment(state: ServingState, version: int) -> None:
    """Remove the deployment of a version, if it has one."""
    (state.deployments / f"{version}.json").unlink(missing_ok=True)


def write_refusal(state: ServingState, version: int, reason: str, by: str) -> None:
    """Store why a version was refused; the oldest refusals are removed."""
    refusal = Refusal(version, reason, by, _now())
    write_atomically(state.refusals / f"{time.time_ns():020}-{version}.json", json.dumps(asdict(refusal)))
    for path in sorted(state.refusals.glob("*.json"))[:-KEPT_REFUSALS]:
        path.unlink(missing_ok=True)


def read_refusals(state: ServingState, count: int = KEPT_REFUSALS) -> list[Refusal]:
    """The newest refusals, newest first."""
    found = []
    for path in sorted(state.refusals.glob("*.json"), reverse=True)[:count]:
        with suppress(OSError, ValueError):
            found.append(msgspec.json.decode(path.read_bytes(), type=Refusal))
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

"""The software bill of materials in CycloneDX: the packages of `requirements.lock` and the model.

Written without CycloneDX's own library, whose import takes longer than the rest of the pack; the tests validate the
result with it.
"""

import hashlib
import re
import uuid
from collections.abc import Iterator
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from taxi_assets.errors import TaxiError
from taxi_assets.registry.model_files import DIGEST_TAG, Version
from taxi_assets.settings import CHECKOUT

LOCK = CHECKOUT / "requirements.lock"

_PRODUCT = "taxi-assets"
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$", re.MULTILINE)

Component = dict[str, Any]


def bill_of_materials(version: Version, lock: Path = LOCK) -> dict[str, Any]:
    """The bill of materials as CycloneDX 1.6; the same lock and version give the same content.

    The files of each package and their hashes are those of the lock, which is named by its SHA-256.

    Raises:
        TaxiError: the lock is missing, or pins no package.
    """
    if not lock.is_file():
        raise TaxiError(f"{lock} is missing: install the platform from its repository, or run `make lock`")
    content = lock.read_bytes()
    packages = list(_packages(content.decode()))
    if not packages:
        raise TaxiError(f"{lock} pins no package: run `make lock`")
    digest = hashlib.sha256(content).hexdigest()
    product = {"type": "application", "bom-ref": _PRODUCT, "name": _PRODUCT, "version": installed_version(_PRODUCT)}
    model = _model(version)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, f'{digest} {model}')}",
        "version": 1,
        "metadata": {"component": product | {"properties": [{"name": "taxi:lock:sha256", "value": digest}]}},
        "components": [model, *packages],
    }


def _packages(lock: str) -> Iterator[Component]:
    """A component for each pinned package; the marker says where it is installed."""
    for name, number, marker in _PINNED.findall(lock):
        normal = re.sub(r"[-_.]+", "-", name).lower()
        url = f"pkg:pypi/{quote(normal)}@{quote(number, safe='')}"
        properties = {"properties": [{"name": "taxi:lock:marker", "value": marker}]} if marker else {}
        yield {"type": "library", "bom-ref": url, "name": normal, "version": number, "purl": url, **properties}


def _model(version: Version) -> Component:
    name, digest = f"{version.name} version {version.version}", version.tags.get(DIGEST_TAG)
    component = {
        "type": "machine-learning-model",
        "bom-ref": name,
        "name": version.name,
        "version": str(version.version),
    }
    return component | ({"hashes": [{"alg": "SHA-256", "content": digest}]} if digest else {})

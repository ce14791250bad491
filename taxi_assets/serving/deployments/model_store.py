"""The model store: the Bentos' folders, read without BentoML, in which each model version is found."""

import re
from pathlib import Path

from taxi_assets.errors import TaxiError

STORE_VARIABLE = "TAXI_MODEL_STORE"
# Below a Bento's folder.
_MODEL = Path("src", "model")
_NAME = re.compile("v([1-9][0-9]{0,8})-.+")


def stored_versions(store: Path) -> frozenset[int]:
    """The versions of the Bentos in the store."""
    named = ((path, _NAME.fullmatch(path.name)) for path in store.glob("v*-*"))
    return frozenset(int(found[1]) for path, found in named if found and (path / _MODEL).is_dir())


def find_model(store: Path, version: int) -> Path:
    """The serving folder of a version, of its newest Bento if it has several.

    Args:
        store: The folder with a folder `v<version>-<digest>` for each Bento.
        version: The model version.

    Raises:
        TaxiError: no Bento of this version is in the store.
    """
    folders = [path / _MODEL for path in store.glob(f"v{version}-*") if (path / _MODEL).is_dir()]
    if not folders:
        raise TaxiError(f"version {version} has no Bento in {store}: package it with `taxi deploy {version}`")
    return max(folders, key=lambda folder: folder.stat().st_mtime_ns)

"""Reads a serving folder's manifest and checks its files and format. Needs no ONNX Runtime."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.features.trip_features import SERVICE_IDS
from taxi_assets.files import sha256_of

FORMAT = 6
MODEL_FILE, TABLES_FILE, MANIFEST_FILE = "model.onnx", "tables.npy", "manifest.json"
REQUIRED_FACTS = ("name", "version", "run_id", "data_snapshot", "synthetic")
REMEDY = "package the model again"


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the folder's manifest; check that its files are unchanged and that this code can load them.

    Raises:
        TaxiError: a file is missing or changed, or other code wrote the folder.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_bytes())
        _check_code(folder, manifest)
        for name in (MODEL_FILE, TABLES_FILE):
            _check_file(folder / name, manifest["sha256"][name])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise TaxiError(f"{folder} is not a complete model ({error}): {REMEDY}") from error
    return manifest


def read_version(folder: Path) -> int:
    """The model version in the folder's manifest, without a check of its files.

    Raises:
        TaxiError: there is no manifest, or it has no version.
    """
    try:
        return int(json.loads((folder / MANIFEST_FILE).read_bytes())["facts"]["version"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TaxiError(f"{folder} is not a complete model ({error}): {REMEDY}") from error


def _check_code(folder: Path, manifest: Mapping[str, Any]) -> None:
    if manifest["format"] != FORMAT:
        raise TaxiError(f"{folder} is of format {manifest['format']}, this code reads {FORMAT}: {REMEDY}")
    if manifest["columns"] != list(MATRIX_COLUMNS):
        others = ", ".join(sorted(set(manifest["columns"]) ^ set(MATRIX_COLUMNS))) or "their order"
        raise TaxiError(f"{folder} was made by code with other columns ({others}): train and {REMEDY}")
    if any(SERVICE_IDS.get(name) != number for name, number in manifest["services"].items()):
        raise TaxiError(f"{folder} has other numbers for the services: train and {REMEDY}")


def _check_file(path: Path, expected: str) -> None:
    found = sha256_of(path)
    if found != expected:
        raise TaxiError(f"{path} is damaged, its SHA-256 is {found[:12]}, not {expected[:12]}: {REMEDY}")

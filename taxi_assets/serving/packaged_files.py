"""Records a packaged model's files and the libraries that verified it, and compares them at a start.

Imports nothing heavy: BentoML's first process compares and starts the workers, which load the model.
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path

from taxi_assets.files import sha256_of

RECORD_FILE = "packaged.json"
PAGE_FOLDER, CITY_MAP_FILE = "page", "city_map.json"  # the rider's page, and in it the zones' outlines
# Other versions of these may predict differently.
_LIBRARIES = ("numpy", "onnxruntime")


def record_files(folder: Path) -> str:
    """The record of a model that was just verified, for `is_unchanged`.

    Args:
        folder: Its serving folder.
    """
    return json.dumps(_record(folder), indent=2)


def is_unchanged(folder: Path, record: Path) -> bool:
    """True if a model has the recorded files and is served by the libraries that verified it.

    Args:
        folder: Its serving folder.
        record: The file with the record.
    """
    try:
        return bool(json.loads(record.read_bytes()) == _record(folder))
    except (OSError, ValueError):
        return False


def _record(folder: Path) -> dict[str, dict[str, str]]:
    libraries = {name: version(name) for name in _LIBRARIES}
    return {
        "files": {path.name: sha256_of(path) for path in sorted(folder.iterdir())},
        "libraries": {"python": platform.python_version(), "machine": platform.machine(), **libraries},
    }

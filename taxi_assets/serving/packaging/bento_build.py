"""Builds a Bento from the service, the code it imports and a model's serving folder.

BentoML runs in its own process: it fixes its folders at its first import, and imports the service, whose module names
may clash with code already imported here.
"""

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from taxi_assets.errors import TaxiError
from taxi_assets.features.trip_features import PACKAGED_HOLIDAYS, holiday_dates
from taxi_assets.files import sha256_of, write_atomically
from taxi_assets.serving.packaged_files import CITY_MAP_FILE, PAGE_FOLDER, RECORD_FILE, record_files
from taxi_assets.serving.serving_manifest import read_manifest
from taxi_assets.settings import CHECKOUT, Settings
from taxi_assets.settings.environment import isolated

BENTO_NAME = "taxi_duration"
RELEASE_FILE = "release.json"

_PACKAGE = Path(__file__).parents[2]
_SERVICE = CHECKOUT / "bento" / "service.py"
# Libraries that the service imports, and time zones for machines without them.
_REQUIREMENTS = ("holidays", "msgspec", "numpy", "onnxruntime", "tzdata")

# Last lines of the build's output, shown when it fails.
_MAX_ERROR_LINES = 3
_BUILD_PREFIX = "building-"


@dataclass(frozen=True)
class BuiltBento:
    """A built Bento: its tag for `bentoml serve`, and its labels."""

    tag: str
    labels: Mapping[str, str]

    @property
    def model_version(self) -> int:
        """The version of its model, with which the tag's version begins."""
        return int(self.tag.partition(":v")[2].partition("-")[0])


def build_bento(
    settings: Settings, serving_folder: Path, labels: Mapping[str, str], city_map: str, is_latest: bool = True
) -> str:
    """Package a model, unless the store already has this Bento.

    A Bento appears in the store complete: a killed build leaves nothing there.

    Args:
        settings: Location of the store.
        serving_folder: The model, as written by `onnx_export.write_serving_folder`.
        labels: Facts on the Bento for people. They are part of its digest, so they must not name the run that
            builds it.
        city_map: The zones of the rider's page, as `city_map.city_map` draws them.
        is_latest: Whether `latest` becomes this Bento.

    Returns:
        The Bento's tag: the model's version and a digest of the contents.

    Raises:
        TaxiError: the folder is incomplete, or BentoML fails.
    """
    facts = read_manifest(serving_folder)["facts"]
    settings.bentoml_home.mkdir(parents=True, exist_ok=True)
    # BentoML refuses to build below a hidden folder, such as a home may be, so the build folder is elsewhere.
    with FileLock(settings.bentoml_home / "build.lock"), tempfile.TemporaryDirectory(prefix="taxi-bento-") as outside:
        for abandoned in settings.bentoml_home.glob(f"{_BUILD_PREFIX}*"):  # left by killed builds
            shutil.rmtree(abandoned, ignore_errors=True)
        # A unique name: BentoML may outlive a killed build and go on writing to its folder.
        build_folder = Path(tempfile.mkdtemp(prefix=_BUILD_PREFIX, dir=settings.bentoml_home))
        context = _stage(Path(outside, "context"), serving_folder, labels, city_map)
        bento_version = f"v{facts['version']}-{_digest(context)[:12]}"
        tag = f"{BENTO_NAME}:{bento_version}"
        if not (model_store(settings) / bento_version).is_dir():
            (context / RELEASE_FILE).write_text(json.dumps({"tag": tag, "labels": dict(labels)}))
            built = _run_bentoml(context, build_folder / "home", bento_version)
            model_store(settings).mkdir(parents=True, exist_ok=True)
            built.rename(model_store(settings) / bento_version)
        if is_latest:
            set_latest(settings, bento_version)
        shutil.rmtree(build_folder)
    return tag


def latest(settings: Settings) -> BuiltBento | None:
    """The Bento served by `bentoml serve taxi_duration:latest`; None before the first build.

    Raises:
        TaxiError: its release file is damaged.
    """
    try:
        bento_version = (model_store(settings) / "latest").read_text().strip()
        return _read_release(model_store(settings) / bento_version)
    except FileNotFoundError:
        return None


def bento_tags(settings: Settings, version: int) -> list[str]:
    """Tags of the store's Bentos of this model version.

    Raises:
        TaxiError: a release file is damaged.
    """
    found = sorted(model_store(settings).glob(f"v{version}-*/src/{RELEASE_FILE}"))
    return [_read_release(path.parents[1]).tag for path in found]


def _read_release(bento: Path) -> BuiltBento:
    path = bento / "src" / RELEASE_FILE
    try:
        found = json.loads(path.read_text())
        return BuiltBento(str(found["tag"]), dict(found["labels"]))
    except (ValueError, LookupError, TypeError) as error:
        raise TaxiError(
            f"{path} is damaged ({error}): delete {bento}, and `taxi run` packages its Bento again"
        ) from error


def model_store(settings: Settings) -> Path:
    """The folder of all Bentos, in which a running endpoint finds model versions."""
    return settings.bentoml_home / "bentos" / BENTO_NAME


def bento_folder(settings: Settings, tag: str) -> Path:
    """The folder of a Bento in the store."""
    return model_store(settings) / tag.partition(":")[2]


def set_latest(settings: Settings, bento_version: str) -> None:
    """Make a Bento of the store the one that `bentoml serve taxi_duration:latest` serves."""
    write_atomically(model_store(settings) / "latest", bento_version)


def _stage(context: Path, serving_folder: Path, labels: Mapping[str, str], city_map: str) -> Path:
    """Copy the Bento's contents to the build folder."""
    if not _SERVICE.is_file():
        raise TaxiError(f"{_SERVICE} is missing: package Bentos from a checkout or a wheel of the project")
    shutil.copytree(serving_folder, context / "model")
    (context / RECORD_FILE).write_text(record_files(context / "model"))
    shutil.copytree(_SERVICE.with_name(PAGE_FOLDER), context / PAGE_FOLDER)
    (context / PAGE_FOLDER / CITY_MAP_FILE).write_text(city_map, encoding="utf-8")
    for path in (_SERVICE, _SERVICE.with_name("README.md")):
        shutil.copy(path, context)
    holidays = context / PACKAGED_HOLIDAYS.relative_to(_PACKAGE.parent)
    holidays.parent.mkdir(parents=True)
    holidays.write_text(json.dumps([day.isoformat() for day in holiday_dates()]))
    for path in _imported_modules(_SERVICE):
        copy = context / path.relative_to(_PACKAGE.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    bentofile = {
        "service": "service:TaxiDuration",
        "name": BENTO_NAME,
        "labels": dict(labels),
        "include": ["*.py", "*.json", "model/*", f"{PAGE_FOLDER}/*", f"{_PACKAGE.name}/**/*.py"],
        "python": {
            "packages": [f"{name}=={version(name)}" for name in _REQUIREMENTS],
            "lock_packages": False,  # it would query a package index
        },
    }
    (context / "bentofile.yaml").write_text(json.dumps(bentofile))  # JSON is YAML too
    return context


def _imported_modules(script: Path) -> set[Path]:
    """Modules of this package that a script imports, directly or not."""
    found, waiting = set[Path](), [script]
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop().read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{_PACKAGE.name}."):
                path = _PACKAGE.parent / f"{str(node.module).replace('.', '/')}.py"
                if path not in found:
                    found.add(path)
                    waiting.append(path)
    packages = {parent for path in found for parent in path.parents if parent.is_relative_to(_PACKAGE)}
    return found | {package / "__init__.py" for package in packages}


def _digest(context: Path) -> str:
    files = sorted(path for path in context.rglob("*") if path.is_file())
    parts = [[str(path.relative_to(context)), sha256_of(path)] for path in files]
    return hashlib.sha256(json.dumps([parts, version("bentoml")]).encode()).hexdigest()


def _run_bentoml(context: Path, home: Path, bento_version: str) -> Path:
    """Build the context in a separate store and return the Bento's folder."""
    home.mkdir()
    command = [sys.executable, "-m", "bentoml", "build", "--version", bento_version, str(context)]
    environment = {
        **isolated(os.environ),
        "BENTOML_HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",  # otherwise files in the current folder could replace libraries
    }
    done = subprocess.run(command, cwd=context, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        message = " ".join((done.stdout + done.stderr).split("\n")[-_MAX_ERROR_LINES:]).strip()
        raise TaxiError(f"BentoML could not build the Bento ({message}): fix bento/service.py or its imports")
    return home / "bentos" / BENTO_NAME / bento_version

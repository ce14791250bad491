"""Models to register: pickles of plain values, since the registry checks only digests."""

import pickle
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.database import client
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings

Register = Callable[..., Version]


def connect(settings: Settings) -> sqlite3.Connection:
    return sqlite3.connect(settings.mlflow_home / "mlflow.db")


def register(settings: Settings, training_key: str, model: Any = None, **tags: str) -> Version:
    """Logs a value as this training's model in a new run, and registers it."""
    run_id = tracking.open_run(settings, f"run of {training_key}", "job", {})
    api = client(settings)
    logged = api.create_logged_model(api.get_run(run_id).info.experiment_id, source_run_id=run_id)
    folder = Path(url2pathname(urlsplit(logged.artifact_location).path))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.pkl").write_bytes(pickle.dumps(model or training_key))
    return model_versions.register(settings, run_id, logged.model_uri, training_key, tags)


def model_pickle(settings: Settings, version: Version) -> Path:
    """The pickle file of a version."""
    uri = client(settings).get_model_version_download_uri(version.name, str(version.version))
    return Path(url2pathname(urlsplit(uri).path)) / "model.pkl"

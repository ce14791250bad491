"""Copies of source files in a store that all machines reach, under the paths of their rows.

`TAXI_SHARED_FILES` names the store. A file is there before its row is in the warehouse: a machine that reads the row
finds the file. Without the setting, files are in the home only, and nothing here takes time.
"""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from taxi_assets.errors import TaxiError
from taxi_assets.files import sha256_of, write_atomically
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.settings import Settings
from taxi_assets.tlc import tlc_source
from taxi_assets.warehouse.shared_store import SharedStore

_FOLDERS = ("files", "quarantine")


def share_file(settings: Settings, file: Path, path: str) -> None:
    """Copy a file of the home to the store under the path of its row, unless it is there.

    Raises:
        SharedStoreUnavailable: the store cannot be reached.
    """
    if settings.shared_files and file.is_file() and not file.is_symlink():
        store = _store(settings)
        if not store.has(path):
            store.write(path, file)


def is_available(settings: Settings, source_file: SourceFile) -> bool:
    """True if a row's file is in the home or in the store."""
    if (settings.root / source_file.path).is_file():
        return True
    return settings.shared_files is not None and _store(settings).has(source_file.path)


def listed_files(settings: Settings) -> Callable[[SourceFile], bool]:
    """A function that is true if a row's file is in the home, or is in the store when it is first asked."""

    @cache
    def shared_paths() -> frozenset[str]:
        store = _store(settings)
        return frozenset(f"{folder}/{name}" for folder in _FOLDERS for name in store.names(folder))

    def exists(row: SourceFile) -> bool:
        is_here = os.path.lexists(settings.root / row.path)
        return is_here or (settings.shared_files is not None and row.path in shared_paths())

    return exists


def fetch_shared(settings: Settings, source_file: SourceFile) -> None:
    """Copy a row's file from the store to the home, unless it is there.

    Raises:
        SharedStoreUnavailable: the store cannot be reached.
        TaxiError: the store's file is damaged.
    """
    path = settings.root / source_file.path
    if settings.shared_files is None or path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    store = _store(settings)
    try:
        store.fetch(source_file.path, draft)
        if sha256_of(draft) != source_file.sha256:
            raise TaxiError(
                f"{source_file.label} is damaged in {store.address}: its SHA-256 is another. Delete "
                f"{source_file.path} there, then put a good copy into the landing folder"
            )
        draft.chmod(0o444)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def zone_files(settings: Settings) -> tuple[Path, Path]:
    """TLC's zone files in the landing folder: from the store if it has them, otherwise from the source.

    Raises:
        TaxiError: neither has them.
    """
    for name in tlc_source.ZONE_FILE_NAMES if settings.shared_files else ():
        content = None if (settings.landing / name).is_file() else _store(settings).read(_zone_key(name))
        if content is not None:
            settings.landing.mkdir(parents=True, exist_ok=True)
            write_atomically(settings.landing / name, content)
    found = tlc_source.ensure_zone_files(settings.tlc_source, settings.landing)
    share_zone_files(settings)
    return found


def share_zone_files(settings: Settings) -> None:
    """Copy the zone files of the landing folder to the store, unless they are there.

    Raises:
        SharedStoreUnavailable: the store cannot be reached.
    """
    for name in tlc_source.ZONE_FILE_NAMES:
        share_file(settings, settings.landing / name, _zone_key(name))


def _zone_key(name: str) -> str:
    return f"zones/{name}"


def _store(settings: Settings) -> SharedStore:
    return SharedStore(settings, "shared_files")

"""Exchanges sealed log segments with other machines through the shared store.

A segment never changes and its name is unique, so each is uploaded once, downloaded once by each other machine, and
ingested once by its name. An empty file `<name>.shared` beside the segment marks one that is in the store. The marker
stays until the store has deleted the segment, so that an old one is not downloaded again.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from taxi_assets.files import write_atomically
from taxi_assets.serving.prediction_log.ingest_log import ingested_segments
from taxi_assets.serving.prediction_log.segments import SEALED, TORN, names, seal_ended
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.shared_store import SharedStore

SHARED = ".shared"


@dataclass(frozen=True)
class Exchanged:
    """The names of segments that were uploaded, downloaded, and deleted in the store."""

    uploaded: tuple[str, ...] = ()
    downloaded: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


def exchange_segments(store: SharedStore, folder: Path, key: str) -> Exchanged:
    """Upload this machine's sealed segments, and download those of the others.

    Args:
        store: The shared store.
        folder: The folder of a log.
        key: The log's folder in the store.

    Raises:
        SharedStoreUnavailable: the store cannot be reached; what is not uploaded stays here.
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seal_ended(folder)
    stored = {name.removesuffix(SEALED) for name in store.names(key) if name.endswith(SEALED)}
    marked = set(names(folder, SHARED))
    new = [name for name in names(folder, SEALED) if name not in marked]
    for name in new:
        _upload(store, folder, key, name)
    missing = sorted(stored - marked - set(new))
    for name in missing:
        _download(store, folder, key, name)
    for name in marked - stored - set(names(folder, SEALED)):
        _marker(folder, name).unlink(missing_ok=True)
    return Exchanged(tuple(new), tuple(missing))


def delete_ingested(store: SharedStore, warehouse: Warehouse, folder: Path, key: str) -> Exchanged:
    """Delete segments in the store that the ingestion has removed here, days after it had them.

    A segment that is neither here nor in the warehouse is downloaded again by the next exchange.

    Raises:
        SharedStoreUnavailable: the store cannot be reached.
        WarehouseUnavailable: the warehouse cannot.
    """
    gone = sorted(set(names(folder, SHARED)) - set(names(folder, SEALED)))
    ingested = ingested_segments(warehouse, gone)
    for name in gone:
        if name in ingested:
            for suffix in (TORN, SEALED):
                store.delete(f"{key}/{name}{suffix}")
        (folder / f"{name}{TORN}").unlink(missing_ok=True)
        _marker(folder, name).unlink(missing_ok=True)
    return Exchanged(deleted=tuple(name for name in gone if name in ingested))


def remove_old(folder: Path, days: int) -> tuple[str, ...]:
    """Remove the files of segments that are in the store and older than some days, and return their names."""
    before = time.time() - days * 86_400
    old = []
    for name in set(names(folder, SHARED)) & set(names(folder, SEALED)):
        path = folder / f"{name}{SEALED}"
        if path.stat().st_mtime < before:
            path.unlink()
            (folder / f"{name}{TORN}").unlink(missing_ok=True)
            old.append(name)
    return tuple(sorted(old))


def _upload(store: SharedStore, folder: Path, key: str, name: str) -> None:
    torn = folder / f"{name}{TORN}"
    if torn.exists():
        store.write(f"{key}/{torn.name}", torn)
    store.write(f"{key}/{name}{SEALED}", folder / f"{name}{SEALED}")
    _marker(folder, name).touch()


def _download(store: SharedStore, folder: Path, key: str, name: str) -> None:
    torn, content = (store.read(f"{key}/{name}{suffix}") for suffix in (TORN, SEALED))
    if content is None:  # deleted since it was listed
        return
    if torn is not None:
        write_atomically(folder / f"{name}{TORN}", torn)
    # Marked last: after a kill in between it is uploaded again, the same bytes. A marker alone would mean "ingested".
    write_atomically(folder / f"{name}{SEALED}", content)
    _marker(folder, name).touch()


def _marker(folder: Path, name: str) -> Path:
    return folder / f"{name}{SHARED}"

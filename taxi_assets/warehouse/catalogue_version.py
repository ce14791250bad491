"""Migrates a catalogue of an older DuckLake version and rejects one of a newer version."""

import logging
import re
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import duckdb

from taxi_assets.errors import TaxiError
from taxi_assets.files import write_atomically

# The version the installed extension writes.
DUCKLAKE_VERSION = "1.0"

_LOG = logging.getLogger(__name__)


def migrate_if_older(catalogue: Path, lock: AbstractContextManager[None], migrate: Callable[[], None]) -> None:
    """Migrates the catalogue of an older DuckLake once, and keeps a copy beside it.

    Args:
        catalogue: The catalogue's file; may be missing.
        lock: Publish lock, taken during the migration.
        migrate: Attaches the catalogue so that DuckLake migrates it.

    Raises:
        TaxiError: the catalogue is of a newer DuckLake, is damaged, or cannot be migrated.
    """
    if not catalogue.is_file() or not _is_older(catalogue):
        return
    with lock:
        if _is_older(catalogue):
            _migrate(catalogue, migrate)


def _is_older(catalogue: Path) -> bool:
    version = _version(catalogue)
    if _parts(version) > _parts(DUCKLAKE_VERSION):
        raise TaxiError(
            f"the warehouse in {catalogue.parent} is of DuckLake {version}, made by a later release: "
            f"install that release, or set TAXI_HOME to another folder; this one reads DuckLake {DUCKLAKE_VERSION}"
        )
    return version != DUCKLAKE_VERSION


def _version(catalogue: Path) -> str:
    try:
        with closing(sqlite3.connect(f"{catalogue.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
            rows = connection.execute("SELECT value FROM ducklake_metadata WHERE key = 'version'").fetchall()
    except sqlite3.OperationalError:
        return DUCKLAKE_VERSION  # just being created, or the disk is full: attaching it raises the error
    except sqlite3.DatabaseError as error:
        raise TaxiError(
            f"{catalogue} is not a DuckLake catalogue ({error}): move it away to start with an empty warehouse"
        ) from error
    return str(rows[0][0]) if rows else DUCKLAKE_VERSION


def _parts(version: str) -> tuple[int, ...]:
    """The version as numbers that sort: `0.3-dev1` comes before `0.3`."""
    numbers = [int(number) for number in re.findall(r"\d+", version.partition("-")[0])]
    return (*[*numbers, 0, 0][:3], 0 if "-" in version else 1)


def _migrate(catalogue: Path, migrate: Callable[[], None]) -> None:
    version = _version(catalogue)
    backup = catalogue.with_name(f"{catalogue.name}.ducklake-{version}")
    with closing(sqlite3.connect(catalogue)) as old:
        write_atomically(backup, old.serialize())
    _LOG.warning(
        "migrating the warehouse from DuckLake %s to %s; its old catalogue is kept as %s",
        version,
        DUCKLAKE_VERSION,
        backup,
    )
    try:
        migrate()
    except duckdb.Error as error:
        raise TaxiError(
            f"the warehouse cannot be migrated from DuckLake {version} to {DUCKLAKE_VERSION} "
            f"({str(error).splitlines()[0]}): the old catalogue is kept as {backup}"
        ) from error

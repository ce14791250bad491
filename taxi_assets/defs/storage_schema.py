"""Upgrades Dagster's databases in a home to the installed release; refuses those of a later release."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import dagster as dg

from taxi_assets.registry.schema_revision import is_older, is_older_revision
from taxi_assets.settings import Settings
from taxi_assets.settings.postgres import address, locked_schema, schema_of, schema_revision

_DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
_MIGRATIONS = Path(dg.__file__).parent / "_core" / "storage" / "alembic"
_LOG = logging.getLogger(__name__)


def require_current_schema(settings: Settings) -> None:
    """Upgrade databases made by an older Dagster; copies of them stay in the folder.

    Call it while no other process uses the home's Dagster. Does nothing if the stamp names this Dagster.

    Raises:
        TaxiError: a database is of a later Dagster.
    """
    home = settings.dagster_home
    stamp, text = home / "ready", f"Dagster {version('dagster')}\n"
    if stamp.is_file() and stamp.read_text() == text:
        return
    databases = [home / name for name in _DATABASES if (home / name).is_file()]
    if any(is_older(database, _MIGRATIONS, text.strip()) for database in databases):
        _upgrade(home)
    stamp.write_text(text)


@contextmanager
def current_schema(settings: Settings) -> Iterator[None]:
    """Upgrade an older Dagster's tables in PostgreSQL; excludes other machines until it closes.

    Raises:
        TaxiError: the database cannot be used, or it is of a later Dagster.
    """
    with locked_schema(settings, "dagster_storage") as connection:
        place = f"the schema {schema_of(settings, 'dagster_storage')} in {address(settings, 'dagster_storage')}"
        library = f"Dagster {version('dagster')}"
        found = schema_revision(connection)
        if found and is_older_revision(found, place, _MIGRATIONS, library, "name another database"):
            _LOG.warning("upgrading %s to %s", place, library)
            with dg.DagsterInstance.get() as instance:
                instance.upgrade()
        yield


def _upgrade(home: Path) -> None:
    kept = home / f"before-dagster-{version('dagster')}"
    for folder in ("history", "schedules"):
        shutil.copytree(home / folder, kept / folder, dirs_exist_ok=True)
    _LOG.warning("upgrading Dagster's databases to %s; copies of the old ones are in %s", version("dagster"), kept)
    with dg.DagsterInstance.get() as instance:
        instance.upgrade()

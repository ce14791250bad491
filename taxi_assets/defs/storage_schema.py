"""Upgrades Dagster's databases in a home to the installed release; refuses those of a later release."""

import logging
import shutil
import sqlite3
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path

import dagster as dg

from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings

__all__ = ["require_current_schema"]

_DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
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
    if any(_is_older(home / name) for name in _DATABASES):
        _upgrade(home)
    stamp.write_text(text)


def _is_older(database: Path) -> bool:
    from alembic.script import ScriptDirectory

    found = _revision(database)
    if found is None:
        return False
    scripts = ScriptDirectory(str(Path(dg.__file__).parent / "_core" / "storage" / "alembic"))
    if found not in {script.revision for script in scripts.walk_revisions()}:
        raise TaxiError(
            f"{database} is of schema {found}, made by a later release: install that release, or set TAXI_HOME to "
            f"another folder; this one has Dagster {version('dagster')}"
        )
    return found != scripts.get_current_head()


def _revision(database: Path) -> str | None:
    """The schema revision of a database; None if there is no database or no revision yet."""
    if not database.is_file():
        return None
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(database)) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None
    return None


def _upgrade(home: Path) -> None:
    kept = home / f"before-dagster-{version('dagster')}"
    for folder in ("history", "schedules"):
        shutil.copytree(home / folder, kept / folder, dirs_exist_ok=True)
    _LOG.warning("upgrading Dagster's databases to %s; copies of the old ones are in %s", version("dagster"), kept)
    with dg.DagsterInstance.get() as instance:
        instance.upgrade()

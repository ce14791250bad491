"""Upgrades Dagster's databases in a home to the installed release; refuses those of a later release."""

import logging
import shutil
from importlib.metadata import version
from pathlib import Path

import dagster as dg

from taxi_assets.registry.schema_revision import is_older
from taxi_assets.settings import Settings

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
    migrations = Path(dg.__file__).parent / "_core" / "storage" / "alembic"
    databases = [home / name for name in _DATABASES if (home / name).is_file()]
    if any(is_older(database, migrations, text.strip()) for database in databases):
        _upgrade(home)
    stamp.write_text(text)


def _upgrade(home: Path) -> None:
    kept = home / f"before-dagster-{version('dagster')}"
    for folder in ("history", "schedules"):
        shutil.copytree(home / folder, kept / folder, dirs_exist_ok=True)
    _LOG.warning("upgrading Dagster's databases to %s; copies of the old ones are in %s", version("dagster"), kept)
    with dg.DagsterInstance.get() as instance:
        instance.upgrade()

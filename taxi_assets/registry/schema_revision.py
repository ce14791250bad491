"""The schema revision of a library's database, which Alembic keeps in it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from taxi_assets.errors import TaxiError


def is_older(database: Path, migrations: Path, library: str) -> bool | None:
    """True if an older release of the library made the database; None if it has no revision.

    Args:
        database: The database's file; it stays unchanged.
        migrations: The folder of the installed library's migrations.
        library: The installed library with its version, for messages.

    Raises:
        TaxiError: the file is no database, or a later release made it.
    """
    return is_older_revision(
        _revision(database), f"'{database}'", migrations, library, "set TAXI_HOME to another folder"
    )


def is_older_revision(found: str | None, place: str, migrations: Path, library: str, remedy: str) -> bool | None:
    """True if an older release of the library has this revision; None without a revision.

    Raises:
        TaxiError: a later release made it.
    """
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(migrations))
    if found and found not in {script.revision for script in scripts.walk_revisions()}:
        raise TaxiError(
            f"{place} is of schema {found}, made by a later release: install that release, or {remedy}; "
            f"this one has {library}"
        )
    return found != scripts.get_current_head() if found else None


def _revision(database: Path) -> str | None:
    try:
        with closing(sqlite3.connect(database)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None  # there is no such table
    except sqlite3.DatabaseError as error:
        raise TaxiError(f"'{database}' is not a database ({error}): move it away to start a new one") from error
    return str(row[0]) if row else None

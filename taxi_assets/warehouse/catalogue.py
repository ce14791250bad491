"""Locates DuckLake's catalogue, and locks it for publishers.

The catalogue is SQLite under the home, or a PostgreSQL database (`TAXI_CATALOG`). Both have one publisher at a time: a
file lock excludes the processes of a machine, an advisory lock of PostgreSQL those of all machines.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock, Timeout

from taxi_assets.errors import TaxiError, WarehouseUnavailable
from taxi_assets.settings import Settings
from taxi_assets.warehouse.data_path import data_root
from taxi_assets.warehouse.sql_quotes import quote_literal


def extensions(settings: Settings) -> tuple[str, str]:
    """DuckDB's extensions that read the catalogue."""
    return "ducklake", "postgres_scanner" if settings.catalog else "sqlite_scanner"


def catalogue_file(settings: Settings) -> Path:
    """The file of a catalogue in SQLite."""
    return settings.warehouse / "catalog.sqlite"


def is_new(settings: Settings) -> bool:
    """True if there is no catalogue yet; attaching it creates one."""
    if settings.catalog is None:
        return not catalogue_file(settings).is_file()
    with closing(_connect(settings)) as connection:
        name = f"taxi_{settings.space}.ducklake_metadata"
        return bool(connection.execute("SELECT to_regclass(%s) IS NULL", [name]).fetchone()[0])


def tables_marker(settings: Settings) -> Path:
    """The file that shows which tables the catalogue has; each catalogue and data path has its own."""
    places = [catalogue_connection(settings)] if settings.catalog else []
    places += [data_root(settings)] if settings.data_path else []
    if not places:
        return settings.warehouse / "tables.json"
    digest = hashlib.sha256("\n".join(places).encode()).hexdigest()[:12]
    return settings.warehouse / f"tables-{digest}.json"


def attachment(settings: Settings, copy: Path | None = None) -> tuple[str, str]:
    """The catalogue's address as an SQL literal and its options of `ATTACH`; `copy` is read-only."""
    data = f"DATA_PATH {quote_literal(data_root(settings))}"
    if settings.catalog is not None:
        # Without OVERRIDE_DATA_PATH: DuckLake then refuses a home whose files are elsewhere than the catalogue's.
        address = f"ducklake:postgres:{catalogue_connection(settings)}"
        return quote_literal(address), f"{data}, METADATA_SCHEMA 'taxi_{settings.space}'"
    # Paths in the catalogue are relative to the data path: overriding it lets a home be moved or linked.
    # Files in S3 do not move: without overriding it, DuckLake refuses a catalogue of other files.
    options = data if settings.data_path else f"{data}, OVERRIDE_DATA_PATH true"
    options += ", META_JOURNAL_MODE 'WAL', META_BUSY_TIMEOUT 60000"  # otherwise a commit fails during a read
    options += ", READ_ONLY" if copy else ""
    return quote_literal(f"ducklake:sqlite:{copy or catalogue_file(settings)}"), options


@contextmanager
def publish_lock(settings: Settings, timeout: float = -1) -> Iterator[None]:
    """The lock of publishers and maintenance; readers take none.

    Args:
        settings: The warehouse's settings.
        timeout: Seconds to wait; below zero, without end.

    Raises:
        Timeout: the lock stayed busy.
        WarehouseUnavailable: PostgreSQL cannot be reached.
    """
    if settings.catalog is None:
        with FileLock(settings.warehouse / "publish.lock").acquire(timeout=timeout):
            yield
        return
    with _advisory_lock(settings, timeout):
        yield


def staging_lock(settings: Settings, timeout: float = -1) -> FileLock:
    """The lock of a home's process that writes files of a month before a table knows them.

    For memory, a home stages one month at a time. Maintenance takes it too: it would delete the link to an old file.
    """
    return FileLock(settings.warehouse / "staging.lock", timeout=timeout)


@contextmanager
def _advisory_lock(settings: Settings, timeout: float) -> Iterator[None]:
    # On a connection of its own, from before BEGIN until after COMMIT: a lock within the transaction does not help,
    # since DuckLake has read the catalogue before it waits. A process that dies loses the connection and the lock.
    with closing(_connect(settings)) as connection:
        import psycopg

        name = f"taxi publish {settings.space}"
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        try:
            wait = f"{max(int(timeout * 1000), 1)}ms" if timeout >= 0 else "0"  # 0 waits without end
            connection.execute("SELECT set_config('lock_timeout', %s, false)", [wait])
            connection.execute("SELECT pg_advisory_lock(%s)", [key])
        except psycopg.errors.LockNotAvailable:
            raise Timeout(name) from None
        except psycopg.OperationalError as error:
            raise _unreachable(settings, error) from None
        yield


def _connect(settings: Settings) -> Any:
    conninfo = catalogue_connection(settings)
    import psycopg

    try:
        return psycopg.connect(conninfo, autocommit=True, application_name=f"taxi publish {settings.space}")
    except psycopg.OperationalError as error:
        raise _unreachable(settings, error) from None


def catalogue_connection(settings: Settings) -> str:
    """The connection string of PostgreSQL's client library, without the password.

    DuckDB quotes the string in errors and shows it in `duckdb_databases()`. The password is therefore in the
    environment, where the client library reads it.

    Raises:
        TaxiError: the packages for PostgreSQL are missing.
    """
    try:
        from psycopg import conninfo
    except ImportError:
        raise TaxiError("TAXI_CATALOG needs the packages for PostgreSQL: run `make env-scale`") from None
    url = str(settings.catalog.get_secret_value()) if settings.catalog else ""
    try:
        parts = conninfo.conninfo_to_dict(url)
    except Exception:
        raise TaxiError(
            "TAXI_CATALOG is not an address of PostgreSQL: write postgres://user:password@host:port/database"
        ) from None
    password = parts.pop("password", None)
    if password:
        os.environ["PGPASSWORD"] = str(password)
    return str(conninfo.make_conninfo("", **parts))


@contextmanager
def clear_errors(settings: Settings) -> Iterator[None]:
    """Turns DuckDB's errors about a catalogue in PostgreSQL into one line with the remedy.

    Raises:
        WarehouseUnavailable: the catalogue cannot be used.
    """
    try:
        yield
    except duckdb.Error as error:
        if settings.catalog is None or "No snapshot found" in str(error):
            raise
        raise _unreachable(settings, error) from None


def _unreachable(settings: Settings, error: Exception) -> WarehouseUnavailable:
    """The error of a catalogue in PostgreSQL that cannot be used, without the password."""
    reason = " ".join(str(error).split())
    password = os.environ.get("PGPASSWORD")
    if password:
        reason = reason.replace(password, "***")
    return WarehouseUnavailable(
        f"the catalogue of TAXI_CATALOG ({catalogue_connection(settings)}) cannot be used: {reason}. "
        "Check the address, and that PostgreSQL runs there"
    )

"""Opens all connections to the warehouse: DuckDB tables as parquet in a DuckLake catalogue.

Writers publish one transaction at a time, behind a lock between processes. Readers need no lock and see whole months
only. Values are bound to SQL statements, never formatted into them.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse import catalogue, data_path
from taxi_assets.warehouse.catalogue_version import migrate_if_older
from taxi_assets.warehouse.extensions import open_database
from taxi_assets.warehouse.full_disk import has_room, readable_copy
from taxi_assets.warehouse.null_rows import delete_null_rows, insert_null_rows
from taxi_assets.warehouse.queries import newest_snapshot
from taxi_assets.warehouse.schema import TABLES
from taxi_assets.warehouse.sql_quotes import quote_literal

SEARCH_PATH = "SET search_path = 'lake.main,memory.main'"  # the tables, then the macros

# Parquet options of DuckLake. 3,000,000 raw trips take 53 MiB with version 2 and snappy, 47 MiB with version 1 and
# zstd; version 2 takes two thirds of the time.
_OPTIONS = {"parquet_version": "2", "parquet_compression": "snappy"}

# One open database per process and home.
_databases: dict[tuple[int, int, Settings], duckdb.DuckDBPyConnection] = {}


@dataclass(frozen=True)
class Warehouse:
    """Opens connections to the warehouse; reads the newest snapshot unless `read_snapshot` is given."""

    settings: Settings
    read_snapshot: int | None = None

    def at(self, snapshot: int | None) -> "Warehouse":
        """The warehouse at an earlier snapshot, for reading; None means the newest."""
        return Warehouse(self.settings, snapshot)

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that reads one snapshot throughout."""
        self._initialise()
        with ExitStack() as stack:
            stack.enter_context(data_path.clear_errors(self.settings))
            is_full = self._is_local and not has_room(self.settings.warehouse)
            copy = stack.enter_context(readable_copy(catalogue.catalogue_file(self.settings))) if is_full else None
            yield stack.enter_context(closing(self._connect(copy, begin=True)))

    @contextmanager
    def publishing(self, message: str, run_id: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction: commits after the block, rolls back on an exception.

        Args:
            message: The snapshot's commit message.
            run_id: The Dagster run that publishes.
        """
        with self.exclusive_connection() as connection, transaction(connection, message, run_id):
            yield connection

    @contextmanager
    def exclusive_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection without a transaction; other publishers wait meanwhile."""
        self._initialise()  # before the lock, which it takes itself
        with catalogue.publish_lock(self.settings), self._unlocked() as connection:
            yield connection

    @contextmanager
    def unlocked_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection without a transaction; one that writes needs the lock of publishers."""
        self._initialise()
        with self._unlocked() as connection:
            yield connection

    @contextmanager
    def _unlocked(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with data_path.clear_errors(self.settings), closing(self._connect()) as connection:
            yield connection

    def snapshot(self) -> int:
        """The number of the newest snapshot."""
        with self.reading() as connection:
            return newest_snapshot(connection)

    def snapshots(self) -> tuple[int, ...]:
        """The numbers of all readable snapshots, oldest first."""
        with self.reading() as connection:
            rows = connection.execute("SELECT snapshot_id FROM lake.snapshots() ORDER BY 1").fetchall()
        return tuple(int(row[0]) for row in rows)

    def _initialise(self) -> None:
        # On a full disk SQLite cannot write beside the catalogue: skip the migration, readers use a copy.
        if catalogue.catalogue_file(self.settings).is_file() and self._is_local and has_room(self.settings.warehouse):
            migrate_if_older(
                catalogue.catalogue_file(self.settings), catalogue.publish_lock(self.settings), self._migrate
            )
        marker = catalogue.tables_marker(self.settings)
        if marker.is_file() and marker.read_text() == _definitions():
            return
        require_writable(self.settings.home)
        (self.settings.warehouse / "data").mkdir(parents=True, exist_ok=True)
        self.settings.landing.mkdir(parents=True, exist_ok=True)
        self.settings.file_store.mkdir(parents=True, exist_ok=True)
        with catalogue.publish_lock(self.settings):
            if self.settings.data_path:  # before ATTACH, which records the data path for good
                with closing(self._database()) as connection:
                    data_path.require_own_prefix(connection, self.settings, catalogue.is_new(self.settings))
            with closing(self._connect(begin=True)) as connection:
                self._create(connection)
            marker.write_text(_definitions())

    def _create(self, connection: duckdb.DuckDBPyConnection) -> None:
        data_path.require_known_place(connection, self.settings)
        for option, value in _OPTIONS.items():
            connection.execute("CALL lake.set_option($option, $value)", {"option": option, "value": value})
        self._create_tables(connection)
        insert_null_rows(connection)
        connection.execute("COMMIT")
        delete_null_rows(connection)

    @staticmethod
    def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
        # Tables are not partitioned: a transaction writes one month, so each file has one month anyway and its
        # statistics say which; partitioning doubles the write time.
        query = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'lake'"
        existing = set(connection.execute(query).fetchall())
        for table in TABLES.values():
            if table.query:
                # Others stay: files that were registered since have extended `raw_trips`.
                connection.execute(f"CREATE VIEW IF NOT EXISTS {table.name} AS {table.select()}")
                continue
            if (table.name, table.columns[0].name) not in existing:
                connection.execute(table.ddl())
                continue
            for column in table.columns:  # those that a table of an earlier release lacks
                if (table.name, column.name) not in existing:
                    connection.execute(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {column.type}")

    def _connect(self, copy: Path | None = None, *, begin: bool = False) -> duckdb.DuckDBPyConnection:
        """A new connection; those to the newest snapshot share this process's database."""
        connection = self._open(copy) if copy or self._is_own_database else self._shared_database().cursor()
        if begin:  # before the search path, which reads the catalogue as the first query does: once for both
            connection.execute("BEGIN TRANSACTION")
        connection.execute(SEARCH_PATH)
        return connection

    @property
    def _is_own_database(self) -> bool:
        # With PostgreSQL always: its connections do not survive a restart of the server.
        return (
            self.read_snapshot is not None
            or not self._is_local
            or not catalogue.catalogue_file(self.settings).is_file()
        )

    @property
    def _is_local(self) -> bool:
        return self.settings.catalog is None

    def _shared_database(self) -> duckdb.DuckDBPyConnection:
        key = (os.getpid(), catalogue.catalogue_file(self.settings).stat().st_ino, self.settings)
        if key not in _databases:
            _databases[key] = self._open()
        return _databases[key]

    def _open(self, copy: Path | None = None) -> duckdb.DuckDBPyConnection:
        """A new database on the catalogue, or on a read-only copy of it."""
        connection = self._database()
        with catalogue.clear_errors(self.settings), data_path.clear_errors(self.settings):
            connection.execute(self._attachment(copy))
        define_macros(connection, shared=True)  # takes longer than a small query
        # From here on, no statement can reach files outside the platform's folders or lift this limit. Exception:
        # SQLite and PostgreSQL databases, which their extensions open themselves.
        settings = self.settings
        folders = [settings.warehouse, settings.landing, settings.file_store, data_path.data_root(settings)]
        connection.execute(
            f"SET allowed_directories = [{', '.join(quote_literal(f'{folder}/') for folder in folders)}]"
        )
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection

    def _migrate(self) -> None:
        with closing(self._database()) as connection:
            connection.execute(self._attachment().removesuffix(")") + ", AUTOMATIC_MIGRATION true)")

    def _database(self) -> duckdb.DuckDBPyConnection:
        """A new database with the extensions and keys that the catalogue and the files need."""
        names = (*catalogue.extensions(self.settings), *data_path.extensions(self.settings))
        connection = open_database(names, self._config())
        data_path.allow_access(connection, self.settings)
        return connection

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "memory_limit": self.settings.memory_limit,
            "temp_directory": str(self.settings.warehouse / "spill"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        return config | ({"threads": self.settings.threads} if self.settings.threads else {})

    def _attachment(self, copy: Path | None = None) -> str:
        address, options = catalogue.attachment(self.settings, copy)
        if self.read_snapshot is not None:
            options += f", SNAPSHOT_VERSION {int(self.read_snapshot)}"
        return f"ATTACH {address} AS lake ({options})"


@cache
def _definitions() -> str:
    """The tables of this release as JSON, which a warehouse keeps to show that it has them."""
    definitions = {name: table.select() or table.ddl() for name, table in TABLES.items()}
    return json.dumps(definitions | {"options": _OPTIONS}, indent=1)


@contextmanager
def one_snapshot(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Reads one snapshot during the block; saves 5 ms a statement, as DuckLake finds it once."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection, message: str, run_id: str | None) -> Iterator[None]:
    """Commits after the block, rolls back on an exception; for a connection that others wait for."""
    connection.execute("BEGIN TRANSACTION")
    connection.execute(
        "CALL lake.set_commit_message('taxi', $message, extra_info => $extra)",
        {"message": message, "extra": json.dumps({"dagster_run_id": run_id})},
    )
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def define_macros(connection: duckdb.DuckDBPyConnection, *, shared: bool = False) -> None:
    """Defines the macros of the SQL files, such as `elapsed_seconds`, on this connection or its database."""
    from taxi_assets.tlc.local_time import macros  # imports NumPy, which the code location does without

    for macro in macros():
        connection.execute(f"CREATE OR REPLACE {'MACRO memory.main.' if shared else 'TEMP MACRO '}{macro}")


def month_key(service: str, month: Month) -> Mapping[str, object]:
    """The parameters `$service` and `$month` of the SQL files."""
    return {"service": service, "month": month.first_day}


def create_month_view(connection: duckdb.DuckDBPyConnection, view: str, table: str, key: Mapping[str, object]) -> None:
    """Creates `view` on this connection: the rows of `table` with the `month_key`.

    All such views of a connection show the same month.
    """
    for name in ("service", "month"):
        connection.execute(f"SET VARIABLE {name} = $value", {"value": key[name]})
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT * FROM {table} "
        "WHERE service = getvariable('service') AND month = getvariable('month')"
    )


def require_writable(folder: Path) -> None:
    """Checks that a folder can be written to, before any work; rejects read-only ones even for root.

    Raises:
        TaxiError: the folder cannot be created, or is marked read-only.
    """
    remedy = "make it writable or set TAXI_HOME to a folder that is"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise TaxiError(f"cannot write to {folder} ({error.strerror}): {remedy}") from error
    if not folder.stat().st_mode & 0o222:
        raise TaxiError(f"{folder} is marked read-only: {remedy}")

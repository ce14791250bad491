"""A PostgreSQL server on loopback for tests, in a folder of its own."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pydantic import PostgresDsn, Secret

PASSWORD = "planted-password-7"  # noqa: S105 - of a server that only a test uses


def missing() -> str:
    """Names in one line the part of PostgreSQL that this machine lacks; empty if none."""
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        return "PostgreSQL's initdb and pg_ctl are not in PATH"
    if not (find_spec("psycopg") and find_spec("duckdb_extension_postgres_scanner") and find_spec("dagster_postgres")):
        return "the packages for PostgreSQL are missing: run `make env-scale`"
    return "" if _owner() is not None else "PostgreSQL refuses root, and no user `postgres` is here"


def _owner() -> int | None:
    import pwd

    if os.geteuid():
        return os.geteuid()
    return next((user.pw_uid for user in pwd.getpwall() if user.pw_name == "postgres"), None)


@dataclass(frozen=True)
class PostgresServer:
    """A server whose files are in `folder`, which its user must be able to reach."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgres://taxi:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    @property
    def secret(self) -> Secret[PostgresDsn]:
        """The address as settings have it."""
        return Secret[PostgresDsn](PostgresDsn(self.url))

    def empty_mlflow_store(self) -> Secret[PostgresDsn]:
        """The address, once MLflow's schemas are dropped."""
        for kind in ("real", "synthetic"):
            self.execute(f"DROP SCHEMA IF EXISTS taxi_mlflow_{kind} CASCADE")
        return self.secret

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """The rows of a statement, in a connection of its own."""
        import psycopg

        with psycopg.connect(self.url, dbname=database, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return list(cursor.fetchall()) if cursor.description else []

    def create(self) -> None:
        owner = _owner()
        self.folder.mkdir()
        (self.folder / "password").write_text(PASSWORD)
        if not os.geteuid():
            shutil.chown(self.folder, owner)
            shutil.chown(self.folder / "password", owner)
        options = ("-U", "taxi", f"--pwfile={self.folder / 'password'}", "-A", "scram-sha-256", "--no-sync")
        self._run("initdb", *options)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k ''"
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stops the server; the mode `immediate` is a crash, from which it recovers at its next start."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command: Sequence[str] = [str(shutil.which(program)), "-D", str(self.folder / "data"), *arguments]
        owner = _owner() if not os.geteuid() else None
        quiet = subprocess.DEVNULL  # the server would keep a pipe open
        subprocess.run(command, check=True, user=owner, cwd="/", stdout=quiet, stderr=quiet)

"""Creates, upgrades and opens MLflow's database, in SQLite or PostgreSQL.

`tracking` and `model_versions` write to it.
Importing MLflow takes seconds, so only the functions that need it import it, through `client`. This also stops MLflow
from sending usage data and from printing to the terminal.
"""

import logging
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from filelock import FileLock

from taxi_assets.errors import TaxiError
from taxi_assets.files import write_atomically
from taxi_assets.registry.artifacts import artifacts_uri, prepare_artifacts, require_same_place
from taxi_assets.registry.schema_revision import is_older, is_older_revision
from taxi_assets.settings import Settings
from taxi_assets.settings.environment import isolate
from taxi_assets.settings.postgres import address, locked_schema, open_schema, schema_of, schema_revision, store_url

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from psycopg import Connection

EXPERIMENT = "taxi-duration"
_LOG = logging.getLogger(__name__)
# Opens the experiment's pages for training models instead of those for language models.
_EXPERIMENT_KIND_TAG = ("mlflow.experimentKind", "custom_model_development")


def initialise(settings: Settings) -> None:
    """Create MLflow's database and experiment, or upgrade older ones to the installed MLflow.

    Any number of processes may call this at once. It replaces the database at the end, so a killed process leaves the
    old one. Does nothing if the database is ready.

    Raises:
        TaxiError: the file is not MLflow's, a newer MLflow made it, or the home was moved.
    """
    if _is_ready(settings):
        return
    prepare_artifacts(settings)
    with lock(settings) as connection:
        if not _is_ready(settings):
            if connection is None:
                _prepare(settings)
            else:
                _prepare_schema(settings, connection)
            require_experiment(settings)
            write_atomically(*_stamp(settings))


def is_initialised(settings: Settings) -> bool:
    """True if the database exists; does not import MLflow."""
    if settings.mlflow_store is None:
        return _database(settings).is_file()
    if _is_ready(settings):
        return True
    with open_schema(settings, "mlflow_store") as connection:
        return schema_revision(connection) is not None


@contextmanager
def lock(settings: Settings) -> Iterator["Connection | None"]:
    """The lock for finding an item in MLflow and creating it if it is missing.

    Yields its connection, if the store is in PostgreSQL.
    """
    if settings.mlflow_store is None:
        with FileLock(settings.mlflow_home / "mlflow.lock"):
            yield None
        return
    with locked_schema(settings, "mlflow_store") as connection:
        yield connection


def tracking_uri(settings: Settings) -> str:
    """MLflow's address of the database; one of PostgreSQL has the password, so it is never printed."""
    return store_url(settings, "mlflow_store") if settings.mlflow_store else settings.mlflow_uri


def client(settings: Settings) -> "MlflowClient":
    """MLflow's client on the initialised database; later `mlflow.…` calls use the same database."""
    initialise(settings)
    mlflow = _import_mlflow()
    uri = tracking_uri(settings)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return mlflow.MlflowClient(uri, uri)  # type: ignore[no-any-return]


def ui_url(settings: Settings, page: str) -> str:
    """The URL of a page in MLflow's UI; the query avoids its default pages for language models."""
    return f"{settings.url(settings.mlflow_port)}/#/{page}?workflowType=machine_learning"


def _database(settings: Settings) -> Path:
    return settings.mlflow_home / "mlflow.db"


def _stamp(settings: Settings) -> tuple[Path, str]:
    # Includes the path, since MLflow writes absolute paths into its database.
    text = f"{_release()} in {settings.mlflow_home}"
    if settings.mlflow_artifacts:
        text = f"{_release()}, artifacts in {artifacts_uri(settings)}"
    if settings.mlflow_store is None:
        return settings.mlflow_home / "ready", f"{text}\n"
    return settings.mlflow_home / "ready-postgresql", f"{text} with {address(settings, 'mlflow_store')}\n"


@cache
def _release() -> str:
    return f"MLflow {version('mlflow')}"  # from the package's metadata, which takes 3 ms to parse


def _is_ready(settings: Settings) -> bool:
    stamp, text = _stamp(settings)
    has_database = settings.mlflow_store is not None or _database(settings).is_file()
    return has_database and stamp.is_file() and stamp.read_text() == text


def _prepare(settings: Settings) -> None:
    database = _database(settings)
    migrations = _migrations()
    must_upgrade = is_older(database, migrations, _release()) if database.is_file() else True
    if must_upgrade is None:
        raise TaxiError(f"'{database}' is not MLflow's database: move it away to start a new one")
    if must_upgrade:
        _upgrade(database)


def _prepare_schema(settings: Settings, connection: "Connection") -> None:
    schema = schema_of(settings, "mlflow_store")
    place, found = f"the schema {schema} in {address(settings, 'mlflow_store')}", schema_revision(connection)
    must_upgrade = is_older_revision(found, place, _migrations(), _release(), "name another database")
    if must_upgrade is False:
        return
    from mlflow.store.db.utils import _initialize_tables
    from sqlalchemy import NullPool, create_engine

    if found:
        _LOG.warning("upgrading %s to %s", place, _release())
    else:  # new, or a process was killed before its first migration ended
        connection.execute(f"DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}".encode())
    _initialize_tables(create_engine(tracking_uri(settings), poolclass=NullPool))  # type: ignore[no-untyped-call]


def _migrations() -> Path:
    return Path(_import_mlflow().__file__).parent / "store" / "db_migrations"


def _upgrade(database: Path) -> None:
    """Create or upgrade the database in memory: the migrations are many and cannot be rolled back."""
    from mlflow.store.db.utils import _initialize_tables
    from sqlalchemy import StaticPool, create_engine

    with closing(sqlite3.connect(":memory:")) as memory:
        if database.is_file():
            _back_up(database, memory)
        _initialize_tables(create_engine("sqlite://", creator=lambda: memory, poolclass=StaticPool))  # type: ignore[no-untyped-call]
        content = memory.serialize()
    for suffix in ("journal", "wal", "shm"):
        # SQLite would apply a dead process's journal to the next file of this name.
        database.with_name(f"{database.name}-{suffix}").unlink(missing_ok=True)
    _write_to_disk(database, content)


def _back_up(database: Path, memory: sqlite3.Connection) -> None:
    kept = database.with_name(f"{database.name}.before-{version('mlflow')}")
    with closing(sqlite3.connect(database)) as old:
        old.backup(memory)
    _write_to_disk(kept, memory.serialize())
    _LOG.warning("upgrading MLflow's database to MLflow %s; a copy of the old one is in %s", version("mlflow"), kept)


def _write_to_disk(path: Path, content: bytes) -> None:
    """Write atomically, and wait until the file would outlive a loss of power."""
    write_atomically(path, content)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def require_experiment(settings: Settings) -> str:
    """The id of the platform's experiment, created if missing, also after a person renamed it.

    Call it while holding `lock`.

    Raises:
        TaxiError: the home was moved, and MLflow's database has the old path.
    """
    _import_mlflow()
    from mlflow.entities import ExperimentTag
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    artifacts = artifacts_uri(settings)
    store: Any = cast("Any", SqlAlchemyStore)(tracking_uri(settings), artifacts)
    experiment = store.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return str(store.create_experiment(EXPERIMENT, artifacts, tags=[ExperimentTag(*_EXPERIMENT_KIND_TAG)]))
    require_same_place(settings, str(experiment.artifact_location))
    return str(experiment.experiment_id)


def _import_mlflow() -> Any:
    isolate(within_dagster=True)
    with warnings.catch_warnings():
        # MLflow raises it while it is imported.
        warnings.filterwarnings("ignore", "The ``noload`` loader strategy", DeprecationWarning)
        import mlflow
        import mlflow.store.tracking.sqlalchemy_store
    for chatty in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return mlflow

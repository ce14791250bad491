"""Creates, upgrades and opens MLflow's database. `tracking` and `model_versions` write to it.

Importing MLflow takes seconds, so only the functions that need it import it, through `client`. This also stops MLflow
from sending usage data and from printing to the terminal.
"""

import logging
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from filelock import FileLock

from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings, isolate

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "EXPERIMENT",
    "client",
    "initialise",
    "is_initialised",
    "lock",
    "require_experiment",
    "ui_url",
]

EXPERIMENT = "taxi-duration"
# Opens the experiment's pages for training models instead of those for language models.
_LOG = logging.getLogger(__name__)
_EXPERIMENT_KIND_TAG = ("mlflow.experimentKind", "custom_model_development")


def initialise(settings: Settings) -> None:
    """Create MLflow's database and experiment, or upgrade older ones to the installed MLflow.

    Any number of processes may call this at once. It works on a copy and replaces the database at the end, so a
    killed process leaves the old one. Does nothing if the database is ready.

    Raises:
        TaxiError: the file is not MLflow's, a newer MLflow made it, or the home was moved.
    """
    if _is_ready(settings):
        return
    _artifacts(settings).mkdir(parents=True, exist_ok=True)
    with lock(settings):
        if not _is_ready(settings):
            _prepare(settings)


def is_initialised(settings: Settings) -> bool:
    """True if the database exists; does not import MLflow."""
    return _database(settings).is_file()


def lock(settings: Settings) -> FileLock:
    """The lock for finding an item in MLflow and creating it if it is missing."""
    return FileLock(settings.mlflow_home / "mlflow.lock")


def client(settings: Settings) -> "MlflowClient":
    """MLflow's client on the initialised database; later `mlflow.…` calls use the same database."""
    initialise(settings)
    mlflow = _import_mlflow()
    mlflow.set_tracking_uri(settings.mlflow_uri)
    mlflow.set_registry_uri(settings.mlflow_uri)
    return mlflow.MlflowClient(settings.mlflow_uri, settings.mlflow_uri)  # type: ignore[no-any-return]


def ui_url(settings: Settings, page: str) -> str:
    """The URL of a page in MLflow's UI; the query avoids its default pages for language models."""
    return f"{settings.url(settings.mlflow_port)}/#/{page}?workflowType=machine_learning"


def _database(settings: Settings) -> Path:
    return settings.mlflow_home / "mlflow.db"


def _artifacts(settings: Settings) -> Path:
    return settings.mlflow_home / "artifacts"


def _stamp(settings: Settings) -> tuple[Path, str]:
    # Includes the path, since MLflow writes absolute paths into its database.
    return (
        settings.mlflow_home / "ready",
        f"MLflow {version('mlflow')} in {settings.mlflow_home}, its experiment of {_EXPERIMENT_KIND_TAG[1]}\n",
    )


def _is_ready(settings: Settings) -> bool:
    stamp, text = _stamp(settings)
    return _database(settings).is_file() and stamp.is_file() and stamp.read_text() == text


def _prepare(settings: Settings) -> None:
    database = _database(settings)
    if not database.is_file() or _revision(database) != _newest_revision():
        _build(database)
    require_experiment(settings)
    stamp, text = _stamp(settings)
    stamp.write_text(text)


def _revision(database: Path) -> str:
    try:
        with closing(sqlite3.connect(database)) as connection:
            return str(connection.execute("SELECT version_num FROM alembic_version").fetchall())
    except sqlite3.DatabaseError as error:
        raise TaxiError(f"'{database}' is not MLflow's database ({error}): move it away to start a new one") from error


def _newest_revision() -> str:
    mlflow = _import_mlflow()
    from alembic.script import ScriptDirectory

    folder = Path(mlflow.__file__).parent / "store" / "db_migrations"
    return str([(ScriptDirectory(str(folder)).get_current_head(),)])


def _build(database: Path) -> None:
    draft = database.with_name("draft.db")
    _remove(draft)
    if database.is_file():
        _copy(database, draft)
    else:
        _remove(database)
    _upgrade(draft)
    if database.is_file():
        _back_up(database)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(database)


def _back_up(database: Path) -> None:
    """Keep a copy of the database from before the upgrade."""
    kept = database.with_name(f"{database.name}.before-{version('mlflow')}")
    draft = kept.with_name(f"{kept.name}.draft")
    _remove(draft)
    _copy(database, draft)
    draft.replace(kept)
    _LOG.warning("upgraded MLflow's database to MLflow %s; a copy of the old one is in %s", version("mlflow"), kept)


def _remove(database: Path) -> None:
    # SQLite would apply a dead process's journal to the next file of this name.
    for suffix in ("", "-journal", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def _copy(database: Path, draft: Path) -> None:
    with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(draft)) as new:
        old.backup(new)


def _upgrade(draft: Path) -> None:
    _import_mlflow()
    import mlflow.db
    from alembic.util import CommandError

    upgrade: Any = mlflow.db.upgrade
    with _without_fsync():
        try:
            upgrade.callback(f"sqlite:///{draft}")
        except CommandError as error:
            raise TaxiError(
                f"'{draft.parent}' is of a newer MLflow ({error}), made by a later release: install that release, or "
                f"set TAXI_HOME to another folder; this one has MLflow {version('mlflow')}"
            ) from error


def require_experiment(settings: Settings) -> str:
    """The id of the platform's experiment, created if missing, also after a person renamed it.

    Call it while holding `lock`.

    Raises:
        TaxiError: the home was moved, and MLflow's database has the old path.
    """
    _import_mlflow()
    from mlflow.entities import ExperimentTag
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    artifacts = _artifacts(settings)
    store: Any = cast("Any", SqlAlchemyStore)(settings.mlflow_uri, artifacts.as_uri())
    experiment = store.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return str(store.create_experiment(EXPERIMENT, artifacts.as_uri(), tags=[ExperimentTag(*_EXPERIMENT_KIND_TAG)]))
    _require_same_location(experiment.artifact_location, artifacts)
    if experiment.lifecycle_stage == "active":
        store.set_experiment_tag(experiment.experiment_id, ExperimentTag(*_EXPERIMENT_KIND_TAG))
    return str(experiment.experiment_id)


def _require_same_location(recorded_uri: str, artifacts: Path) -> None:
    recorded = Path(url2pathname(urlsplit(recorded_uri).path))
    if not (recorded.is_dir() and recorded.samefile(artifacts)):
        raise TaxiError(
            f"'{artifacts.parent}' was moved or copied from '{recorded.parent}', the path in MLflow's "
            "database: move it back, or remove it and train again"
        )


@contextmanager
def _without_fsync() -> Iterator[None]:
    # About 100 small migrations would wait 5 s for the disk; the draft is synced once at the end.
    from sqlalchemy import Engine, event

    def disable_fsync(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", disable_fsync)
    try:
        yield
    finally:
        event.remove(Engine, "connect", disable_fsync)


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

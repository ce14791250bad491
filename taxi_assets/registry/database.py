"""MLflow's database: made, brought up to date and opened. What is written there: tracking.py and registry.py.

Importing MLflow takes seconds, so it is imported by the functions that need it, through `client`: that also
keeps MLflow from sending usage data and from talking on the terminal.
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
    """Create MLflow's database and experiment, or bring older ones up to the MLflow installed.

    Any number of processes may call this at once. The work is done on a copy, put in place whole at the end:
    a process killed half-way leaves what was there before. Where all is ready, nothing is done.

    Raises:
        TaxiError: the file is not MLflow's, is of a newer MLflow, or the home was moved.
    """
    if _is_ready(settings):
        return
    _artifacts(settings).mkdir(parents=True, exist_ok=True)
    with lock(settings):
        if not _is_ready(settings):
            _prepare(settings)


def is_initialised(settings: Settings) -> bool:
    """Whether there is a database: a reader that finds none need not import MLflow to know."""
    return _database(settings).is_file()


def lock(settings: Settings) -> FileLock:
    """Held by one process at a time while it looks for a thing in MLflow and makes it where it is missing."""
    return FileLock(settings.mlflow_home / "mlflow.lock")


def client(settings: Settings) -> "MlflowClient":
    """MLflow's client on the platform's database, made ready; later `mlflow.…` calls use that database."""
    initialise(settings)
    mlflow = _import_mlflow()
    mlflow.set_tracking_uri(settings.mlflow_uri)
    mlflow.set_registry_uri(settings.mlflow_uri)
    return mlflow.MlflowClient(settings.mlflow_uri, settings.mlflow_uri)  # type: ignore[no-any-return]


def ui_url(settings: Settings, page: str) -> str:
    """A page of MLflow's UI, which opens with its pages for language models unless told otherwise."""
    return f"{settings.url(settings.mlflow_port)}/#/{page}?workflowType=machine_learning"


def _database(settings: Settings) -> Path:
    return settings.mlflow_home / "mlflow.db"


def _artifacts(settings: Settings) -> Path:
    return settings.mlflow_home / "artifacts"


def _stamp(settings: Settings) -> tuple[Path, str]:
    # Names the place as well: MLflow writes absolute paths into its database.
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
        raise TaxiError(f"'{database}' is not MLflow's database ({error}): move it away to begin anew") from error


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
    """Keep a copy of the database as it was before this MLflow."""
    kept = database.with_name(f"{database.name}.before-{version('mlflow')}")
    draft = kept.with_name(f"{kept.name}.draft")
    _remove(draft)
    _copy(database, draft)
    draft.replace(kept)
    _LOG.warning("upgraded MLflow's database to MLflow %s; it is kept as it was in %s", version("mlflow"), kept)


def _remove(database: Path) -> None:
    # SQLite would play a dead process's journal into the file that next has the name.
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
    """The id of the platform's experiment, made where there is none: a renamed one keeps its runs, a new one begins.

    Call it with `lock` held.

    Raises:
        TaxiError: the home was moved, so that MLflow would look elsewhere for its files.
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
            f"'{artifacts.parent}' was moved or copied from '{recorded.parent}', where MLflow still looks "
            "for its files: move it back, or remove it and train again"
        )


@contextmanager
def _without_fsync() -> Iterator[None]:
    # A hundred small migrations would wait five seconds for the disk; the draft is written out once.
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
        # MLflow's own, raised while the module loads.
        warnings.filterwarnings("ignore", "The ``noload`` loader strategy", DeprecationWarning)
        import mlflow
        import mlflow.store.tracking.sqlalchemy_store
    for chatty in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return mlflow

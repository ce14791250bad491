"""MLflow's database with concurrent openers, killed processes, other versions and moved homes."""

import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.database import EXPERIMENT, client, initialise, is_initialised
from taxi_assets.settings import Settings

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["mlflow.store.tracking.sqlalchemy_store"])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "a home")


def query(settings: Settings, sql: str) -> list[Any]:
    with closing(sqlite3.connect(settings.mlflow_home / "mlflow.db")) as connection:
        rows = connection.execute(sql).fetchall()
        connection.commit()
    return rows


def do_at_once(settings: Settings, barrier: Any, results: Any) -> None:
    barrier.wait(60)
    api = client(settings)
    barrier.wait(60)
    run_id = tracking.open_run(settings, "one-dagster-run", "job", {})
    model = api.create_logged_model(api.get_run(run_id).info.experiment_id, source_run_id=run_id)
    folder = Path(url2pathname(urlsplit(model.artifact_location).path))
    folder.mkdir(parents=True)
    (folder / "model.pkl").write_bytes(b"the same")
    barrier.wait(60)
    version = model_versions.register(settings, run_id, model.model_uri, "one-training", {})
    results.put((run_id, version.version))


@pytest.mark.slow
def test_four_concurrent_processes_create_one_database(settings):
    barrier, results = PROCESSES.Barrier(4), PROCESSES.Queue()
    processes = [PROCESSES.Process(target=do_at_once, args=(settings, barrier, results)) for _ in range(4)]
    for process in processes:
        process.start()
    found = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(set(found)) == 1
    assert query(settings, "SELECT count(*) FROM runs") == [(1,)]
    assert query(settings, "SELECT count(*) FROM model_versions") == [(1,)]
    assert sorted(query(settings, "SELECT name FROM experiments")) == [("Default",), (EXPERIMENT,)]


def initialise_until_killed(settings: Settings, statements: int) -> None:
    from sqlalchemy import Engine, event

    left = iter(range(statements))

    def count(*_arguments: object) -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)
    initialise(settings)


@pytest.mark.slow
@pytest.mark.parametrize("statements", [0, 40, 400])
def test_killed_database_creation_is_completed_by_the_next_process(settings, statements):
    process = PROCESSES.Process(target=initialise_until_killed, args=(settings, statements))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert not is_initialised(settings)
    initialise(settings)
    assert tracking.open_run(settings, "dagster", "job", {})


def test_journal_of_a_deleted_database_is_not_applied_to_the_new_one(settings):
    settings.mlflow_home.mkdir(parents=True)
    for name in ("mlflow.db-journal", "mlflow.db-wal", "mlflow.db-shm"):
        (settings.mlflow_home / name).write_bytes(b"left behind")
    initialise(settings)
    assert query(settings, "PRAGMA integrity_check") == [("ok",)]


def test_current_database_is_unchanged(settings):
    initialise(settings)
    database = settings.mlflow_home / "mlflow.db"
    before = database.stat()
    initialise(settings)
    assert (database.stat().st_ino, database.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def make_older_database(settings: Settings, results: Any) -> None:
    import mlflow
    from alembic import command
    from alembic.config import Config

    results.put(tracking.open_run(settings, "dagster", "job", {}))
    config = Config()
    config.set_main_option("script_location", str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    config.set_main_option("sqlalchemy.url", settings.mlflow_uri)
    command.downgrade(config, "-1")
    (settings.mlflow_home / "ready").write_text("MLflow 3.0.0")


def test_database_of_an_older_mlflow_is_upgraded_with_its_runs(settings):
    results = PROCESSES.Queue()
    process = PROCESSES.Process(target=make_older_database, args=(settings, results))
    process.start()
    run_id = results.get(timeout=120)
    process.join(60)
    older = query(settings, "SELECT version_num FROM alembic_version")

    initialise(settings)
    (kept,) = settings.mlflow_home.glob("mlflow.db.before-*")
    with closing(sqlite3.connect(kept)) as before:
        assert before.execute("SELECT version_num FROM alembic_version").fetchall() == older
        assert before.execute("SELECT count(*) FROM runs").fetchall() == [(1,)]
    assert query(settings, "SELECT version_num FROM alembic_version") != older
    assert tracking.open_run(settings, "dagster", "job", {}) == run_id


def test_database_of_a_newer_mlflow_is_refused_and_kept(settings):
    initialise(settings)
    query(settings, "UPDATE alembic_version SET version_num = 'fromthefuture'")
    (settings.mlflow_home / "ready").unlink()
    before = (settings.mlflow_home / "mlflow.db").read_bytes()
    with pytest.raises(TaxiError, match=r"is of schema fromthefuture, made by a later release: install .* has MLflow"):
        initialise(settings)
    assert (settings.mlflow_home / "mlflow.db").read_bytes() == before
    assert list(settings.mlflow_home.glob("mlflow.db.before-*")) == []


@pytest.mark.parametrize(("content", "problem"), [("my diary", "is not a database"), ("", "is not MLflow's database")])
def test_file_that_is_not_a_database_is_refused_and_kept(settings, content, problem):
    settings.mlflow_home.mkdir(parents=True)
    (settings.mlflow_home / "mlflow.db").write_text(content)
    with pytest.raises(TaxiError, match=f"{problem}.*: move it away"):
        initialise(settings)
    assert (settings.mlflow_home / "mlflow.db").read_text() == content


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_home_in_another_place_is_refused(settings, tmp_path, move):
    initialise(settings)
    move(settings.home, tmp_path / "elsewhere")
    with pytest.raises(TaxiError, match=r"elsewhere.* was moved or copied from .*a home.*: move it back"):
        initialise(Settings(home=tmp_path / "elsewhere"))


def test_home_reached_by_another_name_is_the_same(settings, tmp_path):
    initialise(settings)
    (tmp_path / "link").symlink_to(settings.home)
    before = (settings.mlflow_home / "mlflow.db").stat().st_ino
    initialise(Settings(home=tmp_path / "link"))
    assert (settings.mlflow_home / "mlflow.db").stat().st_ino == before


def test_deleted_experiment_is_named(settings):
    api = client(settings)
    api.delete_experiment(api.get_experiment_by_name(EXPERIMENT).experiment_id)
    with pytest.raises(TaxiError, match=r"'taxi-duration' was deleted: .*restore"):
        tracking.open_run(settings, "dagster", "job", {})


def test_reading_makes_no_database(settings):
    assert model_versions.champion(settings) is None
    assert model_versions.latest(settings) is None
    assert model_versions.find(settings, "key") is None
    assert tracking.sync_statuses(settings, lambda _run_id: "FAILED") == ()
    assert not settings.home.exists()


TRAINING = """
import socket
asked = []
def refuse(*arguments):
    asked.append(arguments)
    raise OSError("no network")
socket.getaddrinfo = socket.socket.connect = refuse

import numpy as np, pandas as pd
from sklearn.linear_model import LinearRegression
from taxi_assets.registry import model_versions as registry, tracking
from taxi_assets.registry.database import client
from taxi_assets.settings import Settings

settings = Settings()
run_id = tracking.open_run(settings, "dagster", "job", {})
import mlflow
example = pd.DataFrame({"pickup_zone_id": [1, 2], "hour": [0.5, 1.5]})
with mlflow.start_run(run_id):
    uri = tracking.log_model(LinearRegression().fit(example, [3.0, 4.0]), example)
version = registry.register(settings, run_id, uri, "key", {})
registry.promote(settings, version.version, "first")
registry.load_sklearn(settings, version)

from mlflow.telemetry.utils import is_telemetry_disabled
assert is_telemetry_disabled()
assert not asked, asked
"""


@pytest.mark.slow
def test_training_in_a_new_process_is_silent_and_uses_no_network(settings):
    # Under pytest MLflow sends no telemetry, so the process must not detect pytest.
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTEST_CURRENT_TEST", "CI"}}
    environment |= {"TAXI_HOME": str(settings.home), "TAXI_DATA_KIND": "real", "PYTHONWARNINGS": "default"}
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        environment.pop(name, None)
    command = [sys.executable, "-c", TRAINING]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

"""MLflow's store in PostgreSQL: created once, found by the setting, its password shown nowhere."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from postgres_server import PASSWORD, PostgresServer
from pydantic import PostgresDsn, Secret

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import programs
from taxi_assets.errors import TaxiError
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.database import client, initialise, is_initialised
from taxi_assets.registry.deleted_runs import restore_command
from taxi_assets.registry.version_reader import read_versions
from taxi_assets.settings import Settings

pytestmark = pytest.mark.slow
OPENER = "import sys; from test_shared_mlflow_store import open_one_run; open_one_run(*sys.argv[1:])"
HEAD = "SELECT version_num FROM taxi_mlflow_synthetic.alembic_version"


@pytest.fixture
def shared(server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home whose MLflow store is an empty schema."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.setenv(name, "")
    return Settings(home=tmp_path / "home", data_kind="synthetic", mlflow_store=server.empty_mlflow_store())


def open_one_run(home: str, url: str) -> None:
    """Open the MLflow run of one Dagster run, as each of several processes."""
    settings = Settings(home=Path(home), data_kind="synthetic", mlflow_store=Secret[PostgresDsn](PostgresDsn(url)))
    sys.stdout.write(tracking.open_run(settings, "one-dagster-run", "job", {}))


def register(settings: Settings) -> None:
    api = client(settings)
    run_id = tracking.open_run(settings, "a run", "job", {})
    model = api.create_logged_model(api.get_run(run_id).info.experiment_id, source_run_id=run_id)
    model_versions.register(settings, run_id, model.model_uri, "one-training", {"a": "tag"})


def test_processes_that_start_at_once_create_one_store(shared: Settings, server: PostgresServer) -> None:
    command = [sys.executable, "-c", OPENER, str(shared.home), server.url]
    folder = Path(__file__).parent
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder, text=True) for _ in range(3)]
    found = {process.communicate(timeout=120)[0].strip() for process in started}
    assert len(found) == 1, found
    assert [process.returncode for process in started] == [0, 0, 0]
    assert server.execute("SELECT count(*) FROM taxi_mlflow_synthetic.runs") == [(1,)]


def test_versions_are_read_without_mlflow(shared: Settings) -> None:
    assert not is_initialised(shared)
    assert read_versions(shared) == {}
    register(shared)
    assert is_initialised(shared)
    assert read_versions(shared) == {version.version: version for version in model_versions.versions(shared)}
    assert read_versions(shared)[1].tags["a"] == "tag"
    assert read_versions(shared.model_copy(update={"data_kind": "real"})) == {}


def test_a_creation_that_was_interrupted_is_repeated(shared: Settings, server: PostgresServer) -> None:
    server.execute("CREATE SCHEMA taxi_mlflow_synthetic; CREATE TABLE taxi_mlflow_synthetic.runs (half int)")
    initialise(shared)
    assert tracking.open_run(shared, "dagster", "job", {})


def test_a_store_of_another_mlflow(shared: Settings, server: PostgresServer, caplog: pytest.LogCaptureFixture) -> None:
    initialise(shared)
    before = server.execute(HEAD)
    (shared.mlflow_home / "ready-postgresql").unlink()
    with caplog.at_level(logging.WARNING):
        initialise(shared)
    assert not caplog.records
    (shared.mlflow_home / "ready-postgresql").unlink()
    server.execute("UPDATE taxi_mlflow_synthetic.alembic_version SET version_num = 'fromthefuture'")
    with pytest.raises(TaxiError, match=r"of schema fromthefuture, made by a later release: .* name another database"):
        initialise(shared)
    assert server.execute(HEAD) == [("fromthefuture",)] != before


def test_a_home_at_another_path_is_refused_for_its_artifacts(shared: Settings, tmp_path: Path) -> None:
    initialise(shared)
    with pytest.raises(TaxiError, match="was moved or copied from"):
        initialise(shared.model_copy(update={"home": tmp_path / "another"}))


def test_an_unreachable_store_is_named_without_its_password(shared: Settings, server: PostgresServer) -> None:
    for url in (
        server.url.replace(str(server.port), str(free_port())),
        server.url.replace("taxi:", "stranger:"),
        server.url + "_absent",
    ):
        other = shared.model_copy(update={"mlflow_store": Secret[PostgresDsn](PostgresDsn(url))})
        for use in (initialise, read_versions):
            with pytest.raises(TaxiError, match="TAXI_MLFLOW_STORE") as refused:
                use(other)
            assert PASSWORD not in str(refused.value)


def test_the_password_of_mlflow_is_shown_nowhere(shared: Settings) -> None:
    register(shared)
    commands = [program.command for program in programs(shared)]
    files = "".join(path.read_text(errors="replace") for path in shared.home.rglob("*") if path.is_file())
    assert PASSWORD not in f"{commands} {files} {restore_command(shared, 'runs', 'x')} {shared!r}"

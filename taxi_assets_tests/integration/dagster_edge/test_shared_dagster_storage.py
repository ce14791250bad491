"""Dagster's storage in PostgreSQL: found by the setting, shared by homes, its password shown nowhere."""

import logging
from pathlib import Path

import dagster as dg
import pytest
from postgres_server import PASSWORD, PostgresServer
from pydantic import PostgresDsn, Secret

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.defs.instance import last_runs, open_instance
from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings


@dg.op
def nothing() -> None: ...


@dg.job
def other_job() -> None:
    nothing()


@pytest.fixture(autouse=True)
def _environment_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("DAGSTER_STORAGE_URL", "")


@pytest.fixture
def shared(server: PostgresServer, tmp_path: Path) -> Settings:
    """A home whose Dagster storage is an empty schema."""
    for kind in ("real", "synthetic"):
        server.execute(f"DROP SCHEMA IF EXISTS taxi_dagster_{kind} CASCADE")
    return Settings(home=tmp_path / "home", data_kind="synthetic", dagster_storage=server.secret)


def with_url(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"dagster_storage": Secret[PostgresDsn](PostgresDsn(url))})


def add_run(settings: Settings) -> str:
    with open_instance(settings) as instance:
        return instance.create_run_for_job(other_job, status=dg.DagsterRunStatus.STARTED).run_id


def run_ids(settings: Settings) -> list[object]:
    return [run["run_id"] for run in last_runs(settings, 10)]


@pytest.mark.slow
def test_homes_share_runs_and_kinds_of_data_do_not(shared: Settings, tmp_path: Path) -> None:
    run = add_run(shared)
    assert run_ids(shared.model_copy(update={"home": tmp_path / "another"})) == [run]
    assert run_ids(shared.model_copy(update={"data_kind": "real"})) == []


@pytest.mark.slow
def test_each_storage_keeps_its_runs(shared: Settings) -> None:
    local = shared.model_copy(update={"dagster_storage": None})
    both = {add_run(local): local, add_run(shared): shared}
    assert [run_ids(settings) for settings in both.values()] == [[run] for run in both]


@pytest.mark.slow
def test_the_password_of_dagster_is_shown_nowhere(shared: Settings) -> None:
    with open_instance(shared) as instance:
        shown = f"{instance.info_str()} {instance.get_ref()} {shared!r} {shared.model_dump_json()}"
    shown += "".join(path.read_text() for path in shared.dagster_home.rglob("*") if path.is_file())
    assert "DAGSTER_STORAGE_URL" in shown
    assert PASSWORD not in shown


@pytest.mark.slow
def test_an_unreachable_storage_is_named_without_its_password(shared: Settings, server: PostgresServer) -> None:
    for url in (
        server.url.replace(str(server.port), str(free_port())),
        server.url.replace("taxi:", "stranger:"),
        server.url + "_absent",
        server.url.replace("@127", "@127.0.0.1,127"),
    ):
        with pytest.raises(TaxiError, match="TAXI_DAGSTER_STORAGE") as refused:
            open_instance(with_url(shared, url))
        assert PASSWORD not in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_runs_outlive_a_crash_of_the_server(shared: Settings, server: PostgresServer) -> None:
    run = add_run(shared)
    server.stop("immediate")
    try:
        with pytest.raises(TaxiError, match="Check the address, and that PostgreSQL runs there"):
            last_runs(shared, 10)
    finally:
        server.start()
    assert run_ids(shared) == [run]


@pytest.mark.slow
def test_tables_of_another_dagster(shared: Settings, server: PostgresServer, caplog: pytest.LogCaptureFixture) -> None:
    add_run(shared)
    table = "taxi_dagster_synthetic.alembic_version"
    ((head,),) = server.execute(f"SELECT version_num FROM {table}")
    server.execute(f"UPDATE {table} SET version_num = '{revision_before(str(head))}'")
    with caplog.at_level(logging.WARNING):
        assert len(run_ids(shared)) == 1
    assert server.execute(f"SELECT version_num FROM {table}") == [(head,)]
    assert "upgrading the schema taxi_dagster_synthetic" in caplog.text
    server.execute(f"UPDATE {table} SET version_num = 'fromthefuture'")
    with pytest.raises(TaxiError, match=r"of schema fromthefuture, made by a later release: .* name another database"):
        open_instance(shared)
    assert server.execute(f"SELECT version_num FROM {table}") == [("fromthefuture",)]


def revision_before(head: str) -> str:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(dg.__file__).parent / "_core" / "storage" / "alembic"))
    return str(scripts.get_revision(head).down_revision)


@pytest.mark.slow
def test_a_configuration_changed_by_hand_is_not_replaced(shared: Settings) -> None:
    local = shared.model_copy(update={"dagster_storage": None})
    for one, other, remedy in ((local, shared, "unset"), (shared, local, "set")):
        configuration = one.dagster_home / "dagster.yaml"
        configuration.unlink(missing_ok=True)
        open_instance(one).dispose()
        configuration.write_text(changed := configuration.read_text() + "# my own\n")
        with pytest.raises(TaxiError, match=f": {remedy} TAXI_DAGSTER_STORAGE"):
            open_instance(other)
        assert configuration.read_text() == changed


def test_missing_packages_of_the_storage_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taxi_assets.settings.postgres.find_spec", lambda _: None)
    url = Secret[PostgresDsn](PostgresDsn("postgres://taxi:secret-word@127.0.0.1:9/runs"))
    with pytest.raises(TaxiError, match=r"TAXI_DAGSTER_STORAGE needs .*: run `make env-scale`") as refused:
        open_instance(Settings(home=tmp_path, dagster_storage=url))
    assert "secret-word" not in str(refused.value)
    assert not (tmp_path / "real" / "dagster" / "dagster.yaml").exists()

"""Environments share neither data, models nor ports, and only dev starts schedules."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from taxi_assets.cli.run_pipeline import remember_data_kind
from taxi_assets.registry.model_versions import model_name
from taxi_assets.settings import Environment, Settings, run_lock
from taxi_assets.settings.home_layout import lock_name
from taxi_assets.settings.postgres import schema_of
from taxi_assets.warehouse import catalogue
from taxi_assets.warehouse.catalogue import attachment
from taxi_assets.warehouse.data_path import data_root

PORTS = ("dagster_port", "bento_port", "data_docs_port", "mlflow_port")
STARTED = """
from taxi_assets.definitions import defs
print(sorted(each.name for each in (*defs.sensors, *defs.schedules) if each.default_status.value == "RUNNING"))
"""


def settings(env: Environment) -> Settings:
    return Settings(env=env, data_kind="real", catalog="postgres://u@h/d")


def test_dev_is_as_without_the_setting() -> None:
    assert settings("dev") == Settings(data_kind="real", catalog="postgres://u@h/d")
    assert (settings("dev").space, model_name(settings("dev"))) == ("real", "taxi-duration")


def test_environments_share_neither_folders_nor_models_nor_ports() -> None:
    stages = [settings(env) for env in ("dev", "test", "prod")]
    assert [each.space for each in stages] == ["real", "test_real", "prod_real"]
    assert [model_name(each) for each in stages] == ["taxi-duration", "taxi-duration-test", "taxi-duration-prod"]
    assert len({each.root for each in stages}) == 3
    assert len({getattr(each, port) for each in stages for port in PORTS}) == 12


def test_environments_share_neither_schemas_nor_prefixes_nor_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_DATA_PATH", "s3://bucket/lake")
    monkeypatch.setattr(catalogue, "catalogue_connection", lambda _: "")
    stages = [settings(env) for env in ("dev", "test", "prod")]
    assert [attachment(each)[1].rpartition(" ")[2] for each in stages] == [
        "'taxi_real'",
        "'taxi_test_real'",
        "'taxi_prod_real'",
    ]
    assert [data_root(each).rpartition("/")[2] for each in stages] == ["real", "test_real", "prod_real"]
    for store in ("dagster_storage", "mlflow_store"):
        assert len({schema_of(each, store) for each in stages}) == 3
    assert len({lock for each in stages for lock in (run_lock(each).lock_file, lock_name("up.lock", each.env))}) == 6


def test_a_given_port_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_ENV", "prod")
    monkeypatch.setenv("TAXI_BENTO_PORT", "8080")
    assert (Settings().bento_port, Settings().mlflow_port) == (8080, 5200)


def test_environments_have_the_data_kind_of_dev(tmp_path: Path) -> None:
    remember_data_kind(Settings(home=tmp_path, data_kind="synthetic"))
    remember_data_kind(Settings(home=tmp_path, data_kind="real", env="test"))
    stages: tuple[Environment, ...] = ("dev", "test", "prod")
    assert {Settings(home=tmp_path, env=env).active_data_kind for env in stages} == {"synthetic"}


@pytest.mark.slow
@pytest.mark.parametrize(("env", "is_started"), [("dev", True), ("test", False), ("prod", False)])
def test_sensors_and_schedules_start_in_dev_only(env: str, is_started: bool) -> None:
    command = [sys.executable, "-c", STARTED]
    done = subprocess.run(command, env={**os.environ, "TAXI_ENV": env}, capture_output=True, text=True, check=True)
    assert ("landing_sensor" in done.stdout) is is_started
    assert (done.stdout.strip() == "[]") is not is_started

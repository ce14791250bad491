"""Deletions and changes that a user makes in MLflow's UI have defined results."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from registered_models import Register
from rich.console import Console

from taxi_assets.cli.run_pipeline import run
from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.database import EXPERIMENT, client
from taxi_assets.registry.deleted_runs import require_run, restore_command
from taxi_assets.registry.model_versions import MODEL_NAME
from taxi_assets.settings import Settings

MARCH = Month(2023, 3)


@pytest.fixture
def api(settings: Settings) -> Any:
    return client(settings)


def experiment_id(api: Any) -> str:
    return str(api.get_experiment_by_name(EXPERIMENT).experiment_id)


def run_as_printed(command: str) -> None:
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 - as typed
    assert done.returncode == 0, done.stderr


def test_training_of_a_deleted_run_is_not_reused(settings: Settings, register: Register, api: Any) -> None:
    first = register("key", scored_month="2023-03")
    api.delete_run(first.run_id)
    assert model_versions.find(settings, "key") is None
    again = register("key", scored_month="2023-03")
    assert (again.version, again.run_id != first.run_id) == (2, True)


def test_champion_of_a_deleted_run_can_be_loaded(settings: Settings, register: Register, api: Any) -> None:
    version = register("key", "a model")
    model_versions.promote(settings, version.version, "first")
    api.delete_run(version.run_id)
    assert model_versions.champion(settings).version == 1
    assert model_versions.load_sklearn(settings, version) == "a model"
    assert tracking.get_logged_run(settings, version.run_id).tags["dagster_run_id"] == "run of key"
    assert version.run_id in tracking.run_url(settings, version.run_id)


def test_purged_run_is_a_one_line_error(settings: Settings) -> None:
    for request in (tracking.get_logged_run, tracking.run_url):
        with pytest.raises(TaxiError, match=r"^the MLflow run 0123 was deleted permanently.*: train its month again$"):
            request(settings, "0123")


@pytest.mark.slow
def test_printed_remedies_for_deleted_runs_and_experiments_work(
    settings: Settings, register: Register, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the command names its store and ignores this one
    version = register("key")
    require_run(settings, version.version, version.run_id)
    api.delete_run(version.run_id)
    with pytest.raises(TaxiError, match=r"version 1 was deleted: train its month again, or restore it with: ") as error:
        require_run(settings, version.version, version.run_id)
    run_as_printed(str(error.value).partition("with: ")[2])
    require_run(settings, version.version, version.run_id)

    api.delete_experiment(experiment_id(api))
    with pytest.raises(TaxiError, match=r"'taxi-duration' was deleted: restore it with: MLFLOW_TRACKING_URI") as error:
        tracking.open_run(settings, "dagster", "job", {})
    run_as_printed(str(error.value).partition("with: ")[2])
    assert tracking.open_run(settings, "dagster", "job", {})


def test_remedy_quotes_the_homes_own_store(tmp_path: Any) -> None:
    import shlex

    settings = Settings(home=tmp_path / "it's a home; a & b")
    store, program, *words = shlex.split(restore_command(settings, "runs", "0f3c"))
    assert store == f"MLFLOW_TRACKING_URI={settings.mlflow_uri}"
    assert program.endswith("bin/mlflow")
    assert words == ["runs", "restore", "--run-id", "0f3c"]


def test_deleted_experiment_is_reported_only_when_a_run_is_made(
    settings: Settings, register: Register, api: Any, tmp_path: Path
) -> None:
    version = register("key", "a model")
    model_versions.promote(settings, 1, "first")
    source = settings.model_copy(update={"data_kind": "real", "tlc_source": str(tmp_path)})
    with pytest.raises(TaxiError, match="has no"):
        run(source, (MARCH, MARCH.plus(1)), Console(quiet=True))
    api.delete_experiment(experiment_id(api))
    with pytest.raises(TaxiError, match="experiments restore --experiment-id"):
        run(source, (MARCH, MARCH.plus(1)), Console(quiet=True))  # before any month is ingested
    with pytest.raises(TaxiError, match="experiments restore --experiment-id") as error:
        tracking.open_run(settings, "dagster", "job", {})
    assert "\n" not in str(error.value)
    assert tracking.sync_statuses(settings, lambda _: "FAILED") == ()
    assert model_versions.champion(settings).version == 1
    assert model_versions.load_sklearn(settings, version) == "a model"


def test_a_renamed_experiment_keeps_its_runs_and_a_new_one_begins(
    settings: Settings, register: Register, api: Any
) -> None:
    version, before = register("key", "a model"), experiment_id(api)
    api.rename_experiment(before, "my favourite")
    run_id = tracking.open_run(settings, "dagster", "job", {})
    assert api.get_run(run_id).info.experiment_id == experiment_id(api) != before
    assert f"experiments/{before}/" in tracking.run_url(settings, version.run_id)
    assert model_versions.find(settings, "key") == version
    assert model_versions.load_sklearn(settings, version) == "a model"


def test_deleted_version_is_not_champion_and_is_trained_again(settings: Settings, register: Register, api: Any) -> None:
    version = register("key", scored_month="2023-03")
    model_versions.set_month_version(settings, version, MARCH)
    model_versions.promote(settings, 1, "first")
    api.delete_model_version(MODEL_NAME, "1")
    assert model_versions.champion(settings) is None
    assert model_versions.get_month_version(settings, MARCH) is None
    assert model_versions.find(settings, "key") is None
    with pytest.raises(TaxiError, match="there is no version 1: none was registered yet"):
        model_versions.require(settings, 1)
    assert register("key", scored_month="2023-03").version == 2  # MLflow never reuses a number


def test_a_removed_alias_leaves_no_champion_until_the_next_promotion(
    settings: Settings, register: Register, api: Any
) -> None:
    version = register("key", scored_month="2023-03")
    model_versions.set_month_version(settings, version, MARCH)
    model_versions.promote(settings, 1, "first")
    for alias in ("champion", "month-2023-03"):
        api.delete_registered_model_alias(MODEL_NAME, alias)
    assert model_versions.champion(settings) is None
    assert model_versions.get_month_version(settings, MARCH).version == 1
    model_versions.promote(settings, 1, "again")
    assert model_versions.champion(settings).version == 1


def test_manually_moved_alias_is_followed(settings: Settings, register: Register, api: Any) -> None:
    register("a"), register("b")
    model_versions.promote(settings, 1, "first")
    api.set_registered_model_alias(MODEL_NAME, "champion", "2")
    assert model_versions.champion(settings).version == 2


@pytest.mark.parametrize("action", ["delete", "rename"])
def test_deleted_or_renamed_model_is_created_again(
    settings: Settings, register: Register, api: Any, action: str
) -> None:
    register("key", scored_month="2023-03", data_snapshot="7")
    model_versions.promote(settings, 1, "first")
    if action == "delete":
        api.delete_registered_model(MODEL_NAME)
    else:
        api.rename_registered_model(MODEL_NAME, "my-model")
    assert model_versions.champion(settings) is None
    assert model_versions.latest(settings) is None
    assert model_versions.referenced_snapshots(settings) == ({7} if action == "rename" else set())
    assert register("key").version == 1
    assert model_versions.champion(settings) is None


def test_deleted_logged_model_page_has_no_effect(settings: Settings, register: Register, api: Any) -> None:
    version = register("key", "a model")
    (model,) = api.search_logged_models([experiment_id(api)])
    api.delete_logged_model(model.model_id)
    assert model_versions.load_sklearn(settings, version) == "a model"
    assert model_versions.register(settings, version.run_id, model.model_uri, "key", {}).version == 1

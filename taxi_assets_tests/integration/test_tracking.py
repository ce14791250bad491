"""Runs in a real MLflow database: one per Dagster run, always ended, and their logged data."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from taxi_assets.registry import tracking
from taxi_assets.registry.database import EXPERIMENT, client
from taxi_assets.settings import Settings

EXAMPLE = pd.DataFrame({"pickup_zone_id": np.arange(40, dtype="int16"), "pickup_hour": np.linspace(0, 23, 40)})
ESTIMATOR = HistGradientBoostingRegressor(max_iter=5).fit(EXAMPLE, EXAMPLE.pickup_hour * 2)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    store = request.getfixturevalue("server").empty_mlflow_store() if request.param == "postgresql" else None
    return Settings(home=tmp_path_factory.mktemp("home"), mlflow_store=store, mlflow_port=5999)


@pytest.fixture
def api(settings: Settings) -> Any:
    return client(settings)


@pytest.fixture
def run_id(settings: Settings, request: pytest.FixtureRequest) -> str:
    return tracking.open_run(settings, request.node.name, "training", {"synthetic": "true"})


@pytest.fixture(scope="module")
def model_uri(settings: Settings) -> str:
    run_id = tracking.open_run(settings, "model", "training", {})
    import mlflow

    with mlflow.start_run(run_id):
        return tracking.log_model(ESTIMATOR, EXAMPLE.head())


def test_run_is_made_once_for_a_dagster_run(settings, api):
    first = tracking.open_run(settings, "once", "training", {"a": "1"})
    assert tracking.open_run(settings, "once", "training", {"a": "2"}) == first
    assert tracking.open_run(settings, "twice", "training", {}) != first
    run = api.get_run(first)
    assert run.info.run_name == "training"
    assert run.info.status == "RUNNING"
    assert (run.data.tags["a"], run.data.tags["dagster_run_id"]) == ("1", "once")
    assert api.get_experiment(run.info.experiment_id).name == EXPERIMENT


def test_abandoned_runs_are_failed_and_no_others(settings, api):
    alive, dead, ended = (tracking.open_run(settings, name, "job", {}) for name in ("alive", "dead", "ended"))
    api.set_terminated(ended, "FINISHED")
    experiment_id = api.get_run(dead).info.experiment_id
    by_hand = api.create_run(experiment_id).info.run_id

    closed = tracking.sync_statuses(settings, {"dead": "FAILED", "ended": "FAILED"}.get, only="RUNNING")
    assert closed == (dead,)
    statuses = [api.get_run(run_id).info.status for run_id in (alive, dead, ended, by_hand)]
    assert statuses == ["RUNNING", "FAILED", "FINISHED", "RUNNING"]


def test_runs_beyond_the_first_page_are_matched_too(settings, monkeypatch):
    monkeypatch.setattr(tracking, "_PAGE_SIZE", 2)
    run_ids = {tracking.open_run(settings, f"many-{number}", "job", {}) for number in range(5)}
    closed = tracking.sync_statuses(settings, lambda one: "KILLED" if one.startswith("many-") else None)
    assert set(closed) == run_ids


def test_model_is_logged_with_signature_example_and_requirements(settings, model_uri):
    import mlflow

    client(settings)
    info = mlflow.models.get_model_info(model_uri)
    assert [column.name for column in info.signature.inputs] == list(EXAMPLE.columns)
    assert [column.name for column in info.signature.outputs] == ["duration_minutes"]
    assert info.saved_input_example_info["artifact_path"] == "input_example.json"
    folder = Path(mlflow.artifacts.download_artifacts(model_uri))
    requirements = (folder / "requirements.txt").read_text().split()
    assert {line.split("==")[0] for line in requirements} == {
        "mlflow",
        "scikit-learn",
        "numpy",
        "pandas",
        "cloudpickle",
    }
    assert (folder / "code" / "taxi_assets" / "features" / "trip_features.py").is_file()


def test_logging_leaves_the_import_path_as_it_was(model_uri):
    assert not [entry for entry in sys.path if entry.endswith("code")]


def test_model_belongs_to_the_active_run(settings, api, model_uri):
    run_id = tracking.open_run(settings, "model", "training", {})
    assert api.get_logged_model(model_uri.removeprefix("models:/")).source_run_id == run_id


def test_model_without_a_run_is_refused(settings, api):
    before = len(api.search_logged_models([api.get_experiment_by_name(EXPERIMENT).experiment_id]))
    with pytest.raises(RuntimeError, match="active MLflow run"):
        tracking.log_model(ESTIMATOR, EXAMPLE.head())
    assert len(api.search_logged_models([api.get_experiment_by_name(EXPERIMENT).experiment_id])) == before


def test_dataset_shows_digest_snapshot_and_rows(settings, api, run_id):
    digest = "0123456789abcdef" * 4
    tracking.log_dataset(settings, run_id, "trip_features", digest, {"snapshot": 7, "months": ["2023-01"]}, 205_064)
    (logged,) = api.get_run(run_id).inputs.dataset_inputs
    assert logged.dataset.name == "trip_features"
    assert digest.startswith(logged.dataset.digest)
    assert json.loads(logged.dataset.source) == {"snapshot": 7, "months": ["2023-01"], "digest": digest}
    assert json.loads(logged.dataset.profile) == {"num_rows": 205_064}
    assert [(tag.key, tag.value) for tag in logged.tags] == [("mlflow.data.context", "training")]


def test_url_is_the_run_in_the_user_interface(settings, api, run_id):
    experiment_id = api.get_run(run_id).info.experiment_id
    page = f"http://127.0.0.1:5999/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"
    assert tracking.run_url(settings, run_id) == page

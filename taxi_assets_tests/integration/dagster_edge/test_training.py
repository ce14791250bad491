"""A training in MLflow and Dagster: one run each, one version, and the data to repeat it."""

import json
import sys
from typing import Any

import dagster as dg
import pytest
from platform_harness import FEBRUARY, JANUARY, MARCH, ROWS, TINY, PlatformHarness

from taxi_assets.features.feature_names import MODEL_INPUTS
from taxi_assets.registry import model_versions
from taxi_assets.registry.database import client

EQUAL = {dg.DagsterRunStatus.SUCCESS: "FINISHED", dg.DagsterRunStatus.FAILURE: "FAILED"}


@pytest.fixture
def run(platform: PlatformHarness) -> dg.DagsterRun:
    """The Dagster run that trained the first version."""
    return platform.instance.get_runs(dg.RunsFilter(job_name="train_month"), ascending=True)[0]


@pytest.fixture
def mlflow_run(platform: PlatformHarness, run: dg.DagsterRun) -> Any:
    (found,) = platform.mlflow_runs(run.run_id)
    return found


@pytest.fixture
def version(platform: PlatformHarness, mlflow_run: Any) -> Any:
    (found,) = client(platform.settings).search_model_versions(f"run_id = '{mlflow_run.info.run_id}'")
    return found


def assert_equal_statuses(platform: PlatformHarness) -> None:
    """Asserts that each run with a model asset has one MLflow run of equal status, and others have none."""
    for dagster_run in platform.instance.get_runs():
        statuses = [found.info.status for found in platform.mlflow_runs(dagster_run.run_id)]
        # A month that does not train skips its model assets: its MLflow run was opened before.
        kinds = (dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SKIPPED)
        steps = {event.step_key for kind in kinds for event in platform.events(dagster_run, kind)}
        logs = steps & {"duration_model", "model_evaluation", "model_tuning"}
        assert statuses == ([EQUAL[dagster_run.status]] if logs else [])


def test_one_dagster_run_is_one_mlflow_run_of_equal_status(platform: PlatformHarness) -> None:
    assert_equal_statuses(platform)


def test_the_runs_link_to_each_other(platform: PlatformHarness, run: dg.DagsterRun, mlflow_run: Any) -> None:
    assert run.tags["mlflow_run_id"] == mlflow_run.info.run_id
    assert mlflow_run.data.tags["dagster_run_id"] == run.run_id
    assert mlflow_run.data.tags["dagster_url"] == f"http://127.0.0.1:3000/runs/{run.run_id}"
    link = str(platform.metadata(run, "duration_model")["mlflow_run"].value)
    assert link.startswith("/go/mlflow/#/experiments/")
    assert mlflow_run.info.run_id in link


def test_run_name_has_the_task_and_the_month(platform: PlatformHarness, mlflow_run: Any) -> None:
    assert mlflow_run.info.run_name == "train 2023-03"
    (scored,) = platform.mlflow_runs(platform.materialise(MARCH, "model_evaluation").run_id)
    assert scored.info.run_name == "evaluate 2023-03"


def test_version_description_has_the_decision_and_its_rmse(platform: PlatformHarness, version: Any) -> None:
    assert version.description.startswith("Trained on 2023-01..2023-02. ")
    assert " scored on 2023-03: RMSE on " in version.description
    assert f", is {float(version.tags['decision_rmse']):.3f} minutes. " in version.description


def test_experiment_is_shown_as_model_training(platform: PlatformHarness) -> None:
    experiment = client(platform.settings).get_experiment_by_name("taxi-duration")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_run_names_its_training_data(mlflow_run: Any) -> None:
    tags, params = mlflow_run.data.tags, mlflow_run.data.params
    assert tags["window"] == params["window"] == "2023-01..2023-02"
    assert tags["months"] == "2023-01,2023-02"
    assert tags["scored_month"] == "2023-03"
    assert tags["services"] == params["services"] == "green"
    assert tags["synthetic"] == "true"
    assert tags["git_commit"]
    assert {name: params[name] for name in TINY} == {name: str(value) for name, value in TINY.items()}
    assert {"learning_rate", "max_leaf_nodes", "l2_regularization", "random_state", "trips"} <= set(params)


def test_a_run_has_the_scores_and_plots_of_its_model(platform: PlatformHarness, mlflow_run: Any) -> None:
    for scope in ("1_to_60_minutes", "all"):
        for model in ("duration_model", "zone_pair_median", "one_hot_linear_regression"):
            assert mlflow_run.data.metrics[f"{scope}/{model}/rmse"] > 0
    api = client(platform.settings)
    names = {item.path for item in api.list_artifacts(mlflow_run.info.run_id, "evaluation")}
    assert {"evaluation/residuals.png", "evaluation/errors_by_slice.csv"} <= names


def test_a_run_names_its_data(platform: PlatformHarness, mlflow_run: Any) -> None:
    (used,) = mlflow_run.inputs.dataset_inputs
    source = json.loads(used.dataset.source)
    assert used.dataset.name == "trip_features"
    assert source["months"] == ["2023-01", "2023-02"]
    assert source["digest"] == mlflow_run.data.tags["data_digest"]
    assert source["digest"].startswith(used.dataset.digest)
    with platform.warehouse.at(source["snapshot"]).reading() as connection:
        query = "SELECT count(*) FROM trip_features WHERE month < '2023-03-01' AND duration_minutes BETWEEN 1 AND 60"
        rows = connection.execute(query).fetchall()[0][0]
    assert json.loads(used.dataset.profile)["num_rows"] == int(mlflow_run.data.params["trips"]) == rows < 2 * ROWS


def test_version_can_be_loaded_and_predicts(
    platform: PlatformHarness, version: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setattr(sys, "path", list(sys.path))  # MLflow inserts the model's code at its start
    logged = mlflow.models.get_model_info(f"models:/{version.name}/{version.version}")
    assert [column.name for column in logged.signature.inputs] == list(MODEL_INPUTS)
    assert [column.name for column in logged.signature.outputs] == ["duration_minutes"]
    assert logged.saved_input_example_info
    folder = mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}/requirements.txt")
    with open(folder, encoding="utf-8") as file:  # noqa: PTH123 - MLflow gives a text
        assert any(line.startswith("scikit-learn==") for line in file)
    loaded = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
    assert loaded.predict(loaded.input_example).min() > 0


def test_version_is_found_by_its_training(platform: PlatformHarness, run: dg.DagsterRun, version: Any) -> None:
    shown = platform.metadata(run, "duration_model")
    assert shown["version"].value == int(version.version)
    assert shown["is_new_version"].value is True
    assert version.tags["dagster_run_id"] == run.run_id
    assert shown["data_snapshot"].value == int(version.tags["data_snapshot"])


@pytest.mark.slow
def test_repeated_training_makes_no_second_version(platform: PlatformHarness) -> None:
    first = platform.train(FEBRUARY)
    again = platform.materialise(FEBRUARY, "duration_model")
    assert again.success
    shown = platform.metadata(platform.find(again.run_id), "duration_model")
    assert shown["is_new_version"].value is False
    assert shown["version"].value == first.version
    assert_equal_statuses(platform)


@pytest.mark.slow
def test_other_parameters_make_another_version(platform: PlatformHarness) -> None:
    first, second = platform.train(FEBRUARY), platform.train(FEBRUARY, max_iter=6)
    assert second.version > first.version
    assert second.tags["training_key"] != first.tags["training_key"]


def test_training_without_a_window_uses_every_earlier_month(platform: PlatformHarness) -> None:
    assert platform.train(MARCH).tags["months"] == "2023-01,2023-02"
    assert platform.train(FEBRUARY).tags["months"] == "2023-01"


@pytest.mark.parametrize(
    ("months", "message"),
    [
        (["2023-02"], "the window has 2023-02, not before 2023-02"),
        (["2022-12"], "no trip of green to train on in 2022-12: ingest earlier months first"),
        (["2023-13"], "'2023-13' is not a month"),
    ],
)
def test_invalid_window_is_rejected_and_both_runs_fail(
    platform: PlatformHarness, months: list[str], message: str
) -> None:
    newest = model_versions.latest(platform.settings)
    result = platform.materialise(FEBRUARY, "duration_model", months=months)
    (failure,) = platform.events(platform.find(result.run_id), dg.DagsterEventType.STEP_FAILURE)
    assert message in str(failure.step_failure_data.error)
    run = platform.last_run()
    assert run.status == dg.DagsterRunStatus.FAILURE
    (found,) = platform.mlflow_runs(run.run_id)
    assert found.info.status == "FAILED"
    assert model_versions.latest(platform.settings) == newest


def test_first_month_has_no_training_data(platform: PlatformHarness) -> None:
    result = platform.materialise(JANUARY, "duration_model")
    assert not result.success
    assert_equal_statuses(platform)

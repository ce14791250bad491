"""A training as MLflow and Dagster keep it: one run each, one version, everything a stranger needs to repeat it."""

import json
import sys
from typing import Any

import dagster as dg
import pytest
from town import FEBRUARY, JANUARY, MARCH, ROWS, TINY, Town

from taxi_assets.features.trip_features import MODEL_INPUTS
from taxi_assets.registry import model_versions
from taxi_assets.registry.database import client

EQUAL = {dg.DagsterRunStatus.SUCCESS: "FINISHED", dg.DagsterRunStatus.FAILURE: "FAILED"}


@pytest.fixture
def run(town: Town) -> dg.DagsterRun:
    """The Dagster run that trained the first version."""
    return town.instance.get_runs(dg.RunsFilter(job_name="month"), ascending=True)[0]


@pytest.fixture
def mlflow_run(town: Town, run: dg.DagsterRun) -> Any:
    (found,) = town.mlflow_runs(run.run_id)
    return found


@pytest.fixture
def version(town: Town, mlflow_run: Any) -> Any:
    (found,) = client(town.settings).search_model_versions(f"run_id = '{mlflow_run.info.run_id}'")
    return found


def assert_equal_statuses(town: Town) -> None:
    """Each Dagster run that trained, scored or searched has one MLflow run of equal status; the others have none."""
    for dagster_run in town.instance.get_runs():
        statuses = [found.info.status for found in town.mlflow_runs(dagster_run.run_id)]
        steps = {event.step_key for event in town.events(dagster_run, dg.DagsterEventType.STEP_START)}
        logs = steps & {"duration_model", "model_evaluation", "model_search"}
        assert statuses == ([EQUAL[dagster_run.status]] if logs else [])


def test_one_dagster_run_is_one_mlflow_run_of_equal_status(town: Town) -> None:
    assert_equal_statuses(town)


def test_the_runs_link_to_each_other(town: Town, run: dg.DagsterRun, mlflow_run: Any) -> None:
    assert run.tags["mlflow_run_id"] == mlflow_run.info.run_id
    assert mlflow_run.data.tags["dagster_run_id"] == run.run_id
    assert mlflow_run.data.tags["dagster_url"] == f"http://127.0.0.1:3000/runs/{run.run_id}"
    link = str(town.metadata(run, "duration_model")["mlflow_run"].value)
    assert link.startswith("/go/mlflow/#/experiments/")
    assert mlflow_run.info.run_id in link


def test_a_run_is_named_by_what_it_does_and_the_month(town: Town, mlflow_run: Any) -> None:
    assert mlflow_run.info.run_name == "train 2023-03"
    (scored,) = town.mlflow_runs(town.materialise(MARCH, "model_evaluation").run_id)
    assert scored.info.run_name == "evaluate 2023-03"


def test_a_version_is_described_by_its_decision_and_the_measure(town: Town, version: Any) -> None:
    assert version.description.startswith("Trained on 2023-01..2023-02. ")
    assert "romoted on 2023-03: RMSE on " in version.description
    assert f", is {float(version.tags['decision_rmse']):.3f} minutes. " in version.description


def test_the_experiment_opens_as_one_of_training_models(town: Town) -> None:
    experiment = client(town.settings).get_experiment_by_name("taxi-duration")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_run_says_from_what_it_learned(mlflow_run: Any) -> None:
    tags, params = mlflow_run.data.tags, mlflow_run.data.params
    assert tags["window"] == params["window"] == "2023-01..2023-02"
    assert tags["months"] == "2023-01,2023-02"
    assert tags["scored_month"] == "2023-03"
    assert tags["services"] == params["services"] == "green"
    assert tags["synthetic"] == "true"
    assert tags["git_commit"]
    assert {name: params[name] for name in TINY} == {name: str(value) for name, value in TINY.items()}
    assert {"learning_rate", "max_leaf_nodes", "l2_regularization", "random_state", "rides"} <= set(params)


def test_a_run_has_the_scores_and_plots_of_its_model(town: Town, mlflow_run: Any) -> None:
    for convention in ("course", "all"):
        for model in ("duration_model", "zone_pair_median", "one_hot_linear_regression"):
            assert mlflow_run.data.metrics[f"{convention}/{model}/rmse"] > 0
    api = client(town.settings)
    names = {item.path for item in api.list_artifacts(mlflow_run.info.run_id, "evaluation")}
    assert {"evaluation/residuals.png", "evaluation/errors_by_slice.csv"} <= names


def test_a_run_names_its_data(town: Town, mlflow_run: Any) -> None:
    (used,) = mlflow_run.inputs.dataset_inputs
    source = json.loads(used.dataset.source)
    assert used.dataset.name == "trip_features"
    assert source["months"] == ["2023-01", "2023-02"]
    assert source["digest"] == mlflow_run.data.tags["data_digest"]
    assert source["digest"].startswith(used.dataset.digest)
    with town.warehouse.reading(source["snapshot"]) as connection:
        query = "SELECT count(*) FROM trip_features WHERE month < '2023-03-01' AND duration_minutes BETWEEN 1 AND 60"
        rows = connection.execute(query).fetchall()[0][0]
    assert json.loads(used.dataset.profile)["num_rows"] == int(mlflow_run.data.params["rides"]) == rows < 2 * ROWS


def test_a_version_can_be_loaded_and_asked(town: Town, version: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setattr(sys, "path", list(sys.path))  # MLflow puts the model's code first in it
    logged = mlflow.models.get_model_info(f"models:/{version.name}/{version.version}")
    assert [column.name for column in logged.signature.inputs] == list(MODEL_INPUTS)
    assert [column.name for column in logged.signature.outputs] == ["duration_minutes"]
    assert logged.saved_input_example_info
    folder = mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}/requirements.txt")
    with open(folder, encoding="utf-8") as file:  # noqa: PTH123 - MLflow gives a text
        assert any(line.startswith("scikit-learn==") for line in file)
    loaded = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
    assert loaded.predict(loaded.input_example).min() > 0


def test_a_version_is_found_again_by_its_training(town: Town, run: dg.DagsterRun, version: Any) -> None:
    shown = town.metadata(run, "duration_model")
    assert shown["version"].value == int(version.version)
    assert shown["is_new_version"].value is True
    assert version.tags["dagster_run_id"] == run.run_id
    assert shown["data_snapshot"].value == int(version.tags["data_snapshot"])


@pytest.mark.slow
def test_the_same_training_again_makes_no_second_version(town: Town) -> None:
    first = town.train(FEBRUARY)
    again = town.materialise(FEBRUARY, "duration_model")
    assert again.success
    shown = town.metadata(town.find(again.run_id), "duration_model")
    assert shown["is_new_version"].value is False
    assert shown["version"].value == first.version
    assert_equal_statuses(town)


@pytest.mark.slow
def test_other_parameters_make_another_version(town: Town) -> None:
    first, second = town.train(FEBRUARY), town.train(FEBRUARY, max_iter=6)
    assert second.version > first.version
    assert second.tags["training_key"] != first.tags["training_key"]


def test_without_a_window_every_earlier_month_is_learned_from(town: Town) -> None:
    assert town.train(MARCH).tags["months"] == "2023-01,2023-02"
    assert town.train(FEBRUARY).tags["months"] == "2023-01"


@pytest.mark.parametrize(
    ("months", "told"),
    [
        (["2023-02"], "the window holds 2023-02, not before 2023-02"),
        (["2022-12"], "no ride of green to learn from in 2022-12: ingest earlier months first"),
        (["2023-13"], "'2023-13' is not a month"),
    ],
)
def test_a_wrong_window_is_refused_and_both_runs_fail(town: Town, months: list[str], told: str) -> None:
    newest = model_versions.latest(town.settings)
    result = town.materialise(FEBRUARY, "duration_model", months=months)
    (failure,) = town.events(town.find(result.run_id), dg.DagsterEventType.STEP_FAILURE)
    assert told in str(failure.step_failure_data.error)
    run = town.last_run()
    assert run.status == dg.DagsterRunStatus.FAILURE
    (found,) = town.mlflow_runs(run.run_id)
    assert found.info.status == "FAILED"
    assert model_versions.latest(town.settings) == newest


def test_the_first_month_has_nothing_to_learn_from(town: Town) -> None:
    result = town.materialise(JANUARY, "duration_model")
    assert not result.success
    assert_equal_statuses(town)

"""A search as Dagster and MLflow keep it: one parent run, a child for each trial, the best as a training's config."""

import json
import re
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest
from town import FEBRUARY, JANUARY, MARCH, Town

from taxi_assets.months import Month
from taxi_assets.registry import tracking
from taxi_assets.registry.database import client
from taxi_assets.tuning.tune import folds

SMALL: dict[str, Any] = {
    "trials": 3,
    "scored_months": 1,
    "space": {"max_iter": [2, 6], "learning_rate": [0.05, 0.3]},
    "start": {"max_iter": 3, "min_samples_leaf": 20},
    "estimator": "random_forest",  # quick: it tells no history
}


def searched(town: Town, month: Month, **config: Any) -> dg.ExecuteInProcessResult:
    return town.definitions.resolve_job_def("search").execute_in_process(
        partition_key=str(month),
        instance=town.instance,
        run_config={
            "ops": {"model_search": {"config": SMALL | config}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )


def children(town: Town, parent: Any) -> list[Any]:
    api = client(town.settings)
    searched_by = parent.data.tags["dagster_run_id"]
    condition = f"tags.mlflow.parentRunId = '{parent.info.run_id}' and tags.search_of_dagster_run = '{searched_by}'"
    return list(api.search_runs([parent.info.experiment_id], condition))


@pytest.fixture(scope="module")
def run(shared_town: Town) -> dg.DagsterRun:
    result = searched(shared_town, MARCH)
    assert result.success
    return shared_town.find(result.run_id)


@pytest.fixture(scope="module")
def shown(shared_town: Town, run: dg.DagsterRun) -> Mapping[str, dg.MetadataValue]:
    return shared_town.metadata(run, "model_search")


def test_each_trial_is_a_run_below_the_one_of_dagster(town: Town, run: dg.DagsterRun) -> None:
    (parent,) = town.mlflow_runs(run.run_id)
    trials = children(town, parent)
    assert parent.info.status == "FINISHED"
    assert [trial.info.status for trial in trials] == ["FINISHED"] * 3
    assert {trial.data.tags["trial"] for trial in trials} == {"0", "1", "2"}
    best = min(trial.data.metrics["rmse"] for trial in trials)
    assert parent.data.metrics["best_rmse"] == best
    assert "best_max_iter" in parent.data.params
    names = {item.path for item in client(town.settings).list_artifacts(parent.info.run_id, "search")}
    assert names == {"search/trials.csv", "search/trials.png"}


def test_trials_are_compared_in_a_table_and_a_picture(town: Town, run: dg.DagsterRun, shown: Any) -> None:
    records = [record.data for record in shown["trials"].records]
    assert [record["trial"] for record in records] == [0, 1, 2]
    assert records[0]["max_iter"] == 3  # the search begins from what it was told to
    assert {"state", "rmse", "rmse_2023-02", "learning_rate", "seconds"} <= set(records[0])
    assert all(2 <= record["max_iter"] <= 6 and 0.05 <= record["learning_rate"] <= 0.3 for record in records)
    assert shown["best_rmse"].value == min(record["rmse"] for record in records)
    assert "![trials](data:image/png" in str(shown["pictures"].value)
    assert shown["scored_months"].value == "2023-02"
    assert town.checks(run, "model_search")["every_trial_was_scored_on_later_months"].passed


def test_the_best_is_a_config_a_training_takes(town: Town, shown: Any) -> None:
    config = json.loads(json.dumps(shown["config_of_the_best"].value))["ops"]["duration_model"]["config"]
    assert config["months"] == ["2023-01", "2023-02"]
    version = town.train(MARCH, **config)
    assert version.tags["estimator"] == "random_forest"
    assert version.tags["servable"] == "false"


def test_the_same_seed_tries_the_same(town: Town, shown: Any) -> None:
    again = town.metadata(town.find(searched(town, MARCH).run_id), "model_search")
    first, second = ([{**r.data, "seconds": 0} for r in each["trials"].records] for each in (shown, again))
    assert first == second


def test_a_failed_search_fails_with_its_trials(town: Town) -> None:
    result = searched(town, MARCH, space={"max_iter": [6, 6]}, start={"max_iter": 6, "max_leaf_nodes": 0})
    assert not result.success
    (parent,) = town.mlflow_runs(result.run_id)
    statuses = [trial.info.status for trial in children(town, parent)]
    assert (parent.info.status, statuses) == ("FAILED", ["FAILED"])


@pytest.mark.parametrize(
    ("month", "config", "told"),
    [
        (MARCH, {"trials": 0}, "a budget of 0 trials in 900 seconds tries nothing"),
        (MARCH, {"seconds": 0}, "a budget of 3 trials in 0 seconds tries nothing"),
        (MARCH, {"space": {"depth": [1, 2]}}, "'depth' cannot be searched: choose among .*learning_rate, max_iter"),
        (MARCH, {"space": {"max_iter": [5, 2]}}, r"the space of 'max_iter' is \[5.0, 2.0\]"),
        (MARCH, {"start": {"depth": 3}}, "a training has no parameter depth"),
        (MARCH, {"estimator": "oracle"}, "there is no estimator 'oracle': choose one of boosted_trees, random_forest"),
        (MARCH, {"months": ["2023-03"]}, "the window holds 2023-03, not before 2023-03"),
        (MARCH, {"scored_months": 2}, "2 of 2 months cannot be scored"),
        (JANUARY, {}, "1 of 0 months cannot be scored"),
        (FEBRUARY, {}, "1 of 1 months cannot be scored"),
    ],
)
def test_a_search_that_cannot_be_is_refused_in_a_sentence(
    town: Town, month: Month, config: dict[str, Any], told: str
) -> None:
    result = searched(town, month, **config)
    (failure,) = town.events(town.find(result.run_id), dg.DagsterEventType.STEP_FAILURE)
    error = failure.step_failure_data.error
    assert re.search(told, (error.cause or error).message)


def test_each_scored_month_is_told_by_all_before_it() -> None:
    months = [Month(2023, number) for number in range(1, 6)]
    found = folds(months, 2)
    assert [(len(fold.learned), str(fold.scored)) for fold in found] == [(3, "2023-04"), (4, "2023-05")]


# Trials and kills


def test_a_trial_that_is_interrupted_was_killed(town: Town, run: dg.DagsterRun) -> None:
    (parent,) = town.mlflow_runs(run.run_id)

    def interrupted(by: BaseException) -> str:
        with tracking.child_run(town.settings, parent.info.run_id, "trial", {}) as child:
            raise by
        return child.run_id

    for by, status in ((KeyboardInterrupt(), "KILLED"), (ValueError(), "FAILED")):
        with pytest.raises(type(by)):
            interrupted(by)
        assert client(town.settings).search_runs([parent.info.experiment_id], max_results=1)[0].info.status == status


def test_a_trial_whose_process_was_killed_ends_with_its_search(town: Town, run: dg.DagsterRun) -> None:
    (parent,) = town.mlflow_runs(run.run_id)
    tags = {"mlflow.parentRunId": parent.info.run_id, "search_of_dagster_run": "a run that died"}
    left = client(town.settings).create_run(parent.info.experiment_id, tags=tags).info.run_id
    ended = client(town.settings).create_run(parent.info.experiment_id, tags=tags).info.run_id
    client(town.settings).set_terminated(ended, "FINISHED")
    changed = tracking.match_statuses(town.settings, lambda each: "FAILED" if each == "a run that died" else None)
    assert changed == (left,)
    assert client(town.settings).get_run(left).info.status == "FAILED"

"""Tuning in Dagster and MLflow: one parent run, a child run per trial, the best trial as config."""

import json
import re
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest
from platform_harness import FEBRUARY, JANUARY, MARCH, PlatformHarness

from taxi_assets.months import Month
from taxi_assets.registry import tracking
from taxi_assets.registry.database import client
from taxi_assets.training.tuning import time_splits

SMALL: dict[str, Any] = {
    "trials": 3,
    "scored_months": 1,
    "space": {"max_iter": [2, 6], "learning_rate": [0.05, 0.3]},
    "start": {"max_iter": 3, "min_samples_leaf": 20},
    "estimator": "random_forest",  # quick: it needs no target encoding
}


def run_tuning(platform: PlatformHarness, month: Month, **config: Any) -> dg.ExecuteInProcessResult:
    return platform.definitions.resolve_job_def("tune").execute_in_process(
        partition_key=str(month),
        instance=platform.instance,
        run_config={
            "ops": {"model_tuning": {"config": SMALL | config}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )


def children(platform: PlatformHarness, parent: Any) -> list[Any]:
    api = client(platform.settings)
    dagster_run_id = parent.data.tags["dagster_run_id"]
    condition = f"tags.mlflow.parentRunId = '{parent.info.run_id}' and tags.tuning_dagster_run_id = '{dagster_run_id}'"
    return list(api.search_runs([parent.info.experiment_id], condition))


@pytest.fixture(scope="module")
def run(shared_platform: PlatformHarness) -> dg.DagsterRun:
    result = run_tuning(shared_platform, MARCH)
    assert result.success
    return shared_platform.find(result.run_id)


@pytest.fixture(scope="module")
def shown(shared_platform: PlatformHarness, run: dg.DagsterRun) -> Mapping[str, dg.MetadataValue]:
    return shared_platform.metadata(run, "model_tuning")


def test_each_trial_is_a_child_run(platform: PlatformHarness, run: dg.DagsterRun) -> None:
    (parent,) = platform.mlflow_runs(run.run_id)
    trials = children(platform, parent)
    assert parent.info.status == "FINISHED"
    assert [trial.info.status for trial in trials] == ["FINISHED"] * 3
    assert {trial.data.tags["trial"] for trial in trials} == {"0", "1", "2"}
    best = min(trial.data.metrics["rmse"] for trial in trials)
    assert parent.data.metrics["best_rmse"] == best
    assert "best_max_iter" in parent.data.params
    names = {item.path for item in client(platform.settings).list_artifacts(parent.info.run_id, "tune")}
    assert names == {"tune/trials.csv", "tune/trials.png"}


def test_trials_are_compared_in_a_table_and_a_plot(platform: PlatformHarness, run: dg.DagsterRun, shown: Any) -> None:
    records = [record.data for record in shown["trials"].records]
    assert [record["trial"] for record in records] == [0, 1, 2]
    assert records[0]["max_iter"] == 3  # the first trial uses the given parameters
    assert {"state", "rmse", "rmse_2023-02", "learning_rate", "seconds"} <= set(records[0])
    assert all(2 <= record["max_iter"] <= 6 and 0.05 <= record["learning_rate"] <= 0.3 for record in records)
    assert shown["best_rmse"].value == min(record["rmse"] for record in records)
    assert "![trials](data:image/png" in str(shown["pictures"].value)
    assert shown["scored_months"].value == "2023-02"
    assert platform.checks(run, "model_tuning")["every_trial_was_scored_on_later_months"].passed


def test_best_trial_is_a_valid_training_config(platform: PlatformHarness, shown: Any) -> None:
    config = json.loads(json.dumps(shown["config_of_the_best"].value))["ops"]["duration_model"]["config"]
    assert config["months"] == ["2023-01", "2023-02"]
    version = platform.train(MARCH, **config)
    assert version.tags["estimator"] == "random_forest"
    assert version.tags["servable"] == "false"


def test_same_seed_gives_the_same_trials(platform: PlatformHarness, shown: Any) -> None:
    again = platform.metadata(platform.find(run_tuning(platform, MARCH).run_id), "model_tuning")
    first, second = ([{**r.data, "seconds": 0} for r in each["trials"].records] for each in (shown, again))
    assert first == second


def test_failed_tuning_fails_with_its_trials(platform: PlatformHarness) -> None:
    result = run_tuning(platform, MARCH, space={"max_iter": [6, 6]}, start={"max_iter": 6, "max_leaf_nodes": 0})
    assert not result.success
    (parent,) = platform.mlflow_runs(result.run_id)
    statuses = [trial.info.status for trial in children(platform, parent)]
    assert (parent.info.status, statuses) == ("FAILED", ["FAILED"])


@pytest.mark.parametrize(
    ("month", "config", "message"),
    [
        (MARCH, {"trials": 0}, "a budget of 0 trials in 900 seconds runs no trial"),
        (MARCH, {"seconds": 0}, "a budget of 3 trials in 0 seconds runs no trial"),
        (MARCH, {"space": {"depth": [1, 2]}}, "'depth' cannot be tuned: choose among .*learning_rate, max_iter"),
        (MARCH, {"space": {"max_iter": [5, 2]}}, r"the space of 'max_iter' is \[5.0, 2.0\]"),
        (MARCH, {"start": {"depth": 3}}, "unknown training parameter depth"),
        (MARCH, {"estimator": "oracle"}, "there is no estimator 'oracle': choose one of boosted_trees, random_forest"),
        (MARCH, {"months": ["2023-03"]}, "the window has 2023-03, not before 2023-03"),
        (MARCH, {"scored_months": 2}, "cannot score 2 of 2 months"),
        (JANUARY, {}, "cannot score 1 of 0 months"),
        (FEBRUARY, {}, "cannot score 1 of 1 months"),
    ],
)
def test_invalid_tuning_config_is_rejected(
    platform: PlatformHarness, month: Month, config: dict[str, Any], message: str
) -> None:
    result = run_tuning(platform, month, **config)
    (failure,) = platform.events(platform.find(result.run_id), dg.DagsterEventType.STEP_FAILURE)
    error = failure.step_failure_data.error
    assert re.search(message, (error.cause or error).message)


def test_each_scored_month_uses_all_earlier_months() -> None:
    months = [Month(2023, number) for number in range(1, 6)]
    found = time_splits(months, 2)
    assert [(len(split.train), str(split.validation)) for split in found] == [(3, "2023-04"), (4, "2023-05")]


# Trials and kills


def test_interrupted_trial_is_marked_killed(platform: PlatformHarness, run: dg.DagsterRun) -> None:
    (parent,) = platform.mlflow_runs(run.run_id)

    def interrupted(by: BaseException) -> str:
        with tracking.child_run(platform.settings, parent.info.run_id, "trial", {}) as child:
            raise by
        return child.run_id

    for by, status in ((KeyboardInterrupt(), "KILLED"), (ValueError(), "FAILED")):
        with pytest.raises(type(by)):
            interrupted(by)
        assert (
            client(platform.settings).search_runs([parent.info.experiment_id], max_results=1)[0].info.status == status
        )


def test_trial_of_a_killed_process_ends_with_its_tuning_run(platform: PlatformHarness, run: dg.DagsterRun) -> None:
    (parent,) = platform.mlflow_runs(run.run_id)
    tags = {"mlflow.parentRunId": parent.info.run_id, "tuning_dagster_run_id": "a run that died"}
    left = client(platform.settings).create_run(parent.info.experiment_id, tags=tags).info.run_id
    ended = client(platform.settings).create_run(parent.info.experiment_id, tags=tags).info.run_id
    client(platform.settings).set_terminated(ended, "FINISHED")
    changed = tracking.sync_statuses(platform.settings, lambda each: "FAILED" if each == "a run that died" else None)
    assert changed == (left,)
    assert client(platform.settings).get_run(left).info.status == "FAILED"

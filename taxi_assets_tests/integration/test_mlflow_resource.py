"""Each Dagster run has one MLflow run of equal status, with real databases."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dagster import (
    AssetsDefinition,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Definitions,
    ExecuteInProcessResult,
    ReexecutionOptions,
    ResourceParam,
    RetryPolicy,
    asset,
    define_asset_job,
    execute_job,
    in_process_executor,
    materialize,
    reconstructable,
    resource,
)

from taxi_assets.defs.mlflow_resource import MLFLOW_RUN_TAG, mlflow_resource
from taxi_assets.registry.database import client
from taxi_assets.settings import Settings

EQUAL = {
    DagsterRunStatus.SUCCESS: "FINISHED",
    DagsterRunStatus.FAILURE: "FAILED",
    DagsterRunStatus.CANCELED: "KILLED",
}


class TroubleError(Exception):
    """The error of the failing assets."""


@asset
def model(mlflow: ResourceParam[Any]) -> None:
    mlflow.log_params({"depth": 3})


@asset(deps=[model])
def evaluation(mlflow: ResourceParam[Any]) -> None:
    mlflow.log_metric("rmse", 4.5)


@asset(deps=[model])
def failing_evaluation() -> None:
    raise TroubleError


@asset
def failing_model(mlflow: ResourceParam[Any]) -> None:
    mlflow.log_params({"depth": 3})
    raise TroubleError


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    store = request.getfixturevalue("server").empty_mlflow_store() if request.param == "postgresql" else None
    return Settings(home=tmp_path_factory.mktemp("home"), mlflow_store=store, data_kind="synthetic")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance:
        yield instance


@pytest.fixture
def new_runs(instance: DagsterInstance) -> Callable[[], list[DagsterRun]]:
    """The Dagster runs since the start of the test, latest first."""
    old = {run.run_id for run in instance.get_runs()}
    return lambda: [run for run in instance.get_runs() if run.run_id not in old]


@pytest.fixture
def run(settings: Settings, instance: DagsterInstance) -> Callable[..., ExecuteInProcessResult]:
    def run(*assets: AssetsDefinition, raises: bool = False, **resources: Any) -> ExecuteInProcessResult:
        resources["mlflow"] = mlflow_resource(settings)
        return materialize(assets, instance=instance, resources=resources, raise_on_error=raises)

    return run


def assert_equal_statuses(settings: Settings, dagster_runs: list[DagsterRun], count: int = 1) -> list[Any]:
    """Asserts that each Dagster run has one MLflow run of equal status, and none is active."""
    import mlflow

    assert len(dagster_runs) == count
    found = [mlflow_runs(settings, dagster_run.run_id) for dagster_run in dagster_runs]
    assert [len(of_one) for of_one in found] == [1] * count
    assert [one.info.status for (one,) in found] == [EQUAL[dagster_run.status] for dagster_run in dagster_runs]
    assert [one.info.run_id for (one,) in found] == [one.tags[MLFLOW_RUN_TAG] for one in dagster_runs]
    assert mlflow.active_run() is None
    return [one for (one,) in found]


def mlflow_runs(settings: Settings, dagster_run_id: str) -> list[Any]:
    api = client(settings)
    experiments = [experiment.experiment_id for experiment in api.search_experiments()]
    return list(api.search_runs(experiments, f"tags.dagster_run_id = '{dagster_run_id}'"))


def test_assets_of_one_run_share_one_finished_run(settings, new_runs, run):
    result = run(model, evaluation)
    (found,) = assert_equal_statuses(settings, new_runs())
    assert result.success
    assert found.data.params == {"depth": "3"}
    assert found.data.metrics == {"rmse": 4.5}


def test_run_links_to_dagster_and_names_its_origin(settings, new_runs, run):
    result = run(model)
    (found,) = assert_equal_statuses(settings, new_runs())
    tags = found.data.tags
    assert tags["dagster_url"] == f"http://127.0.0.1:3000/runs/{result.run_id}"
    assert tags["dagster_url"] in tags["mlflow.note.content"]
    assert tags["synthetic"] == "true"
    assert tags["mlflow.source.git.commit"]
    assert found.info.artifact_uri.startswith((settings.mlflow_home / "artifacts").as_uri())


def test_run_fails_when_the_training_fails(settings, new_runs, run):
    assert not run(failing_model).success
    (found,) = assert_equal_statuses(settings, new_runs())
    assert found.info.status == "FAILED"
    assert found.data.params == {"depth": "3"}


def test_run_fails_when_a_later_asset_fails(settings, new_runs, run):
    assert not run(model, failing_evaluation).success
    (found,) = assert_equal_statuses(settings, new_runs())
    assert found.info.status == "FAILED"


def test_run_fails_when_the_error_is_raised_to_the_caller(settings, new_runs, run):
    with pytest.raises(TroubleError):
        run(model, failing_evaluation, raises=True)
    (found,) = assert_equal_statuses(settings, new_runs())
    assert found.info.status == "FAILED"


def test_run_fails_when_another_resource_cannot_be_made(settings, new_runs, run):
    @resource(required_resource_keys={"mlflow"})
    def broken() -> None:
        raise TroubleError

    @asset(required_resource_keys={"broken"})
    def user_of_broken() -> None:
        raise AssertionError("never reached")

    assert not run(user_of_broken, broken=broken).success
    (found,) = assert_equal_statuses(settings, new_runs())
    assert found.info.status == "FAILED"


def test_run_made_while_an_older_error_is_handled_finishes(settings, new_runs, run):
    try:
        raise TroubleError
    except TroubleError:
        assert run(model).success
    (found,) = assert_equal_statuses(settings, new_runs())
    assert found.info.status == "FINISHED"


def test_step_that_succeeds_when_tried_again_finishes(settings, new_runs, run):
    tries = []

    @asset(retry_policy=RetryPolicy(max_retries=1))
    def unlucky(mlflow: ResourceParam[Any]) -> None:
        tries.append(mlflow.mlflow_run_id)
        if len(tries) == 1:
            raise TroubleError

    assert run(unlucky).success
    (found,) = assert_equal_statuses(settings, new_runs())
    assert tries == [found.info.run_id] * 2


def test_asset_that_ends_the_run_itself_does_not_hide_a_failure(settings, new_runs, run):
    @asset
    def hasty(mlflow: ResourceParam[Any]) -> None:
        mlflow.end_run()
        raise TroubleError

    assert not run(hasty).success
    assert_equal_statuses(settings, new_runs())


def test_child_run_left_open_does_not_leak_into_the_next(settings, new_runs, run):
    @asset
    def careless(mlflow: ResourceParam[Any]) -> None:
        mlflow.start_run(nested=True)

    assert run(careless).success
    assert run(model).success
    assert_equal_statuses(settings, new_runs(), count=2)


def test_runs_one_after_another_are_kept_apart(settings, new_runs, run):
    assert run(model).success
    assert not run(failing_model).success
    assert run(model, evaluation).success
    found = assert_equal_statuses(settings, new_runs(), count=3)
    assert len({one.info.run_id for one in found}) == 3


def make_flaky_job() -> Any:
    @asset
    def flaky(mlflow: ResourceParam[Any]) -> None:
        if not os.environ.get("TAXI_TESTS_LUCKY"):
            raise TroubleError

    job = define_asset_job("flaky_job", [flaky], executor_def=in_process_executor)
    definitions = Definitions([flaky], jobs=[job], resources={"mlflow": mlflow_resource(Settings())})
    return definitions.resolve_job_def("flaky_job")


def test_run_executed_again_gets_a_run_of_its_own(settings, instance, new_runs, monkeypatch):
    if settings.mlflow_store:
        pytest.skip("Dagster keeps the job that this test makes, with the settings of the first store, in memory")
    monkeypatch.setenv("TAXI_HOME", str(settings.home))
    monkeypatch.setenv("TAXI_DATA_KIND", "synthetic")
    job = reconstructable(make_flaky_job)
    with execute_job(job, instance=instance) as first:
        assert not first.success
    monkeypatch.setenv("TAXI_TESTS_LUCKY", "yes")
    again = ReexecutionOptions(parent_run_id=first.run_id)
    with execute_job(job, instance=instance, reexecution_options=again) as second:
        assert second.success
    found = assert_equal_statuses(settings, new_runs(), count=2)
    assert len({one.info.run_id for one in found}) == 2


@pytest.mark.parametrize("asked_for", [False, True], ids=["unasked", "asked for"])
def test_interrupted_run_ends_as_dagster_says(settings, instance, new_runs, run, asked_for):
    @asset
    def interrupted(context, mlflow: ResourceParam[Any]) -> None:
        if asked_for:
            instance.report_run_canceling(context.run)
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()

    assert not run(interrupted).success
    (found,) = assert_equal_statuses(settings, new_runs())
    assert found.info.status == ("KILLED" if asked_for else "FAILED")


def test_run_active_before_is_neither_used_nor_ended(settings, new_runs, run):
    client(settings)
    import mlflow

    with mlflow.start_run() as other:
        assert not run(model).success
        assert mlflow.active_run().info.run_id == other.info.run_id
    (dagster_run,) = new_runs()
    assert mlflow_runs(settings, dagster_run.run_id) == []
    assert client(settings).get_run(other.info.run_id).data.params == {}


def test_resource_cannot_be_made_outside_a_run(settings):
    from dagster import DagsterResourceFunctionError, build_resources

    with pytest.raises(DagsterResourceFunctionError), build_resources({"mlflow": mlflow_resource(settings)}):
        pass


def test_code_location_does_not_import_mlflow():
    code = "import sys, taxi_assets.defs.mlflow_resource; assert not {'mlflow', 'pandas'} & {*sys.modules}"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0

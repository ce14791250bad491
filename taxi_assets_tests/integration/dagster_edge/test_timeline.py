"""Dagster's web API shows a run of `taxi run` like a run of the UI."""

import asyncio
from typing import Any

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_graphql.schema import create_schema
from platform_harness import PlatformHarness

from taxi_assets.settings import WORKSPACE

# The fields the timeline groups by, a job's page lists, and a re-execution compares.
RUNS = """query { repositoryOrError(repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "taxi_assets"}) { ... on Repository {
  pipelines { name pipelineSnapshotId runs(limit: 10) { runId pipelineSnapshotId
    repositoryOrigin { repositoryName repositoryLocationName } } } } } }"""
AGAIN = """mutation($params: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $params) {
  __typename ... on LaunchRunSuccess { run { pipelineName parentRunId tags { key value } } }
  ... on PythonError { message } } }"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_command_line_run_equals_a_ui_run_in_dagster(
    platform: PlatformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAXI_HOME", str(platform.settings.home))
    monkeypatch.setenv("TAXI_DATA_KIND", "synthetic")
    monkeypatch.setenv("DAGSTER_HOME", str(platform.settings.dagster_home))
    run = platform.instance.get_runs(dg.RunsFilter(job_name="train_month"), ascending=True)[0]
    with WorkspaceProcessContext(platform.instance, WorkspaceFileTarget([str(WORKSPACE)])) as process:
        jobs = execute_query(process, RUNS)["repositoryOrError"]["pipelines"]
        (month,) = [job for job in jobs if job["name"] == "train_month"]
        (shown,) = [each for each in month["runs"] if each["runId"] == run.run_id]
        assert shown["repositoryOrigin"] == {
            "repositoryName": "__repository__",
            "repositoryLocationName": "taxi_assets",
        }
        # Else the UI warns that the job's definition differs.
        assert shown["pipelineSnapshotId"] == month["pipelineSnapshotId"]

        params = {"parentRunId": run.run_id, "strategy": "ALL_STEPS"}
        again = execute_query(process, AGAIN, params=params)["launchRunReexecution"]
        assert again["__typename"] == "LaunchRunSuccess", again
        assert (again["run"]["pipelineName"], again["run"]["parentRunId"]) == ("train_month", run.run_id)
        assert {"key": "dagster/partition", "value": "2023-03"} in again["run"]["tags"]
    (queued,) = platform.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
    platform.instance.delete_run(queued.run_id)


def execute_query(process: WorkspaceProcessContext, query: str, **variables: Any) -> dict[str, Any]:
    asked = create_schema().execute_async(
        query, variable_values=variables, context_value=process.create_request_context()
    )
    response = asyncio.run(asked)
    assert not response.errors, response.errors
    data: dict[str, Any] = response.data
    return data

"""Runs in this process: progress messages and one-line failures."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from taxi_assets.defs.instance import last_run, open_instance
from taxi_assets.defs.partitions import MONTHS
from taxi_assets.defs.run_processes import PROCESS_TAG, process_tag
from taxi_assets.defs.runs import run_job
from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.settings import Settings

JANUARY, FEBRUARY = Month(2023, 1), Month(2023, 2)


@dg.asset(partitions_def=MONTHS)
def ingested_asset(context: dg.AssetExecutionContext) -> None:
    context.add_asset_metadata({"keys": ",".join(context.partition_keys)})


@dg.asset(partitions_def=MONTHS)
def mistaken() -> None:
    raise TaxiError("the month is not there: fetch it")


@dg.asset(partitions_def=MONTHS)
def failed() -> None:
    raise dg.Failure("the month is refused: 3 rows of 5", allow_retries=False) from TaxiError("why")


@dg.asset(partitions_def=MONTHS)
def broken() -> None:
    try:
        _ = {}["key"]
    except KeyError as error:
        raise RuntimeError("could not look") from error


@dg.asset(partitions_def=MONTHS)
def terminated() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@dg.resource
def deleted() -> None:
    raise TaxiError("the experiment was deleted: restore it with: a command")


@dg.asset(partitions_def=MONTHS, required_resource_keys={"store"})
def without_store(context: dg.AssetExecutionContext) -> None:
    raise AssertionError(context.resources.store)


def job(asset: dg.AssetsDefinition) -> dg.Definitions:
    made = dg.define_asset_job("job", [asset], executor_def=dg.in_process_executor)
    return dg.Definitions([asset], jobs=[made], resources={"store": deleted})


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")  # else Dagster prints its telemetry notice
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def why(instance: dg.DagsterInstance, asset: dg.AssetsDefinition) -> str:
    with pytest.raises(TaxiError) as error:
        run_job(job(asset), instance, "job", [JANUARY], {}, lambda *_: None)
    assert instance.get_runs()[0].status == dg.DagsterRunStatus.FAILURE
    return str(error.value)


@pytest.mark.parametrize("months", [[JANUARY], [JANUARY, FEBRUARY]], ids=["one month", "a range"])
def test_one_run_covers_all_its_months(instance: dg.DagsterInstance, months: list[Month]) -> None:
    run_id = run_job(job(ingested_asset), instance, "job", months, {}, lambda *_: None)
    (run,) = instance.get_runs()
    assert run.run_id == run_id
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert run.tags[PROCESS_TAG] == process_tag()
    assert not [tag for tag in run.tags if tag.startswith("taxi/")]  # Dagster shows all tags except its hidden ones
    # The Dagster UI needs these to list the run in the timeline and the job's page, and to re-execute it.
    assert run.tags["dagster/code_location"] == "taxi_assets"
    assert run.remote_job_origin
    assert run.remote_job_origin.repository_origin.get_label() == "__repository__@taxi_assets"
    (found,) = instance.get_runs(dg.RunsFilter(tags={".dagster/repository": "__repository__@taxi_assets"}))
    assert found.run_id == run_id
    made = job(ingested_asset).resolve_job_def("job")
    assert run.job_snapshot_id == made.get_job_snapshot_id()
    records = instance.fetch_materializations(ingested_asset.key, limit=10).records
    assert {record.partition_key for record in records} == {str(month) for month in months}


def test_steps_are_reported_as_they_begin_and_end(instance: dg.DagsterInstance) -> None:
    steps: list[tuple[str, bool]] = []
    run_job(job(ingested_asset), instance, "job", [JANUARY], {}, lambda step, is_over: steps.append((step, is_over)))
    assert steps == [("ingested_asset", False), ("ingested_asset", True)]


def test_user_error_keeps_its_message(instance: dg.DagsterInstance) -> None:
    assert why(instance, mistaken) == "mistaken: the month is not there: fetch it"


def test_refusal_keeps_its_message(instance: dg.DagsterInstance) -> None:
    assert why(instance, failed) == "the month is refused: 3 rows of 5"


def test_other_errors_are_reported_by_their_cause(instance: dg.DagsterInstance) -> None:
    assert why(instance, broken) == "broken: KeyError: 'key'"


def test_interrupted_run_says_so(instance: dg.DagsterInstance) -> None:
    message = "terminated: the run was interrupted: start it again, what it has published stays"
    assert why(instance, terminated) == message


def test_failure_before_any_step_keeps_its_message(instance: dg.DagsterInstance) -> None:
    assert why(instance, without_store) == "the experiment was deleted: restore it with: a command"


def test_last_run_reports_its_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    with open_instance(settings) as instance:
        message = why(instance, without_store)
    assert last_run(settings)["why"] == message


def test_nothing_is_printed(instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]) -> None:
    why(instance, broken)
    assert capfd.readouterr() == ("", "")

"""Runs a job in this process, on the persisted instance, and reports its progress."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator

from taxi_assets.defs.code_location import code_origin, remote_origin
from taxi_assets.defs.run_processes import PROCESS_TAG, process_tag
from taxi_assets.errors import TaxiError
from taxi_assets.months import Month

OnProgress = Callable[[str, bool], None]

# Events with the reason of a failed run, most specific first: a step, a resource, Dagster itself.
_FAILURES = (
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RESOURCE_INIT_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
)
_STEP_IS_OVER = {dg.DagsterEventType.STEP_START: False, dg.DagsterEventType.STEP_SUCCESS: True}
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def run_job(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job_name: str,
    months: Sequence[Month],
    config: Mapping[str, Any],
    on_progress: OnProgress,
) -> str:
    """Materialise the job's assets for a range of months.

    Args:
        definitions: The code location.
        instance: The instance that records the run.
        job_name: One of `jobs.JOBS`.
        months: Consecutive months, oldest first.
        config: Run config of the job's assets.
        on_progress: Called as steps begin and end, with a step's name and True when it has ended.

    Returns:
        The Dagster run's id.

    Raises:
        TaxiError: the run failed, with the message of the failed step or resource.
    """
    job = definitions.resolve_job_def(job_name)
    tags = {**job.run_tags, PROCESS_TAG: process_tag()}
    if len(months) == 1:
        tags |= job.get_tags_for_partition_key(str(months[0]), selected_asset_keys=None)
    else:
        tags |= {_RANGE[0]: str(months[0]), _RANGE[1]: str(months[-1])}
    run = instance.create_run_for_job(
        job,
        run_config={**config, **_QUIET},
        tags=tags,
        remote_job_origin=remote_origin(job_name),
        job_code_origin=code_origin(job_name),
    )
    if not _execute(job, run, instance, on_progress):
        raise TaxiError(
            failure_message(instance, run.run_id) or f"the run {run.run_id} failed: see it in the Dagster UI"
        )
    return run.run_id


def seconds_by_month(instance: dg.DagsterInstance, job_name: str) -> dict[Month, float]:
    """Seconds of the successful run of each month of a job; a month without one is left out."""
    succeeded = dg.RunsFilter(job_name=job_name, statuses=[dg.DagsterRunStatus.SUCCESS])
    return {
        Month.parse(record.dagster_run.tags["dagster/partition"]): (record.end_time or 0) - (record.start_time or 0)
        for record in instance.get_run_records(succeeded)
    }


def _execute(job: dg.JobDefinition, run: dg.DagsterRun, instance: dg.DagsterInstance, on_progress: OnProgress) -> bool:
    """Execute the run in this process; True if it succeeded."""
    event = None
    for event in execute_run_iterator(InMemoryJob(job), run, instance):
        if event.event_type in _STEP_IS_OVER:
            on_progress(str(event.step_key), _STEP_IS_OVER[event.event_type])
    return event is not None and event.event_type == dg.DagsterEventType.RUN_SUCCESS


def failure_message(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """The message of the first failure in a run: its own, or that of its innermost cause."""
    for kind in _FAILURES:
        for entry in instance.all_logs(run_id, of_type=kind):
            if entry.dagster_event:
                return _sentence(entry.dagster_event)
    return None


def _sentence(event: dg.DagsterEvent) -> str | None:
    failure: Any = event.event_specific_data
    own = getattr(failure, "user_failure_data", None)
    if own and own.description:
        return str(own.description)
    error = getattr(failure, "error", None)  # None if the run's process died
    while error and error.cause:
        error = error.cause
    if not error:
        return None
    if error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return f"{event.step_key}: the run was interrupted: start it again, what it has published stays"
    message = error.message.strip().removeprefix("taxi_assets.errors.TaxiError: ")
    return f"{event.step_key}: {message}" if event.event_type == dg.DagsterEventType.STEP_FAILURE else str(message)

"""The `mlflow` resource: one MLflow run for each Dagster run, ended with the same status.

For jobs with `in_process_executor`: Dagster then creates the resource once a run, before the first step, and
tears it down after the last. dagster-mlflow and MLflow are imported only then.
"""

import sys
import warnings
from collections.abc import Iterator
from typing import Any, cast

import dagster as dg

from taxi_assets.registry import tracking
from taxi_assets.registry.code_revision import git_commit
from taxi_assets.registry.database import EXPERIMENT, client, tracking_uri
from taxi_assets.registry.tracking import RunStatus
from taxi_assets.settings import Settings

MLFLOW_RUN_TAG = "mlflow_run_id"

_STATUS: dict[dg.DagsterRunStatus, RunStatus] = {
    dg.DagsterRunStatus.SUCCESS: "FINISHED",
    dg.DagsterRunStatus.FAILURE: "FAILED",
    dg.DagsterRunStatus.CANCELED: "KILLED",
}


def mlflow_resource(settings: Settings) -> dg.ResourceDefinition:
    """The resource for assets that log to MLflow: dagster-mlflow's, with every function of `mlflow`.

    They act on the MLflow run of this Dagster run. Its id is the resource's `mlflow_run_id` and a tag of the same
    name on the Dagster run.
    """

    @dg.resource(description="MLflow's functions, on the one MLflow run of this Dagster run.")
    def mlflow(context: dg.InitResourceContext) -> Iterator[Any]:
        if context.run is None or context.instance is None:
            raise RuntimeError("the mlflow resource belongs to a Dagster run: it cannot be created outside one")
        handled_before = sys.exc_info()[1]
        _require_no_active_run(settings)
        status: RunStatus = "FAILED"
        run_id = _open_run(settings, context.run)
        context.instance.add_run_tags(context.run.run_id, {MLFLOW_RUN_TAG: run_id})
        try:
            yield _attach(settings, context, context.run, run_id)
            status = _status_at_teardown(context.instance, context.run.run_id, handled_before)
        finally:
            _detach(settings, run_id, status)

    return mlflow


def sync_mlflow_runs(
    settings: Settings, instance: dg.DagsterInstance, *, only_running: bool = False
) -> tuple[str, ...]:
    """Set the status of MLflow runs to that of their Dagster runs, after a process was killed.

    Call it after the runs of dead processes are marked as failed in Dagster.

    Args:
        settings: Location of MLflow's database.
        instance: The instance that records the Dagster runs.
        only_running: Only check MLflow runs that have not ended, which is fast with any number of ended ones.

    Returns:
        The MLflow ids of the runs changed.
    """

    def status_of(dagster_run_id: str) -> RunStatus | None:
        run = instance.get_run_by_id(dagster_run_id)
        return _STATUS.get(run.status) if run else None

    return tracking.sync_statuses(settings, status_of, only="RUNNING" if only_running else None)


def _require_no_active_run(settings: Settings) -> None:
    # dagster-mlflow would reuse any active run, and log one training on another's run.
    client(settings)
    import mlflow

    if mlflow.active_run():
        raise RuntimeError("an MLflow run is active in this thread already: end it first")


def _open_run(settings: Settings, run: dg.DagsterRun) -> str:
    page = settings.dagster_run_url(run.run_id)
    tags = {
        "dagster_url": page,
        "mlflow.note.content": f"Made by [Dagster run {run.run_id}]({page}).",
        "mlflow.source.git.commit": git_commit(),
        "mlflow.source.name": "taxi_assets",
        "synthetic": str(settings.active_data_kind == "synthetic").lower(),
    }
    return tracking.open_run(settings, run.run_id, _run_name(run), tags)


def _run_name(run: dg.DagsterRun) -> str:
    """`train 2023-05`, `tune 2023-05`, or `evaluate 2023-05` for a selection of assets without training."""
    selected_assets = {key.to_user_string() for key in run.asset_selection or ()}
    if run.job_name == "tune" or selected_assets == {"model_tuning"}:
        what = "tune"
    else:
        what = "train" if not selected_assets or "duration_model" in selected_assets else "evaluate"
    first = run.tags.get("dagster/partition") or run.tags.get("dagster/asset_partition_range_start")
    return f"{what} {first}" if first else run.job_name


def _attach(settings: Settings, context: dg.InitResourceContext, run: dg.DagsterRun, run_id: str) -> Any:
    """Make the run this thread's active one, through dagster-mlflow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.filterwarnings("ignore", "InitResourceContext", DeprecationWarning)
        from dagster_mlflow.resources import MlFlow

        config = {
            "experiment_name": EXPERIMENT,
            "mlflow_tracking_uri": tracking_uri(settings),
            "mlflow_run_id": run_id,
        }
        attached = cast("Any", MlFlow)(context.replace_config(config))
    # dagster-mlflow names every run after its job.
    client(settings).update_run(run_id, name=_run_name(run))
    return attached


def _detach(settings: Settings, run_id: str, status: RunStatus) -> None:
    import mlflow

    while mlflow.active_run():
        mlflow.end_run(status)
    client(settings).set_terminated(run_id, status)


def _status_at_teardown(
    instance: dg.DagsterInstance, dagster_run_id: str, handled_before: BaseException | None
) -> RunStatus:
    """The status that Dagster is about to give its run.

    Teardown comes before Dagster sets the status. An interrupt, or a resource that could not be created, passes
    through teardown as an exception; a failed step is in the event log.
    """
    error = sys.exc_info()[1]
    passing = error is not None and error is not handled_before
    if not passing and not instance.all_logs(dagster_run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        return "FINISHED"
    run = instance.get_run_by_id(dagster_run_id)
    terminated = run and run.status in (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)
    return "KILLED" if terminated else "FAILED"

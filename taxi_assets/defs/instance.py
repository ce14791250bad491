"""The Dagster instance in a home: its configuration and its newest run."""

import dagster as dg
from filelock import FileLock

from taxi_assets.defs.instance_configuration import set_environment, write_configuration
from taxi_assets.defs.runs import failure_message
from taxi_assets.defs.storage_schema import current_schema, require_current_schema
from taxi_assets.settings import Settings

INTERRUPTED = "INTERRUPTED"
INTERRUPTED_REMEDY = "its process ended before it did: `make up` closes it and finishes its month, or repeat `taxi run`"


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Open the persisted instance of the home, created if missing, and set `DAGSTER_HOME` to it.

    Raises:
        TaxiError: its databases are of a later Dagster, or PostgreSQL cannot be reached.
    """
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    set_environment(settings)
    # The first process to open it creates its databases; two at once would fail on each other's tables.
    with FileLock(settings.dagster_home / "open.lock"):
        write_configuration(settings)
        if settings.dagster_storage:
            with current_schema(settings):
                return dg.DagsterInstance.get()
        require_current_schema(settings)
        return dg.DagsterInstance.get()


def _is_new(settings: Settings) -> bool:
    return settings.dagster_storage is None and not (settings.dagster_home / "dagster.yaml").is_file()


def last_runs(settings: Settings, count: int) -> list[dict[str, object]]:
    """The newest Dagster runs, newest first: job, month, status, start (seconds since 1970) and id.

    The status is Dagster's, or `INTERRUPTED`.
    """
    if _is_new(settings):
        return []
    with open_instance(settings) as instance:
        return [
            {
                "job": record.dagster_run.job_name,
                "month": record.dagster_run.tags.get("dagster/partition"),
                "status": _status(settings, instance, record.dagster_run),
                "started": record.start_time,
                "run_id": record.dagster_run.run_id,
            }
            for record in instance.get_run_records(limit=count)
        ]


def _status(settings: Settings, instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    from taxi_assets.defs.run_processes import is_interrupted

    return INTERRUPTED if is_interrupted(settings, instance, run) else run.status.value


def last_run(settings: Settings) -> dict[str, str] | None:
    """The newest Dagster run: job, status, id and failure message, if any; None before the first."""
    if _is_new(settings):
        return None
    with open_instance(settings) as instance:
        runs = instance.get_runs(limit=1)
        if not runs:
            return None
        status = _status(settings, instance, runs[0])
        why = INTERRUPTED_REMEDY if status == INTERRUPTED else failure_message(instance, runs[0].run_id)
    facts = {"job": runs[0].job_name, "status": status, "run_id": runs[0].run_id}
    return facts | ({"why": why} if why else {})

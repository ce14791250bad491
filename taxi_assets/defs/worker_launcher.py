"""Sends runs that ingest months to workers on other machines; other runs start on this one.

`dagster.yaml` names the class if `TAXI_RUN_BROKER` is set. Training needs MLflow's artifacts, which are in the home.
"""

from typing import Any

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, LaunchRunContext, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher

from taxi_assets.defs.run_processes import WORKER_TAG
from taxi_assets.defs.worker_app import app_arguments
from taxi_assets.defs.worker_lock import is_run_alive
from taxi_assets.settings import Settings

_SHARED_JOBS = frozenset({"ingest_months"})


class WorkerRunLauncher(CeleryRunLauncher):  # type: ignore[misc]
    """Dagster's launcher for Celery, with a health check of its own.

    A killed worker's task stays STARTED in Celery for good. The lock that a run's process has is released with it.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        settings = Settings()
        super().__init__("dagster", **app_arguments(settings), inst_data=inst_data)
        self._settings = settings
        self._local = DefaultRunLauncher()

    @classmethod
    def config_type(cls) -> Any:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> "WorkerRunLauncher":  # noqa: ARG003
        return cls(inst_data)

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        super().register_instance(instance)
        self._local.register_instance(instance)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Send a run that ingests months to the queue; start another one here."""
        if context.dagster_run.job_name in _SHARED_JOBS:
            super().launch_run(context)
        else:
            self._local.launch_run(context)

    def terminate(self, run_id: str) -> bool:
        """Stop a run; False if it was stopped already."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or WORKER_TAG in run.tags:
            return bool(super().terminate(run_id))
        return bool(self._local.terminate(run_id))  # type: ignore[no-untyped-call]

    @property
    def supports_resume_run(self) -> bool:
        """False: the run of a dead worker is retried as a new run, which leaves out what is published."""
        return False

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Failed if a worker's run has no process; the landing sensor closes dead runs of this machine."""
        if WORKER_TAG not in run.tags or is_run_alive(self._settings, run.run_id):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "the run's worker is dead")

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> None:  # noqa: ARG002
        """None: Celery keeps no state of its tasks here."""
        return

"""The application of Celery that a worker runs: one task, a run of Dagster.

`taxi worker` starts it. The queue is in Redis; results are not kept, since Dagster's storage has them.
"""

from typing import Any

import dagster as dg
from celery import Celery
from dagster._cli.api import _execute_run_command_body
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import unpack_value
from dagster_celery.config import DEFAULT_CONFIG, TASK_EXECUTE_JOB_NAME
from dagster_celery.make_app import make_app

from taxi_assets.defs.worker_lock import run_alive
from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings
from taxi_assets.settings.environment import isolate

_DEFAULTS: dict[str, Any] = dict(DEFAULT_CONFIG)


def app_arguments(settings: Settings) -> dict[str, Any]:
    """The arguments of Celery's application, the same where runs are sent and where they are taken.

    Raises:
        TaxiError: no broker is set.
    """
    if settings.run_broker is None:
        raise TaxiError("this needs a queue of runs: set TAXI_RUN_BROKER to redis://:password@host:port/0")
    options = {
        **_DEFAULTS,
        # Redis is shared by environments and data kinds, their runs are not.
        "broker_transport_options": {**_DEFAULTS["broker_transport_options"], "global_keyprefix": settings.space},
        "broker_connection_retry_on_startup": True,
        # A busy worker must not keep a second run waiting, which would be lost with it.
        "worker_disable_prefetch": True,
        "worker_hijack_root_logger": False,
    }
    return {
        "broker": str(settings.run_broker.get_secret_value()),
        "backend": "disabled://",
        "config_source": options,
    }


def _create_app(settings: Settings) -> Celery:
    app: Celery = make_app(app_arguments(settings))

    @app.task(name=TASK_EXECUTE_JOB_NAME)
    def execute_job(execute_job_args_packed: dict[str, Any]) -> None:
        run_id = unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs).run_id
        with run_alive(settings, run_id), dg.DagsterInstance.get() as instance:
            _execute_run_command_body(
                instance=instance, run_id=run_id, write_stream_fn=lambda _: None, set_exit_code_on_failure=True
            )

    return app


def __getattr__(name: str) -> Celery:
    if name != "app":  # made when the worker asks for it: the launcher needs the arguments only
        raise AttributeError(name)
    isolate(within_dagster=True)
    return _create_app(Settings())

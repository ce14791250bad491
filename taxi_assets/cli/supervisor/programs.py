"""Defines the programs of `taxi up`: names, commands, addresses. Starts none."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

from taxi_assets.cli.supervisor.ports import require_free
from taxi_assets.defs.instance_configuration import storage_environment
from taxi_assets.errors import TaxiError
from taxi_assets.registry.artifacts import artifacts_uri
from taxi_assets.registry.database import tracking_uri
from taxi_assets.serving.deployments.deploy_token import create_token
from taxi_assets.serving.deployments.model_store import STORE_VARIABLE
from taxi_assets.serving.deployments.serving_state import STATE_VARIABLE, ServingState
from taxi_assets.serving.packaging import bento_build
from taxi_assets.serving.packaging.serve_command import binary, home_beside, serve_command
from taxi_assets.settings import WORKSPACE, Settings
from taxi_assets.warehouse.connection import require_writable
from taxi_assets.warehouse.shared_store import SharedStore


@dataclass(frozen=True)
class Endpoint:
    """A program's address: `ready_path` responds without an error once it is ready, `page` is for people.

    `setting` sets the port.
    """

    host: str
    port: int
    setting: str
    ready_path: str = "/"
    page: str = ""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@dataclass(frozen=True)
class Program:
    """A program that runs until it is stopped.

    Attributes:
        name: The label of its output lines.
        command: The program and its arguments; the same at every start.
        env: Variables added to the supervisor's own.
        description: A short description for people.
        endpoint: Its address, if any.
        missing: What must be done before it can run; while set, it is shown and not started.
        renew: Returns the program as it is now; called while it has `missing`, to start it later.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    description: str
    endpoint: Endpoint | None = None
    missing: str | None = None
    renew: "Callable[[], Program] | None" = None

    @property
    def may_start(self) -> bool:
        """False if it stays missing."""
        return not self.missing or self.renew is not None


def programs(settings: Settings) -> tuple[Program, ...]:
    """The programs of `taxi up`, in the order of the printed table; creates their folders.

    Raises:
        TaxiError: a folder cannot be created.
    """
    for folder in (settings.dagster_home, settings.mlflow_home, settings.bentoml_home, settings.reports):
        require_writable(folder)
    if settings.deploy_token is None:
        create_token(ServingState(settings.serving_state))
    return (
        _dagster_webserver(settings),
        _dagster_daemon(settings),
        _mlflow(settings),
        bento_program(settings),
        _reports(settings),
        *([serving_sync(settings, "source")] if settings.serving_store else []),
    )


def replica_programs(settings: Settings, suffix: str = "") -> tuple[Program, ...]:
    """The programs of `taxi replica`; creates their folders.

    Args:
        settings: The replica's home and port.
        suffix: The end of the programs' names.

    Raises:
        TaxiError: a folder cannot be created, or no shared store is set.
    """
    SharedStore(settings)
    for folder in (settings.bentoml_home, settings.serving_state):
        require_writable(folder)
    return serving_sync(settings, "replica", f"sync{suffix}"), bento_program(settings, f"bento{suffix}")


def environment(settings: Settings) -> dict[str, str]:
    """Variables that keep Dagster, MLflow and BentoML in the platform's folders, over `settings.isolated`.

    The data kind is fixed: a later run on the other kind must not change the warehouse of running servers.
    """
    return {
        "TAXI_HOME": str(settings.home.absolute()),
        "TAXI_ENV": settings.env,
        "TAXI_DATA_KIND": settings.active_data_kind,
        "DAGSTER_HOME": str(settings.dagster_home),
        **storage_environment(settings),
        "BENTOML_HOME": str(settings.bentoml_home),
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",  # otherwise a script in the current folder could replace a library
    }


def _bento_environment(settings: Settings) -> dict[str, str]:
    """Variables that the service reads at its import, where settings are not available."""
    return {
        **environment(settings),
        "TAXI_BENTO_WORKERS": str(settings.bento_workers),
        "TAXI_BENTO_TRACING": str(settings.bento_tracing).lower(),
        STATE_VARIABLE: str(settings.serving_state),
        "TAXI_PREDICTION_LOG_SYNC": settings.prediction_log_sync,
    }


def bento_program(settings: Settings, name: str = "bento") -> Program:
    """The newest Bento of the store, which follows the routing: a new champion needs no restart."""
    packaged = bento_build.latest(settings)
    tag = f"{bento_build.BENTO_NAME}:latest"
    return Program(
        name,
        (binary("bentoml"), "serve", tag, "--host", settings.host, "--port", str(settings.bento_port)),
        {**_bento_environment(settings), STORE_VARIABLE: str(bento_build.model_store(settings))},
        f"rides: POST /predict, {packaged.tag.partition(':')[2]}" if packaged else "rides: POST /predict",
        Endpoint(settings.host, settings.bento_port, "TAXI_BENTO_PORT", "/readyz"),
        None if packaged else "no Bento yet: starts after the first `make run`",
        partial(bento_program, settings, name),
    )


def bento_beside(settings: Settings, tag: str, port: int, name: str) -> Program:
    """A Bento that serves its own model beside `taxi up`; see `serving/packaging/serve_command.py`."""
    return Program(
        "bento",
        serve_command(settings, tag, port),
        {**_bento_environment(settings), "BENTOML_HOME": str(home_beside(settings, name))},
        f"rides: POST /predict, {tag.partition(':')[2]}",
        Endpoint(settings.host, port, "TAXI_BENTO_PORT", "/readyz"),
    )


def serving_sync(settings: Settings, role: str, name: str = "sync") -> Program:
    """The exchange with the shared store, as `source` of the routing or as a `replica` that follows it."""
    command = (sys.executable, "-m", "taxi_assets.cli.serving_sync", role)
    return Program(name, command, environment(settings), f"shares {settings.serving_store}")


def require_ports(wanted: Sequence[Program]) -> None:
    """Check that each of these programs that may start can have its port.

    Raises:
        TaxiError: a port is taken, or two programs want the same.
    """
    endpoints = [program.endpoint for program in wanted if program.endpoint and program.may_start]
    for one, other in combinations(endpoints, 2):
        if one.port == other.port:
            raise TaxiError(f"{one.setting} and {other.setting} are both {one.port}: give each its own port")
    for endpoint in endpoints:
        require_free(endpoint.host, endpoint.port, endpoint.setting)


def _dagster_webserver(settings: Settings) -> Program:
    host, port = settings.host, settings.dagster_port
    command = (
        *(sys.executable, "-m", "taxi_assets.cli.supervisor.webserver", "-h", host, "-p", str(port)),
        *("-w", str(WORKSPACE), "--code-server-log-level", "warning"),
    )
    endpoint = Endpoint(host, port, "TAXI_DAGSTER_PORT", "/server_info")
    return Program("dagster", command, environment(settings), "assets, checks, plots, runs", endpoint)


def _dagster_daemon(settings: Settings) -> Program:
    # It restarts its code server every minute, and each time the old one logs a warning.
    command = (binary("dagster-daemon"), "run", "-w", str(WORKSPACE), "--code-server-log-level", "error")
    return Program("daemon", command, environment(settings), "sensors, queues, backfills")


def _mlflow(settings: Settings) -> Program:
    host, port = settings.host, settings.mlflow_port
    command = (
        *(binary("mlflow"), "server", "--host", host, "--port", str(port), "--workers", "1"),
        # Runs record where their artifacts are: the server reads them there and need not store any.
        *("--no-serve-artifacts", "--default-artifact-root", artifacts_uri(settings)),
        *("--uvicorn-opts", "--log-level warning"),
    )
    # Its job runner, several processes, is for language models. Its warnings concern its own use of libraries.
    env = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore"}
    env["MLFLOW_BACKEND_STORE_URI"] = tracking_uri(settings)  # other users can read arguments, and it has a password
    return Program(
        "mlflow",
        command,
        environment(settings) | env,
        "runs, registered models",
        # Otherwise MLflow opens its pages for language models.
        Endpoint(host, port, "TAXI_MLFLOW_PORT", "/health", page="/#/experiments?workflowType=machine_learning"),
    )


def _reports(settings: Settings) -> Program:
    host, port = settings.host, settings.data_docs_port
    command = (sys.executable, "-m", "taxi_assets.cli.report_server", host, str(port))
    endpoint = Endpoint(host, port, "TAXI_DATA_DOCS_PORT")
    return Program("reports", command, environment(settings), "/status, Data Docs, plots of every month", endpoint)

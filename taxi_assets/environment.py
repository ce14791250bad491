"""Keeps the platform's processes on the platform's own stores, whatever the environment says.

The libraries read hundreds of variables that name a registry, a home, a configuration file or a collector of
traces. All of them are cleared here; what the platform wants of a library it sets, here or as an argument.
"""

import os
from collections.abc import Mapping, MutableMapping

__all__ = ["isolate", "isolated"]

# OpenTelemetry, uvicorn, gunicorn and Flask run inside MLflow's, BentoML's and Dagster's servers.
_CLEARED = (
    *("MLFLOW_", "_MLFLOW_", "DATABRICKS_", "DAGSTER_", "BENTOML_", "BENTO_", "GX_", "GE_", "GREAT_EXPECTATIONS_"),
    *("AWS_", "OTEL_", "UVICORN_", "GUNICORN_", "FLASK_", "PROMETHEUS_", "GRPC_PROXY", "OPTUNA_"),
)
# Dagster gives these to the processes it starts: they hold its own addresses and arguments.
_OF_DAGSTER = ("DAGSTER_",)

_SET = {
    "DO_NOT_TRACK": "true",
    "DAGSTER_DISABLE_TELEMETRY": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "BENTOML_DO_NOT_TRACK": "True",
    "GX_ANALYTICS_ENABLED": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def isolated(environment: Mapping[str, str], *, within_dagster: bool = False) -> dict[str, str]:
    """The environment without variables that redirect a library, and with those the platform sets.

    A proxy stays, as TLC's site may be behind it, but is never asked for an address of this machine.

    Args:
        environment: The variables of a process.
        within_dagster: Keep Dagster's variables: the process was started by Dagster.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith(_CLEARED) or (within_dagster and name.startswith(_OF_DAGSTER))
    }
    return {**kept, **_SET, **{name: _no_proxy(environment) for name in ("NO_PROXY", "no_proxy")}}


def isolate(environment: MutableMapping[str, str] = os.environ, *, within_dagster: bool = False) -> None:
    """Change this process's environment, or the given one, to what `isolated` returns."""
    wanted = isolated(environment, within_dagster=within_dagster)
    for name in set(environment) - set(wanted):
        del environment[name]
    environment.update(wanted)


def _no_proxy(environment: Mapping[str, str]) -> str:
    given = [environment.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    hosts = [host.strip() for value in given for host in value.split(",") if host.strip()]
    # Python takes `*` for every host only where it stands alone.
    return "*" if "*" in hosts else ",".join(dict.fromkeys((*hosts, *_LOOPBACK)))

"""The environment of the platform's processes.

Libraries read hundreds of variables that name a registry, a home, a configuration file or a trace collector.
`isolated` removes them all; the platform sets the values it needs, here or as arguments.
"""

import os
from collections.abc import Mapping, MutableMapping

# OpenTelemetry, uvicorn, gunicorn and Flask run inside MLflow's, BentoML's and Dagster's servers.
_CLEARED = (
    *("MLFLOW_", "_MLFLOW_", "DATABRICKS_", "DAGSTER_", "BENTOML_", "BENTO_", "GX_", "GE_", "GREAT_EXPECTATIONS_"),
    *("AWS_", "OTEL_", "UVICORN_", "GUNICORN_", "FLASK_", "PROMETHEUS_", "GRPC_PROXY", "OPTUNA_"),
    *("OPENLINEAGE_", "CELERY_"),
)
_S3_VARIABLES = (  # kept if a setting of `IN_S3` names S3; `AWS_ENDPOINT_URL_S3` too
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE"),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"),
)
_API_KEY = "OPENLINEAGE_API_KEY"  # kept: the standard name of the key for TAXI_OPENLINEAGE_URL
_ARTIFACTS = "TAXI_MLFLOW_ARTIFACTS"
IN_S3 = ("TAXI_DATA_PATH", "TAXI_SERVING_STORE", "TAXI_SHARED_FILES", _ARTIFACTS)
_BOTO = {  # MLflow's library for S3 otherwise reads more files, asks the cloud for keys, and sends what only AWS knows
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}
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
    """The environment without variables that redirect libraries, and with those the platform sets.

    A proxy stays, since TLC's site may need it, but addresses of this machine bypass it.

    Args:
        environment: The variables of a process.
        within_dagster: Keep Dagster's variables: it passes addresses and arguments to the processes that it starts.
    """
    uses_s3 = any(environment.get(name, "").startswith("s3://") for name in IN_S3)
    own = (_API_KEY, *(("DAGSTER_",) if within_dagster else ()), *(_S3_VARIABLES if uses_s3 else ()))
    kept = {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith(_CLEARED) or name.startswith(own)
    }
    if environment.get(_ARTIFACTS, "").startswith("s3://"):
        region = environment.get("AWS_REGION", "").strip()
        kept |= _BOTO | ({"AWS_DEFAULT_REGION": region} if region else {})  # boto3 knows no other name
    return {**kept, **_SET, **{name: _no_proxy(environment) for name in ("NO_PROXY", "no_proxy")}}


def isolate(environment: MutableMapping[str, str] = os.environ, *, within_dagster: bool = False) -> None:
    """Apply `isolated` to this process's environment, or to the given one."""
    wanted = isolated(environment, within_dagster=within_dagster)
    for name in set(environment) - set(wanted):
        del environment[name]
    environment.update(wanted)


def _no_proxy(environment: Mapping[str, str]) -> str:
    given = [environment.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    hosts = [host.strip() for value in given for host in value.split(",") if host.strip()]
    # Python accepts `*` for every host only if it is alone.
    return "*" if "*" in hosts else ",".join(dict.fromkeys((*hosts, *_LOOPBACK)))

"""Environment variables that redirect libraries to other stores and to unreachable hosts."""

HOSTILE = {
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    "MLFLOW_REGISTRY_URI": "http://127.0.0.1:9",
    "MLFLOW_EXPERIMENT_NAME": "other",
    "MLFLOW_RUN_ID": "0" * 32,
    "MLFLOW_DISABLE_TELEMETRY": "false",
    "_MLFLOW_SERVER_FILE_STORE": "/nowhere",
    "DATABRICKS_HOST": "http://127.0.0.1:9",
    "DAGSTER_HOME": "/nowhere",
    "DAGSTER_WEBSERVER_PORT": "9",
    "BENTOML_HOME": "/nowhere",
    "BENTOML_CONFIG": "/nowhere/bentoml.yaml",
    "GX_CLOUD_ACCESS_TOKEN": "token",
    "GX_CLOUD_ORGANIZATION_ID": "00000000-0000-0000-0000-000000000000",
    "GX_CLOUD_BASE_URL": "http://127.0.0.1:9",
    "GE_HOME": "/nowhere",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_PROFILE": "missing-profile",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "UVICORN_PORT": "9",
    "GUNICORN_CMD_ARGS": "--bind 127.0.0.1:9",
}

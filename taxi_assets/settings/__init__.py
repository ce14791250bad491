"""Settings from `TAXI_*` variables: folders, addresses and limits.

Parameters of a run (hyper-parameters, windows) belong in the Dagster `Config` beside the asset.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from filelock import FileLock
from pydantic import (
    Field,
    HttpUrl,
    PostgresDsn,
    RedisDsn,
    Secret,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from taxi_assets.files import forbidden_characters
from taxi_assets.settings.home_layout import lock_name, refuse_older_layout
from taxi_assets.settings.lineage_address import LineageAddress
from taxi_assets.settings.store_address import check_store_address
from taxi_assets.tlc.services import SERVICES

DataKind = Literal["real", "synthetic"]
ServedCondition = Literal["without_recent_traffic", "with_recent_traffic"]
Environment = Literal["dev", "test", "prod"]
RetrainingMode = Literal["never", "monthly", "drift"]
_MIN_MEMORY_BYTES, _MAX_MEMORY_BYTES = 64 * 1000**2, 1000 * 1000**4  # outside, DuckDB raises its own errors
PORT_SHIFTS = {"test": 100, "prod": 200}
_PACKAGE = Path(__file__).parents[1]  # a wheel has the checkout's files that are read at run time below it (setup.py)
CHECKOUT = _PACKAGE / "_checkout" if (_PACKAGE / "_checkout").is_dir() else _PACKAGE.parent
WORKSPACE = CHECKOUT / "workspace.yaml"
TLC_SITE = "https://d37ci6vzurychx.cloudfront.net"


class Settings(BaseSettings):
    """All settings of the platform; `docs/settings.md` lists them in a table."""

    model_config = SettingsConfigDict(env_prefix="TAXI_", extra="forbid", frozen=True, hide_input_in_errors=True)

    home: Path = Field(
        Path(".taxi"),
        validate_default=True,
        description="Folder of everything the platform makes; `~` is the home folder.",
    )
    env: Environment = Field(
        "dev", description="Environment: `dev`, `test` or `prod`, each with its own data, models and ports."
    )
    data_kind: DataKind | None = Field(
        None,
        description="Kind of months: `real` or `synthetic`, each with its own warehouse. "
        "Unset, the kind of the last `taxi run`.",
    )
    tlc_source: str = Field(TLC_SITE, min_length=1, description="TLC's site, or a folder that mirrors it.")
    services: Annotated[tuple[str, ...], NoDecode] = Field(
        ("green",), description="Services to work on, separated by commas: green, yellow, fhvhv."
    )
    catalog: Secret[PostgresDsn] | None = Field(
        None, description="Address of a PostgreSQL database for the warehouse's catalogue; unset, SQLite in the home."
    )
    data_path: str | None = Field(
        None, description="Prefix in S3 of the warehouse's parquet files, as s3://bucket/prefix; unset, in the home."
    )
    dagster_storage: Secret[PostgresDsn] | None = Field(
        None, description="Address of a PostgreSQL database for Dagster's runs and events; unset, SQLite in the home."
    )
    run_broker: Secret[RedisDsn] | None = Field(
        None,
        description="Redis server whose queue gives runs that ingest months to `taxi worker`; unset, all run here.",
    )
    max_concurrent_runs: int = Field(1, ge=1, le=1000, description="Runs of Dagster at the same time.")
    serving_store: str | None = Field(
        None,
        description="Store that endpoints on many machines share, as s3://bucket/prefix, or a folder that all of them "
        "mount; unset, one machine serves.",
    )
    shared_files: str | None = Field(
        None,
        description="Store of source files that machines share, as s3://bucket/prefix or a folder; unset, the home.",
    )
    mlflow_store: Secret[PostgresDsn] | None = Field(
        None, description="Address of a PostgreSQL database for MLflow's runs and versions; unset, SQLite in the home."
    )
    mlflow_artifacts: str | None = Field(
        None, description="Prefix in S3 of MLflow's artifacts, as s3://bucket/prefix; unset, in the home."
    )
    memory_limit: str = Field(
        "4GB",
        pattern=r"(?i)^[1-9][0-9]{0,8}(\.[0-9]+)? ?[KMGT]i?B$",
        description="Memory DuckDB may use before it spills to disk, from 64MB to 1000TB, such as 4GB.",
    )
    threads: int | None = Field(None, ge=1, le=1024, description="Threads DuckDB may use. Unset, every core.")
    snapshot_retention_days: int = Field(
        30,
        ge=1,
        le=36_500,
        description="Days that a snapshot of the warehouse stays readable; snapshots that models were trained on stay.",
    )
    served_condition: ServedCondition = Field(
        "without_recent_traffic",
        description="Features of the endpoint: `without_recent_traffic`, or `with_recent_traffic` from trips completed "
        "shortly before. Its scores are the headline and decide on the champion.",
    )
    promotion: Literal["auto", "approve"] = Field(
        "auto", description="Promotion of a better version: `auto`, or `approve` by a person, for whom it waits."
    )
    retrain: RetrainingMode = Field(
        "monthly", description="Months that train a model: `monthly` all, `drift` as the policy decides, `never` none."
    )
    watch_rides: int = Field(
        2000, ge=0, description="Rides with feedback for which the champion before shadows a new one; 0 for none."
    )
    false_alarm_months: int = Field(24, ge=2, le=1200, description="Mean months between two false drift alarms.")
    evidently: bool = Field(False, description="Add Evidently's HTML page to each `drift_report`, in some seconds.")
    keep_models: int = Field(
        5, ge=1, description="Number of newest versions that keep their pickle and Bentos, beside the champion."
    )
    prediction_log_sync: Literal["process", "disk"] = Field(
        "process",
        description="Safety of an answered prediction's record: `process` outlives a killed process, `disk` also a "
        "loss of power.",
    )
    prediction_log_days: int = Field(
        7, ge=1, le=36_500, description="Days that the prediction log keeps records that are in the warehouse."
    )
    deploy_token: SecretStr | None = Field(None, min_length=16, description="Deployment token; `taxi up` makes one.")
    alert_webhook: Secret[HttpUrl] | None = Field(
        None, description="Webhook that alerts are posted to, such as one of Slack; unset, they are only recorded."
    )
    openlineage_url: Secret[LineageAddress] | None = Field(
        None, description="HTTP endpoint or file that gets OpenLineage events of each run; unset, none are made."
    )
    host: str = Field("127.0.0.1", min_length=1, description="Address the servers bind to.")
    dagster_port: int = Field(3000, ge=1, le=65535, description="Port of the Dagster UI.")
    bento_port: int = Field(3001, ge=1, le=65535, description="Port of the Bento's endpoint.")
    bento_workers: int = Field(1, ge=1, le=64, description="Processes of the endpoint, which share its port.")
    bento_tracing: bool = Field(
        False, description="Trace requests by OpenTelemetry, with BentoML's settings; it halves the requests a second."
    )
    proxy_port: int = Field(3080, ge=1, le=65535, description="Port of the proxy of `taxi up --cluster`.")
    data_docs_port: int = Field(3002, ge=1, le=65535, description="Port of the reports and Data Docs.")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="Port of the MLflow UI.")

    @model_validator(mode="before")
    @classmethod
    def _shift_ports(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Give each environment ports of its own, unless they are set: test 100 above those of dev, prod 200."""
        shift = PORT_SHIFTS.get(str(values.get("env", "dev")), 0)
        ports = {name: cls.model_fields[name].default for name in cls.model_fields if name.endswith("_port")}
        return {**{name: port + shift for name, port in ports.items()}, **values} if shift else values

    @field_validator("home", mode="before")
    @classmethod
    def _require_home_name(cls, value: object) -> object:
        if isinstance(value, str) and not value.strip():  # an empty path would be the current folder
            raise ValueError("name a folder, such as .taxi")
        return value

    @field_validator("home")
    @classmethod
    def _check_home(cls, value: Path) -> Path:
        try:
            value = value.expanduser()
        except RuntimeError as error:
            raise ValueError("no user of this name has a home folder: write the whole path") from error
        if named := forbidden_characters(value.absolute()):
            raise ValueError(f"{str(value.absolute())!a} contains {named}: set TAXI_HOME to a path without")
        refuse_older_layout(value, get_args(DataKind))
        return value

    @field_validator("data_path", "serving_store", "shared_files", "mlflow_artifacts")
    @classmethod
    def _check_store(cls, value: str | None, info: ValidationInfo) -> str | None:
        return check_store_address(value, may_be_folder=info.field_name in {"serving_store", "shared_files"})

    @field_validator("memory_limit")
    @classmethod
    def _check_memory_limit(cls, value: str) -> str:
        amount = value.upper().rstrip("KMGTIB ")
        unit = value.upper().removeprefix(amount).strip()
        size = float(amount) * (1024 if "I" in unit else 1000) ** ("KMGT".index(unit[0]) + 1)
        if not _MIN_MEMORY_BYTES <= size <= _MAX_MEMORY_BYTES:
            raise ValueError("DuckDB cannot use that: give it from 64MB to 1000TB, such as 4GB")
        return value

    @field_validator("tlc_source")
    @classmethod
    def _expand_source(cls, value: str) -> str:
        return str(Path(value).expanduser()) if value.startswith("~") else value

    @field_validator("services", mode="before")
    @classmethod
    def _split_services(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("services")
    @classmethod
    def _check_services(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(SERVICES))
        if unknown or not value or len(set(value)) < len(value):
            raise ValueError(f"name each service once, of {', '.join(SERVICES)}")
        return value

    @property
    def active_data_kind(self) -> DataKind:
        """The data kind: as set, otherwise that of the last run, otherwise `real`."""
        marker = self.home / "data_kind"
        if self.data_kind is None and marker.is_file() and marker.read_text().strip() == "synthetic":
            return "synthetic"
        return self.data_kind or "real"

    @property
    def space(self) -> str:
        """The name of everything that environments and data kinds do not share: folder, schema, prefix in S3."""
        return self.active_data_kind if self.env == "dev" else f"{self.env}_{self.active_data_kind}"

    @property
    def root(self) -> Path:
        """The folder of this environment and data kind, which share nothing with others below the home."""
        return (self.home / self.space).absolute()

    @property
    def landing(self) -> Path:
        """The landing folder, where a person or a download puts TLC's files to ingest."""
        return self.root / "landing"

    @property
    def file_store(self) -> Path:
        """The file store: files taken from the landing folder, read-only, by their SHA-256."""
        return self.root / "files"

    @property
    def quarantine(self) -> Path:
        """Quarantined files, each with a file of its reasons."""
        return self.root / "quarantine"

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse"

    @property
    def dagster_home(self) -> Path:
        return self.root / "dagster"

    @property
    def mlflow_home(self) -> Path:
        return self.root / "mlflow"

    @property
    def bentoml_home(self) -> Path:
        return self.root / "bentoml"

    @property
    def serving_state(self) -> Path:  # routing, deployments, prediction log: the endpoint's workers share them
        return self.root / "serving"

    @property
    def prediction_log(self) -> Path:
        return self.serving_state / "prediction_log"

    @property
    def reports(self) -> Path:
        """HTML reports: Great Expectations' Data Docs, and a page of plots for each asset and month."""
        return self.root / "reports"

    @property
    def evidence(self) -> Path:
        """Evidence packs: a folder for each decision on a champion."""
        return self.root / "evidence"

    @property
    def releases(self) -> Path:
        """The log of this environment's releases, and of their undoing."""
        return self.root / "releases"

    @property
    def logs(self) -> Path:  # of servers: the endpoint of `taxi run`, and below `up` the programs of `taxi up`
        return self.root / "logs"

    @property
    def mlflow_uri(self) -> str:
        return f"sqlite:///{self.mlflow_home / 'mlflow.db'}"

    def url(self, port: int) -> str:
        return f"http://{self.host}:{port}"

    def dagster_run_url(self, run_id: str) -> str:
        """URL of the run's page in Dagster's UI."""
        return f"{self.url(self.dagster_port)}/runs/{run_id}"


def run_lock(settings: Settings) -> FileLock:
    """The lock that allows one `taxi run` at a time in an environment of a home."""
    return FileLock(settings.home / lock_name("run.lock", settings.env))

"""Every setting is read from its variable, checked, and used for the paths of a home."""

from pathlib import Path

import duckdb
import pytest
from pydantic import HttpUrl, PostgresDsn, RedisDsn, Secret, SecretStr, ValidationError
from pydantic_settings import SettingsError

from taxi_assets.cli.run_pipeline import remember_data_kind
from taxi_assets.settings import TLC_SITE, Settings

# Each setting: the values of its variable, and the setting that results.
READ = {
    "home": ("/data/taxi", Path("/data/taxi")),
    "env": ("test", "test"),
    "data_kind": ("synthetic", "synthetic"),
    "tlc_source": ("/data/tlc", "/data/tlc"),
    "services": ("yellow, green", ("yellow", "green")),
    "catalog": ("postgres://t:pw@db.test/lake", Secret[PostgresDsn](PostgresDsn("postgres://t:pw@db.test/lake"))),
    "data_path": ("s3://trips.test/lake/", "s3://trips.test/lake"),
    "dagster_storage": (
        "postgres://t:pw@db.test/runs",
        Secret[PostgresDsn](PostgresDsn("postgres://t:pw@db.test/runs")),
    ),
    "run_broker": ("redis://:pw@queue.test:6379/0", Secret[RedisDsn](RedisDsn("redis://:pw@queue.test:6379/0"))),
    "max_concurrent_runs": ("4", 4),
    "serving_store": ("/mnt/serving/", "/mnt/serving"),
    "shared_files": ("s3://trips.test/files/", "s3://trips.test/files"),
    "mlflow_artifacts": ("s3://trips.test/runs/", "s3://trips.test/runs"),
    "mlflow_store": (
        "postgres://t:pw@db.test/mlflow",
        Secret[PostgresDsn](PostgresDsn("postgres://t:pw@db.test/mlflow")),
    ),
    "memory_limit": ("1GB", "1GB"),
    "threads": ("3", 3),
    "deploy_token": ("a-token-of-its-own", SecretStr("a-token-of-its-own")),
    "alert_webhook": ("https://hooks.test/T1", Secret[HttpUrl](HttpUrl("https://hooks.test/T1"))),
    "openlineage_url": ("https://lineage.test", Secret[str]("https://lineage.test")),
    "host": ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - only read
    "dagster_port": ("3100", 3100),
    "bento_port": ("3101", 3101),
    "bento_workers": ("2", 2),
    "bento_tracing": ("true", True),
    "data_docs_port": ("65535", 65535),
    "proxy_port": ("8080", 8080),
    "mlflow_port": ("1", 1),
    "snapshot_retention_days": ("7", 7),
    "keep_models": ("3", 3),
    "watch_rides": ("500", 500),
    "false_alarm_months": ("500", 500),
    "evidently": ("true", True),
    "prediction_log_sync": ("disk", "disk"),
    "prediction_log_days": ("30", 30),
    "promotion": ("approve", "approve"),
    "retrain": ("drift", "drift"),
    "served_condition": ("with_recent_traffic", "with_recent_traffic"),
}
PORTS = ("dagster_port", "bento_port", "proxy_port", "data_docs_port", "mlflow_port")


def test_every_setting_is_tested_here() -> None:
    assert set(READ) == set(Settings.model_fields)


@pytest.mark.parametrize("name", READ)
def test_a_setting_is_read_from_its_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = READ[name]
    assert getattr(Settings(), name) != value
    monkeypatch.setenv(f"TAXI_{name.upper()}", text)
    assert getattr(Settings(), name) == value


def test_defaults_are_real_green_months_on_loopback() -> None:
    settings = Settings()
    assert (settings.home, settings.data_kind, settings.services) == (Path(".taxi"), None, ("green",))
    assert (settings.tlc_source, settings.threads) == (TLC_SITE, None)
    assert settings.host == "127.0.0.1"
    assert len({getattr(settings, port) for port in PORTS}) == len(PORTS)


def test_an_argument_overrides_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_MEMORY_LIMIT", "1GB")
    assert Settings(memory_limit="2GB").memory_limit == "2GB"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_description(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description
    assert description.endswith(".")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data_kind", "fake"),
        ("data_kind", "Real"),
        ("threads", "0"),
        ("threads", "many"),
        *(("data_path", text) for text in ("", "/data", "S3://b/c", "s3://B/c", "s3://bucket//c", "s3://bucket/../c")),
        *(("serving_store", text) for text in ("", "store", "./store", "/a*b", "s3://B/c", "s3://bucket/../c")),
        *(
            ("data_path", f"s3://bucket/{text}")
            for text in ("*", "x?s3_endpoint=h", "month=1", "key:secret@c", "a b", "x/real")
        ),
        *((port, text) for port in PORTS for text in ("0", "65536", "-1", "http")),
    ],
)
def test_an_invalid_value_is_refused_with_the_settings_name(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TAXI_{name.upper()}", text)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert [error["loc"] for error in refused.value.errors()] == [(name,)]


@pytest.mark.parametrize("text", ["64MB", "62 MiB", "1.5gib", "1000TB"])
def test_duckdb_accepts_every_allowed_memory_size(text: str) -> None:
    with duckdb.connect(config={"memory_limit": Settings(memory_limit=text).memory_limit}) as connection:
        assert connection.execute("SELECT count(DISTINCT range) FROM range(100000)").fetchall() == [(100_000,)]


@pytest.mark.parametrize("text", ["64KB", "61MiB", "910TiB", "999999999TB"])
def test_memory_too_small_for_duckdb_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="give it from 64MB to 1000TB, such as 4GB"):
        Settings(memory_limit=text)


@pytest.mark.parametrize(
    "text", ["", "red", "green,red", "green,green", "green,", "Green", "green;yellow", '["green"]']
)
def test_services_named_twice_or_unknown_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_SERVICES", text)
    with pytest.raises(ValidationError, match="name each service once, of green, yellow, fhvhv"):
        Settings()


def test_an_empty_list_of_services_is_refused() -> None:
    with pytest.raises(ValidationError, match="name each service once"):
        Settings(services=())


def test_unknown_setting_is_rejected() -> None:
    with pytest.raises((ValidationError, SettingsError), match="hoem"):
        Settings(hoem="/data")  # type: ignore[call-arg]


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.home = Path("/elsewhere")  # type: ignore[misc]


# Paths


def folders(settings: Settings) -> list[Path]:
    names = ("landing", "warehouse", "dagster_home", "mlflow_home", "bentoml_home", "reports")
    return [getattr(settings, name) for name in names]


def test_all_paths_are_under_the_root(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert settings.root == tmp_path / "real"
    assert all(folder.parent == settings.root for folder in folders(settings))
    assert len(set(folders(settings))) == len(folders(settings))
    assert settings.mlflow_uri == f"sqlite:///{tmp_path}/real/mlflow/mlflow.db"


def test_real_and_synthetic_months_share_no_folder(tmp_path: Path) -> None:
    real, synthetic = Settings(home=tmp_path, data_kind="real"), Settings(home=tmp_path, data_kind="synthetic")
    assert not set(folders(real)) & set(folders(synthetic))
    assert not real.root.is_relative_to(synthetic.root)
    assert not synthetic.root.is_relative_to(real.root)


def test_a_home_beside_the_code_is_found_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings().landing == tmp_path / ".taxi" / "real" / "landing"


def test_reading_settings_creates_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    assert settings.active_data_kind == "real"
    assert folders(settings)
    assert not (tmp_path / "home").exists()


def test_addresses_are_those_of_the_host() -> None:
    assert Settings(host="10.0.0.1").url(3001) == "http://10.0.0.1:3001"


# Real or synthetic months


def test_months_are_real_by_default(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).active_data_kind == "real"
    assert Settings(home=tmp_path, data_kind="synthetic").active_data_kind == "synthetic"


@pytest.mark.parametrize("kind", ["real", "synthetic"])
def test_the_kind_defaults_to_that_of_the_last_run(tmp_path: Path, kind: str) -> None:
    remember_data_kind(Settings(home=tmp_path / "new" / "home", data_kind=kind))  # type: ignore[arg-type]
    settings = Settings(home=tmp_path / "new" / "home")
    assert settings.active_data_kind == kind
    assert settings.root.name == kind


def test_a_set_kind_overrides_the_last_run(tmp_path: Path) -> None:
    remember_data_kind(Settings(home=tmp_path, data_kind="synthetic"))
    assert Settings(home=tmp_path, data_kind="real").active_data_kind == "real"


def test_a_later_run_replaces_the_remembered_kind(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    remember_data_kind(Settings(home=tmp_path, data_kind="synthetic"))
    remember_data_kind(Settings(home=tmp_path, data_kind="real"))
    assert settings.active_data_kind == "real"


@pytest.mark.parametrize("content", ["", "nonsense", "../../etc"])
def test_unknown_data_kind_marker_means_real_months(tmp_path: Path, content: str) -> None:
    (tmp_path / "data_kind").write_text(content)
    assert Settings(home=tmp_path).root == tmp_path / "real"

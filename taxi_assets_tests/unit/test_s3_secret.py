"""Keys, region and endpoint of S3 come from the standard variables or the shared credentials file."""

from pathlib import Path
from typing import Any

import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings
from taxi_assets.warehouse.data_path import data_root, relative_path
from taxi_assets.warehouse.s3_secret import create_secret

VARIABLES = {"AWS_ACCESS_KEY_ID": "an-id", "AWS_SECRET_ACCESS_KEY": "a-key"}


class Recorder:
    """Stands for a connection, whose S3 extension is not installed by default."""

    def execute(self, query: str, values: dict[str, Any] | None = None) -> None:
        self.query, self.values = query, values or {}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "REGION", "DEFAULT_REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def secret(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """The options of the secret that these variables give."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    recorder = Recorder()
    create_secret(recorder, "s3://bucket/lake/")  # type: ignore[arg-type]
    assert "SCOPE 's3://bucket/lake/'" in recorder.query
    assert not any(value in recorder.query for value in ("an-id", "a-key"))
    return recorder.values


def test_keys_of_the_environment_are_for_aws_unless_an_endpoint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"key_id": "an-id", "secret": "a-key"}
    assert secret(monkeypatch, **VARIABLES) == {**keys, "region": "us-east-1"}
    found = secret(monkeypatch, AWS_ENDPOINT_URL="http://store.test:9000/", AWS_REGION="eu-x", AWS_SESSION_TOKEN="t")  # noqa: S106
    server = {"endpoint": "store.test:9000", "use_ssl": False, "url_style": "path"}
    assert found == {**keys, "session_token": "t", **server, "region": "eu-x"}
    assert secret(monkeypatch, AWS_ENDPOINT_URL_S3="https://s3.test")["endpoint"] == "s3.test"


def test_keys_come_from_the_profile_of_the_credentials_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = "[{}]\naws_access_key_id = {}\naws_secret_access_key = {}%\n"
    (tmp_path / "credentials").write_text(lines.format("default", "one", "1") + lines.format("other", "two", "2"))
    assert secret(monkeypatch)["key_id"] == "one"
    found = secret(monkeypatch, AWS_PROFILE="other")
    assert (found["key_id"], found["secret"]) == ("two", "2%")


@pytest.mark.parametrize("text", ["aws_secret_access_key = planted", "[default]\nplanted", "[default]\nplanted\n[x"])
def test_a_wrong_credentials_file_is_named_without_its_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    (tmp_path / "credentials").write_text(text)
    with pytest.raises(TaxiError, match="AWS_SHARED_CREDENTIALS_FILE") as refused:
        secret(monkeypatch)
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize("variables", [{}, {"AWS_ACCESS_KEY_ID": "an-id"}, {"AWS_SECRET_ACCESS_KEY": "a-key"}])
def test_missing_keys_are_named(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    with pytest.raises(TaxiError, match="TAXI_DATA_PATH needs keys: set AWS_ACCESS_KEY_ID"):
        secret(monkeypatch, **variables)


@pytest.mark.parametrize(
    "url", ["store.test", "ftp://x", "http://u:planted@x", "http://x/path", "http://x:1x", "http://"]
)
def test_a_wrong_endpoint_is_refused_without_its_value(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(TaxiError, match="is not an address") as refused:
        secret(monkeypatch, **VARIABLES, AWS_ENDPOINT_URL=url)
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize(
    ("data_path", "parent"), [(None, "{home}/real/warehouse/data"), ("s3://b-b/p", "s3://b-b/p/real")]
)
def test_each_kind_of_months_has_its_own_files(tmp_path: Path, data_path: str | None, parent: str) -> None:
    settings = Settings(home=tmp_path, data_kind="real", data_path=data_path)
    assert data_root(settings) == parent.format(home=tmp_path)
    assert data_root(settings) != data_root(Settings(home=tmp_path, data_kind="synthetic", data_path=data_path))
    assert relative_path(settings, f"{data_root(settings)}/main/t/x.parquet") == "data/main/t/x.parquet"

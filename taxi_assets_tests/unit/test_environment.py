"""Environment variables a process of the platform keeps, and those it drops."""

import os
import sys
from pathlib import Path

import pytest
from hostile_environment import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.settings.environment import isolate, isolated

TELEMETRY_OFF = {"MLFLOW_DISABLE_TELEMETRY": "true", "DAGSTER_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_variable_that_redirects_a_library_is_cleared(name: str) -> None:
    assert isolated({name: HOSTILE[name]}).get(name) in {None, "true"}


def test_telemetry_is_off_whatever_was_set() -> None:
    assert isolated(HOSTILE).items() >= TELEMETRY_OFF.items()


def test_other_variables_are_kept() -> None:
    kept = {"PATH": "/bin", "HOME": "/root", "TAXI_HOME": "/data", "HTTPS_PROXY": "http://proxy:8080", "GECKO": "x"}
    assert isolated(kept).items() >= kept.items()


@pytest.mark.parametrize("setting", ["TAXI_DATA_PATH", "TAXI_SERVING_STORE", "TAXI_MLFLOW_ARTIFACTS"])
def test_variables_of_s3_are_kept_with_a_setting_in_s3_only(setting: str) -> None:
    of_s3 = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_PROFILE": "p", "AWS_ENDPOINT_URL_S3": "u"}
    kept = {**of_s3, setting: "s3://bucket/lake"}
    assert isolated(kept).items() >= kept.items()
    assert not of_s3.keys() & isolated({**of_s3, setting: "/mnt/lake"}).keys()
    assert isolated({**kept, "AWS_CONFIG_FILE": "/nowhere"}).get("AWS_CONFIG_FILE", "") in {"", os.devnull}


def test_mlflows_library_uses_the_region_and_asks_nothing_else() -> None:
    given = {"TAXI_MLFLOW_ARTIFACTS": "s3://bucket/runs", "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "no"}
    found = isolated(isolated(given))
    assert found["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert found["AWS_EC2_METADATA_DISABLED"] == "true"
    assert "AWS_DEFAULT_REGION" not in isolated({**given, "TAXI_MLFLOW_ARTIFACTS": ""})


def test_only_the_key_of_openlineages_client_is_kept() -> None:
    given_key = {"OPENLINEAGE_API_KEY": "a-key"}
    kept = isolated({**given_key, "OPENLINEAGE_DISABLED": "true", "OPENLINEAGE_URL": "http://elsewhere.test"})
    assert {name: value for name, value in kept.items() if name.startswith("OPENLINEAGE")} == given_key


def test_dagsters_own_variables_are_kept_in_its_processes() -> None:
    given_by_dagster = {"DAGSTER_HOME": "/data", "DAGSTER_EXECUTE_RUN_ARGS": "{}"}
    assert isolated(given_by_dagster, within_dagster=True).items() >= given_by_dagster.items()
    assert not given_by_dagster.keys() & isolated(given_by_dagster).keys()


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:3001/predict", "http://localhost:3000", "http://[::1]:5000"])
def test_local_addresses_bypass_the_proxy(monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> None:
    import httpx

    for each in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, "intranet.example")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    for each, value in isolated(os.environ).items():
        monkeypatch.setenv(each, value)
    with httpx.Client() as client:
        assert client._transport_for_url(httpx.URL(url)) is client._transport
        assert client._transport_for_url(httpx.URL("http://intranet.example")) is client._transport
        assert client._transport_for_url(httpx.URL("http://example.org")) is not client._transport


def test_a_setting_without_any_proxy_is_kept() -> None:
    assert isolated({"NO_PROXY": "*"})["no_proxy"] == "*"


@given(st.dictionaries(st.sampled_from([*HOSTILE, "PATH", "NO_PROXY"]), st.text(st.characters(codec="ascii"))))
def test_isolating_twice_equals_isolating_once(environment: dict[str, str]) -> None:
    once = isolated(environment)
    assert isolated(once) == once
    isolate(environment)
    assert environment == once


def test_the_command_line_isolates_its_process_before_any_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from taxi_assets import cli

    seen: dict[str, str] = {}
    monkeypatch.setattr(cli, "app", lambda **_: seen.update(os.environ))
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        cli.main()
    assert not {name for name, value in HOSTILE.items() if seen.get(name) == value}


def test_a_program_of_the_supervisor_sees_no_such_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    import json
    import subprocess

    from taxi_assets.cli.supervisor import processes

    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    with processes.guarded_tag() as mark:
        command = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
        process = processes.start(command, {"DAGSTER_HOME": "/data"}, mark, subprocess.PIPE)
        output, _ = process.communicate()
    seen = json.loads(output)
    assert seen["DAGSTER_HOME"] == "/data"
    assert not {name for name, value in HOSTILE.items() if seen.get(name) == value}

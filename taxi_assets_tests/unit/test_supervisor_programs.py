"""The programs of `taxi up`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import (
    Endpoint,
    Program,
    bento_beside,
    bento_program,
    environment,
    programs,
    require_ports,
)
from taxi_assets.errors import TaxiError
from taxi_assets.serving.packaging.bento_build import BENTO_NAME, RELEASE_FILE
from taxi_assets.serving.packaging.serve_command import bento_command
from taxi_assets.settings import Settings


def test_programs_have_the_order_of_the_table(settings: Settings) -> None:
    assert [program.name for program in programs(settings)] == [
        "dagster",
        "daemon",
        "mlflow",
        "bento",
        "reports",
    ]


def test_every_program_is_part_of_this_environment(settings: Settings) -> None:
    for program in programs(settings):
        assert Path(program.command[0]).is_file(), program.name


def test_every_server_binds_to_the_set_address_only(settings: Settings) -> None:
    for program in programs(settings):
        if program.endpoint:
            assert program.endpoint.host == settings.host
            assert settings.host in program.command
            assert str(program.endpoint.port) in program.command


def test_each_port_is_set_by_the_setting_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    endpoints = [program.endpoint for program in programs(settings) if program.endpoint]
    for number, endpoint in enumerate(endpoints):
        monkeypatch.setenv(endpoint.setting, str(20_000 + number))
    moved = [program.endpoint for program in programs(Settings(home=tmp_path)) if program.endpoint]
    assert [endpoint.port for endpoint in moved] == [20_000 + number for number in range(len(endpoints))]


def test_folders_are_created_before_anything_starts(settings: Settings) -> None:
    programs(settings)
    for folder in (settings.dagster_home, settings.mlflow_home, settings.bentoml_home, settings.reports):
        assert folder.is_dir()


def test_a_deployment_token_is_made_unless_one_is_set(tmp_path: Path) -> None:
    for name, token, is_made in (("made", None, True), ("set", SecretStr("a-token-of-its-own"), False)):
        settings = Settings(home=tmp_path / name, deploy_token=token)
        programs(settings)
        assert (settings.serving_state / "token").is_file() == is_made
        assert "a-token-of-its-own" not in f"{settings!r} {settings.model_dump()} {settings.model_dump_json()}"


def test_only_the_endpoint_of_the_platform_follows_its_routing(settings: Settings) -> None:
    followed = str(settings.bentoml_home / "bentos" / BENTO_NAME)
    assert bento_program(settings).env["TAXI_MODEL_STORE"] == followed
    assert "TAXI_MODEL_STORE" not in bento_beside(settings, f"{BENTO_NAME}:v7-abc", 3001, "beside").env


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, not a folder")
    with pytest.raises(TaxiError, match=r"cannot write to .*home.* set TAXI_HOME"):
        programs(Settings(home=tmp_path / "home"))


def test_without_a_bento_the_table_states_the_next_step(settings: Settings) -> None:
    assert bento_program(settings).missing == "no Bento yet: starts after the first `make run`"


def test_a_packaged_bento_is_served_in_its_newest_version(settings: Settings) -> None:
    store = settings.bentoml_home / "bentos" / BENTO_NAME
    (store / "v7-abc" / "src").mkdir(parents=True)
    (store / "latest").write_text("v7-abc")
    facts = {"tag": f"{BENTO_NAME}:v7-abc", "labels": {}}
    (store / "v7-abc" / "src" / RELEASE_FILE).write_text(json.dumps(facts))
    program = bento_program(settings)
    assert program.missing is None
    assert program.description.endswith("v7-abc")
    assert f"{BENTO_NAME}:latest" in program.command


@pytest.mark.parametrize("port", [3001, 4999, 65535])
def test_the_printed_command_uses_no_port_of_a_running_program(settings: Settings, port: int) -> None:
    settings = settings.model_copy(update={"bento_port": port})
    taken = {program.endpoint.port for program in programs(settings) if program.endpoint}
    printed = int(bento_command(settings, f"{BENTO_NAME}:v7-abc").rpartition("--port ")[2])
    assert printed not in taken
    assert 1 <= printed <= 65535


def test_servers_keep_the_kind_of_months_they_started_with(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, data_kind="synthetic")
    assert environment(settings)["TAXI_DATA_KIND"] == "synthetic"
    assert environment(settings)["DAGSTER_HOME"] == str(tmp_path / "synthetic" / "dagster")


def test_a_relative_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert environment(Settings(home=Path("home")))["TAXI_HOME"] == str(tmp_path / "home")


def test_two_programs_with_the_same_port_are_refused() -> None:
    port = free_port("127.0.0.1")
    one = Program("one", ("true",), {}, "", Endpoint("127.0.0.1", port, "TAXI_ONE"))
    other = replace(one, name="other", endpoint=Endpoint("127.0.0.1", port, "TAXI_OTHER"))
    with pytest.raises(TaxiError, match=f"TAXI_ONE and TAXI_OTHER are both {port}"):
        require_ports([one, other])
    missing = replace(other, missing="something")
    require_ports([one, missing])
    with pytest.raises(TaxiError, match="are both"):
        require_ports([one, replace(missing, renew=lambda: other)])

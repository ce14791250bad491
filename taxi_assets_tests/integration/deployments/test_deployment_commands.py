"""`taxi deploy`, `undeploy`, `route` and `rollback` while no endpoint of the home runs."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import model_store_samples
import pytest
from typer.testing import CliRunner

from taxi_assets import cli
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployment_client import EndpointDeployments, LocalDeployments, connect
from taxi_assets.serving.deployments.deployment_store import new_deployment, write_deployment
from taxi_assets.serving.deployments.follow import Follower
from taxi_assets.serving.deployments.model_store import find_model
from taxi_assets.serving.deployments.routing import Routing
from taxi_assets.serving.deployments.routing_store import store_routing
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.packaging.bento_build import model_store
from taxi_assets.settings import Settings

HOST = "127.0.0.1"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home with the Bentos of versions 1 to 4 and of a broken version 9; nothing listens on its port."""
    settings = Settings(home=tmp_path / "home", data_kind="synthetic", bento_port=free_port(HOST))
    for version in (1, 2, 3, 4, 9):
        damage = model_store_samples.damage_file if version == 9 else None
        folder = model_store_samples.add_version(model_store(settings), version, damage)
        release = {"tag": f"taxi_duration:{folder.parents[1].name}", "labels": {}}
        folder.with_name("release.json").write_text(json.dumps(release))
    for name, value in (("HOME", settings.home), ("DATA_KIND", "synthetic"), ("BENTO_PORT", settings.bento_port)):
        monkeypatch.setenv(f"TAXI_{name}", str(value))
    monkeypatch.delenv("TAXI_DEPLOY_TOKEN", raising=False)
    return settings


def taxi(*arguments: str) -> str:
    """The output of a command that succeeds."""
    done = CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "80"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def taxi_json(*arguments: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(taxi(*arguments, "--json", "-"))
    return facts


def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The line of a command that fails."""
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["taxi", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("error: ")


def test_deploy_prints_the_address_of_exactly_that_version(home: Settings) -> None:
    url = f"http://{HOST}:{home.bento_port}/deployments/2/predict"
    assert taxi("deploy", "2").splitlines() == [
        f"version 2 is deployed: POST {url}",
        "no endpoint runs: `make up` starts one, which follows",
    ]
    assert taxi_json("deploy", "2")["deployment"]["url"] == url
    assert taxi_json("route")["routing"] is None


def test_routing_is_set_shown_and_rolled_back(home: Settings) -> None:
    taxi("deploy", "1", "--champion")
    for version in ("2", "3"):
        taxi("deploy", version)
    split = taxi("route", "--challenger", "2=0.1", "--shadow", "3").splitlines()[0]
    assert split == "routing 2: version 1 champion (90 %), version 2 challenger (10 %), version 3 shadow"
    assert taxi_json("route", "--champion", "2")["routing"]["challengers"] == []
    assert taxi("rollback").splitlines()[0].removeprefix("routing 4: ") == split.removeprefix("routing 2: ")
    taxi("deploy", "4")
    shown = taxi("route")
    for text in ("Routing 4", "champion (90 %)", "challenger (10 %)", "shadow", "not routed", "taxi deploy"):
        assert text in shown
    assert f"version 4: POST http://{HOST}:{home.bento_port}/deployments/4/predict" in shown.splitlines()
    taxi("undeploy", "4")
    assert [each["model_version"] for each in taxi_json("route")["deployments"]] == [1, 2, 3]


def test_a_refused_model_is_named_with_the_reason_and_listed(
    home: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taxi("deploy", "1", "--champion")
    line = refusal(monkeypatch, capsys, "deploy", "9", "--champion")
    assert line.startswith("version 9 is refused: ")
    facts = taxi_json("route")
    assert facts["routing"]["champion"] == 1
    assert [(each["model_version"], each["reason"], each["by"]) for each in facts["refusals"]] == [
        (9, line, "taxi deploy")
    ]
    assert "Newest refusals" in taxi("route")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("deploy", "5"), "there is no version 5: none was registered yet"),
        (("undeploy", "5"), "version 5 is not deployed"),
        (("undeploy", "1"), "version 1 is routed: route without it first"),
        (
            ("route", "--challenger", "77=0.1"),
            "challengers[0].version is version 77, which has no Bento in the model store",
        ),
        (("route", "--challenger", "2"), "--challenger is '2': give a version and its share, such as 13=0.1"),
        (("route", "--challenger", "1=0.1"), "is version 1, as is champion: route a version once"),
        (("rollback",), "there is no earlier routing to go back to"),
    ],
)
def test_a_wrong_change_is_refused_in_one_line(
    home: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    expected: str,
) -> None:
    state = ServingState(home.serving_state).create()
    write_deployment(state, new_deployment(find_model(model_store(home), 1), 1, "test"))
    store_routing(state, Routing(1), "test")
    assert expected in refusal(monkeypatch, capsys, *arguments)


def test_a_routing_without_any_champion_asks_for_one(
    home: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(monkeypatch, capsys, "route", "--shadow", "2")
    assert line == "there is no champion yet: name one with --champion"


def test_an_endpoint_on_another_port_follows_the_state(home: Settings) -> None:
    state = ServingState(home.serving_state)
    worker = Follower(state, model_store(home), model_store(home) / "v1-000000000001" / "src" / "model")
    worker.start(poll_seconds=0.02)
    try:
        facts = taxi_json("deploy", "2", "--champion")
        assert (facts["is_followed"], worker.variants.champion.version) == (True, 2)
    finally:
        worker.close()


@pytest.fixture
def other_program() -> Any:
    """The port of an HTTP server that knows none of the addresses."""
    server = HTTPServer((HOST, 0), BaseHTTPRequestHandler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_endpoint_of_another_home_is_left_alone(
    home: Settings, other_program: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = home.model_copy(update={"bento_port": other_program})
    assert isinstance(connect(settings, "test"), LocalDeployments)
    monkeypatch.setenv("TAXI_DEPLOY_TOKEN", "0123456789abcdef")
    with_token = {name: getattr(settings, name) for name in ("home", "data_kind", "bento_port")}
    client = connect(Settings(**with_token), "test")
    assert isinstance(client, EndpointDeployments)
    with pytest.raises(TaxiError, match="with status 501: another program listens there"):
        client.deploy(2)
    nothing_listens = {**with_token, "bento_port": home.bento_port}
    assert isinstance(connect(Settings(**nothing_listens), "test"), LocalDeployments)


def test_an_endpoint_that_does_not_answer_is_an_error(home: Settings) -> None:
    client = EndpointDeployments(home.url(home.bento_port), None, "test")
    with pytest.raises(TaxiError, match=r"does not answer .*: see the output of `make up`"):
        client.roll_back()

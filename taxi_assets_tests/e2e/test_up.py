"""`make up` in a real terminal with the real servers, stopped by one Ctrl-C."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import small_model
from terminal import CHECKOUT, CTRL_C, MAKE_UP, Terminal, processes_of, terminal, wait_until

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.serving.packaging.bento_build import build_bento
from taxi_assets.settings import Settings

HOST = "127.0.0.1"
LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError { __typename ... on PythonError { message } } } } } }"""


@pytest.fixture
def up(settings: Settings) -> Iterator[tuple[Terminal, Settings]]:
    """`make up` in a terminal, and its settings."""
    ports = {name: free_port(HOST) for name in ("dagster", "bento", "data_docs", "mlflow")}
    moved = settings.model_copy(update={f"{name}_port": port for name, port in ports.items()})
    variables = {f"TAXI_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    environment = {**os.environ, **variables, "TAXI_HOME": str(settings.home), "TAXI_DATA_KIND": "synthetic"}
    with terminal(MAKE_UP, environment, cwd=CHECKOUT) as screen:
        yield screen, moved
    wait_until(lambda: not processes_of(settings.home))


def asked(url: str, **query: object) -> httpx.Response:
    if query:
        return httpx.post(url, json=query, trust_env=False, timeout=60)
    return httpx.get(url, trust_env=False, timeout=60)


@pytest.mark.slow
def test_all_servers_respond_and_one_ctrl_c_stops_them(up: tuple[Terminal, Settings], model: Path) -> None:
    screen, settings = up
    screen.wait_for("Ctrl-C stops all of them")
    for port in (settings.dagster_port, settings.mlflow_port, settings.data_docs_port):
        assert settings.url(port) in screen.text
        assert asked(settings.url(port)).status_code == 200
    assert "no Bento yet" in screen.text
    build_bento(settings, model, {"version": "3"}, small_model.drawn_city())
    screen.wait_for(f"bento is ready {settings.url(settings.bento_port)}")
    ride = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30"}
    assert asked(f"{settings.url(settings.bento_port)}/predict", **ride).json()["model_version"] == 3

    response = asked(f"{settings.url(settings.dagster_port)}/graphql", query=LOCATIONS).json()
    (location,) = response["data"]["workspaceOrError"]["locationEntries"]
    assert location == {"name": "taxi_assets", "locationOrLoadError": {"__typename": "RepositoryLocation"}}
    assert len(processes_of(settings.home)) >= 5

    screen.press(CTRL_C)
    wait_until(lambda: screen.process.poll() is not None)
    assert processes_of(settings.home) == []
    wait_until(lambda: "all stopped" in screen.text)
    assert "Traceback" not in screen.text

"""Models are deployed, routed and rolled back over HTTP, on a Bento with two workers."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import model_store_samples
import pytest
from serving_platform import Platform

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import bento_program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.serving.deployments.deploy_token import create_token
from taxi_assets.serving.deployments.serving_state import STATE_VARIABLE, ServingState
from taxi_assets.settings import Settings

pytestmark = pytest.mark.slow


def test_a_version_is_deployed_routed_and_rolled_back(platform: Platform, tmp_path: Path) -> None:
    with platform.serving(tmp_path / "bento.log") as endpoint:
        assert endpoint.answering() == {3}
        deployment = endpoint("POST", "/deployments", {"model_version": 11})
        assert deployment.status_code == 201, deployment.text
        assert deployment.json()["url"] == f"{endpoint.url}/deployments/11/predict"
        assert endpoint.answering("/deployments/11/predict") == {11}
        assert endpoint.answering() == {3}
        split = {"champion": 11, "challengers": [{"version": 3, "share": 0.5}]}
        assert endpoint("PUT", "/routing", split).status_code == 200
        assert [len(endpoint.answering(rider_key=f"rider {number}")) for number in range(5)] == [1] * 5
        assert endpoint("PUT", "/routing/champion", {"model_version": 12}).json()["champion"] == 12
        started = time.monotonic()
        assert endpoint("POST", "/routing/rollback").json()["champion"] == 11
        assert time.monotonic() - started < 1
        assert endpoint("POST", "/routing/rollback").json()["champion"] == 3
        assert endpoint.answering() == {3}
        described = httpx.get(f"{endpoint.url}/openapi.json", trust_env=False).json()
        assert set(described["paths"]) > {"/deployments", "/routing", "/deployments/{version}/predict"}


def test_a_broken_model_is_refused_visibly_and_a_restart_keeps_the_routing(platform: Platform, tmp_path: Path) -> None:
    model_store_samples.add_version(platform.store, 13, model_store_samples.predict_nan)
    with platform.serving(tmp_path / "bento.log") as endpoint:
        assert endpoint("PUT", "/routing/champion", {"model_version": 11}).status_code == 200
        refused = endpoint("PUT", "/routing/champion", {"model_version": 13})
        assert refused.status_code == 422
        assert "version 13 is refused" in refused.json()["detail"]
        assert endpoint.answering() == {11}
    with platform.serving(tmp_path / "again.log") as endpoint:
        assert endpoint.answering() == {11}
        variants = httpx.get(f"{endpoint.url}/variants", trust_env=False).json()
        assert [each["version"] for each in variants["variants"]] == [11]
        assert [each["model_version"] for each in variants["refusals"]] == [13]
        metrics = httpx.get(f"{endpoint.url}/metrics", trust_env=False).text
        assert "taxi_model_load_seconds_count" in metrics
        assert "taxi_routing_revision 2.0" in metrics


@pytest.mark.parametrize("token", [None, "wrong", "schl\u00fcssel"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/deployments"), ("PUT", "/routing"), ("POST", "/routing/rollback")]
)
def test_changes_need_the_token(refusing: str, method: str, path: str, token: str | None) -> None:
    headers = {} if token is None else {"authorization": f"Bearer {token}".encode("latin-1")}
    response = httpx.request(method, refusing + path, headers=headers, json={"model_version": 3}, trust_env=False)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


@pytest.fixture(scope="module")
def refusing(built: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an endpoint with a token."""
    folder = tmp_path_factory.mktemp("refusing")
    state = ServingState(folder / "serving")
    create_token(state)
    program = bento_program(built.model_copy(update={"bento_port": free_port(built.host)}))
    env = {**program.env, STATE_VARIABLE: str(state.folder)}
    with running(dataclasses.replace(program, env=env), folder / "bento.log") as url:
        yield url

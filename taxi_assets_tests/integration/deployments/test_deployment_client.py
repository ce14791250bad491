"""The client gives the same facts over HTTP and from the state, and each refusal in one line."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import model_store_samples
import pytest
import uvicorn
from endpoint_harness import TOKEN, Api

from taxi_assets.cli.supervisor.ports import free_port, wait_until_ready
from taxi_assets.errors import TaxiError
from taxi_assets.serving import client
from taxi_assets.serving.champion_deployment import deploy_champion
from taxi_assets.serving.deployment_client import DeploymentClient, EndpointDeployments, LocalDeployments, connect
from taxi_assets.serving.packaging.bento_build import model_store
from taxi_assets.settings import Settings

HOST = "127.0.0.1"
SPLIT = {"champion": 2, "challengers": [{"version": 1, "share": 0.25}], "shadows": []}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A home whose endpoint, of versions 1 to 3 and a broken version 9, runs behind a real HTTP server."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), data_kind="synthetic", bento_port=free_port(HOST))
    folder = settings.serving_state.parent
    api = Api(folder, versions=3)
    model_store(settings).parent.mkdir(parents=True)
    model_store(settings).symlink_to(api.store)
    model_store_samples.add_version(api.store, 9, model_store_samples.damage_file)
    server = uvicorn.Server(uvicorn.Config(api.app, HOST, settings.bento_port, lifespan="off", log_level="error"))
    thread = Thread(target=server.run)
    thread.start()
    assert wait_until_ready(f"{settings.url(settings.bento_port)}/model", 30, lambda: True)
    yield settings
    server.should_exit = True
    thread.join()
    api.close()


@pytest.fixture
def endpoint(home: Settings) -> EndpointDeployments:
    found = connect(home, "test")
    assert isinstance(found, EndpointDeployments)
    return found


def failure(change: Callable[[], object]) -> str:
    with pytest.raises(TaxiError) as caught:
        change()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_endpoint_and_the_state_give_the_same_facts(home: Settings, endpoint: EndpointDeployments) -> None:
    local: DeploymentClient = LocalDeployments(home, "test")
    deployed = endpoint.deploy(2)
    assert deployed["url"] == f"{endpoint.url}/deployments/2/predict"
    assert local.deploy(2) == deployed
    endpoint.undeploy(2)
    assert 2 not in [each["model_version"] for each in local.deployments()["deployments"]]
    endpoint.deploy(2)
    routed = endpoint.set_routing(SPLIT)
    assert (local.routing(), endpoint.routing()) == (routed, routed)
    assert {name: routed[name] for name in SPLIT} == SPLIT
    assert endpoint.deployments() == local.deployments()
    assert endpoint.roll_back()["champion"] == 1
    assert (endpoint.is_followed, local.is_followed) == (True, True)
    assert (endpoint.make_champion(2)["by"], client.get_served_version(endpoint.url)["version"]) == ("test", 2)  # type: ignore[index]
    assert local.roll_back()["champion"] == 1


def test_refusals_of_the_endpoint_are_one_line(home: Settings, endpoint: EndpointDeployments) -> None:
    assert failure(lambda: endpoint.deploy(7)).startswith("version 7 has no Bento in ")
    assert failure(lambda: endpoint.make_champion(9)).startswith("version 9 is refused: ")
    assert failure(lambda: endpoint.undeploy(7)).startswith("version 7 is not deployed")
    assert "champion is version 7, which has no Bento" in failure(lambda: endpoint.set_routing({"champion": 7}))
    wrong = EndpointDeployments(endpoint.url, "another-token-of-16", "test")
    for unknown in (wrong, EndpointDeployments(endpoint.url, None, "test")):
        assert failure(unknown.roll_back) == (
            f"the endpoint at {endpoint.url} refuses the token: set TAXI_DEPLOY_TOKEN to the endpoint's, or "
            "TAXI_BENTO_PORT to the port of this home's endpoint"
        )


def test_an_endpoint_without_a_token_says_so(home: Settings, endpoint: EndpointDeployments) -> None:
    token = home.serving_state / "token"
    token.unlink()
    assert failure(endpoint.routing).startswith("this endpoint has no deployment token: start it with `taxi up`")
    token.write_text(TOKEN)


def test_a_given_token_replaces_the_homes(home: Settings) -> None:
    given = Settings(home=home.home, data_kind="synthetic", bento_port=home.bento_port, deploy_token="x" * 16)
    assert "refuses the token" in failure(connect(given, "test").routing)


def test_the_champion_is_served_by_the_running_endpoint(home: Settings, endpoint: EndpointDeployments) -> None:
    bento = Path(model_store(home), "v3-000000000003")
    (bento / "src" / "release.json").write_text('{"tag": "taxi_duration:v3-000000000003", "labels": {}}')
    (bento.parent / "latest").write_text(bento.name)
    done = deploy_champion(home, "test")
    assert (done.version, done.routing["champion"], done.is_followed, done.problem) == (3, 3, True, "")
    assert done.url == f"{endpoint.url}/deployments/3/predict"
    before = endpoint.roll_back()["champion"]
    assert deploy_champion(home, "test").problem.startswith(
        f"test made version {before} the champion after version 3: "
    )

"""Deploys and routes model versions through the home's endpoint or, if none runs, its state."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.deploy_token import TOKEN_VARIABLE, read_token
from taxi_assets.serving.deployments.deployment_changes import DeploymentChanges
from taxi_assets.serving.deployments.deployment_store import read_deployments, read_refusals
from taxi_assets.serving.deployments.routing_store import newest_readable
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.deployments.workers import live_workers
from taxi_assets.serving.endpoint.deployment_fields import deployment_json, refusals_json, routing_json
from taxi_assets.serving.packaging.bento_build import model_store
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    import httpx

Facts = dict[str, Any]
# Longer than the endpoint takes to give up on a change.
CHANGE_TIMEOUT_SECONDS = 30.0
_CONNECT_SECONDS = 2.0


class DeploymentClient(Protocol):
    """The operations on deployments and the routing; the results are those of the endpoint's JSON."""

    @property
    def endpoint_url(self) -> str | None:
        """The URL of the endpoint that is asked; None if the serving state is changed instead."""

    @property
    def is_followed(self) -> bool:
        """True if a running endpoint follows each change; otherwise it applies at the endpoint's next start."""

    def deployments(self) -> Facts:
        """The `deployments`, and the `refusals`, newest first."""

    def routing(self) -> Facts | None:
        """The current routing; None before the first."""

    def deploy(self, version: int) -> Facts:
        """Load and check a version; the result has its `url`."""

    def undeploy(self, version: int) -> None:
        """Remove the deployment of a version that is not routed."""

    def set_routing(self, routing: Mapping[str, Any]) -> Facts:
        """Apply a routing with `champion`, `challengers` and `shadows`."""

    def make_champion(self, version: int) -> Facts:
        """Deploy a version if it is not, and make it the champion; return the routing."""

    def roll_back(self) -> Facts:
        """Restore the routing before; return it."""


def connect(settings: Settings, by: str) -> DeploymentClient:
    """The client for a home's endpoint, or for the serving state if no endpoint of the home runs.

    An endpoint is the home's if its workers follow the home's state. With `TAXI_DEPLOY_TOKEN` set, whatever listens
    on the endpoint's port is taken for it.

    Args:
        settings: Location of the endpoint, the state and the Bento store.
        by: The command or asset that asks, for the record.

    Raises:
        TaxiError: the home's token cannot be read.
    """
    state, given = ServingState(settings.serving_state), settings.deploy_token
    if (given or live_workers(state)) and _listens(settings.host, settings.bento_port):
        token = given.get_secret_value() if given else read_token(state, {})
        return EndpointDeployments(settings.url(settings.bento_port), token, by)
    return LocalDeployments(settings, by)


@dataclass(frozen=True)
class EndpointDeployments:
    """The operations over HTTP.

    Every operation raises a `TaxiError` with the endpoint's reason if it refuses, does not answer or is another
    program.

    Attributes:
        url: The endpoint's URL.
        token: Its deployment token, if known.
        by: The command or asset that asks.
    """

    url: str
    token: str | None
    by: str

    @property
    def endpoint_url(self) -> str:
        return self.url

    @property
    def is_followed(self) -> bool:
        return True

    def deployments(self) -> Facts:
        return self._send("GET", "/deployments")

    def routing(self) -> Facts | None:
        return self._send("GET", "/routing")

    def deploy(self, version: int) -> Facts:
        return self._send("POST", "/deployments", {"model_version": version})

    def undeploy(self, version: int) -> None:
        self._send("DELETE", f"/deployments/{version}")

    def set_routing(self, routing: Mapping[str, Any]) -> Facts:
        return self._send("PUT", "/routing", routing)

    def make_champion(self, version: int) -> Facts:
        return self._send("PUT", "/routing/champion", {"model_version": version})

    def roll_back(self) -> Facts:
        return self._send("POST", "/routing/rollback")

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Facts:
        import httpx

        headers = {"X-Requested-By": self.by} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        try:
            # Requests to this machine must not go through an internet proxy.
            response = httpx.request(
                method, self.url + path, json=body, headers=headers, timeout=CHANGE_TIMEOUT_SECONDS, trust_env=False
            )
        except httpx.HTTPError as error:
            raise TaxiError(
                f"the endpoint at {self.url} does not answer ({error}): see the output of `make up`"
            ) from error
        content = _json(response)
        if response.is_success and (content or not response.content):
            return content
        raise TaxiError(self._reason(response, content))

    def _reason(self, response: "httpx.Response", content: Facts) -> str:
        if response.status_code == 401:
            remedy = f"set {TOKEN_VARIABLE} to the endpoint's, or TAXI_BENTO_PORT to the port of this home's endpoint"
            return f"the endpoint at {self.url} refuses the token: {remedy}"
        if "detail" in content:
            return str(content["detail"])
        remedy = "another program listens there; set TAXI_BENTO_PORT to the endpoint's port"
        return f"{self.url} answers with status {response.status_code}: {remedy}"


@dataclass(frozen=True)
class LocalDeployments:
    """The same operations on a home's serving state; models are loaded and checked here.

    Attributes:
        settings: Location of the state and the Bento store.
        by: The command or asset that asks.
    """

    settings: Settings
    by: str

    @property
    def endpoint_url(self) -> None:
        return None

    @property
    def is_followed(self) -> bool:
        return bool(live_workers(self._state))

    def deployments(self) -> Facts:
        current = newest_readable(self._state)
        routed = current.routing.versions if current else ()
        deployed = read_deployments(self._state).values()
        return {
            "deployments": [
                {**deployment_json(each, self._url), "is_routed": each.version in routed} for each in deployed
            ],
            "refusals": refusals_json(read_refusals(self._state)),
        }

    def routing(self) -> Facts | None:
        current = newest_readable(self._state)
        return None if current is None else routing_json(current)

    def deploy(self, version: int) -> Facts:
        return deployment_json(self._changes.deploy(version), self._url)

    def undeploy(self, version: int) -> None:
        self._changes.undeploy(version)

    def set_routing(self, routing: Mapping[str, Any]) -> Facts:
        return routing_json(self._changes.set_routing(routing))

    def make_champion(self, version: int) -> Facts:
        return routing_json(self._changes.make_champion(version))

    def roll_back(self) -> Facts:
        return routing_json(self._changes.roll_back())

    @property
    def _state(self) -> ServingState:
        return ServingState(self.settings.serving_state)

    @property
    def _changes(self) -> DeploymentChanges:
        return DeploymentChanges(self._state, model_store(self.settings), self.by)

    @property
    def _url(self) -> str:
        return self.settings.url(self.settings.bento_port)


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False


def _json(response: "httpx.Response") -> Facts:
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}

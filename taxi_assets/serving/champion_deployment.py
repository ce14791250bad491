"""Makes the packaged champion the routing's champion, and checks that the endpoint answers by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.serving import client
from taxi_assets.serving.deployment_client import DeploymentClient, connect
from taxi_assets.serving.deployments.routing import MAX_VARIANTS
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.deployments.version_history import was_champion
from taxi_assets.serving.packaging import bento_build
from taxi_assets.settings import Settings

# `by` of the routings whose new champion is watched.
DEPLOYED_BY = "asset deployment"


@dataclass(frozen=True)
class ChampionDeployment:
    """The result of a deployment of the champion.

    Attributes:
        version: The champion's model version.
        routing: The current routing, as `GET /routing` returns it.
        deployments: The deployed versions, as in `GET /deployments`.
        refusals: The refused versions, newest first.
        is_followed: True if a running endpoint follows; otherwise the routing applies from its next start.
        problem: Why another version answers; empty if the champion does.
    """

    version: int
    routing: Mapping[str, Any]
    deployments: Sequence[Mapping[str, Any]]
    refusals: Sequence[Mapping[str, Any]]
    is_followed: bool
    problem: str

    @property
    def url(self) -> str:
        """The address at which exactly this version answers; empty if it is not deployed."""
        return next((str(each["url"]) for each in self.deployments if each["model_version"] == self.version), "")


def deploy_champion(settings: Settings, by: str) -> ChampionDeployment:
    """Make the newest packaged champion the routing's champion; challengers and shadows stay.

    The champion before shadows the new one, which is compared with it and may be rolled back: see `TAXI_WATCH_RIDES`.
    A champion is deployed once. A routing that a person set since then, such as a rollback, stays until the next one.

    Args:
        settings: Location of the endpoint, the state and the Bento store.
        by: The command or asset that asks, for the record.

    Raises:
        TaxiError: no champion is packaged, the endpoint cannot be asked, or the model fails a check; the old champion
            stays.
    """
    bento = bento_build.latest(settings)
    if bento is None:
        raise TaxiError("there is no Bento to deploy: materialise duration_bento first")
    deployments, version = connect(settings, by), bento.model_version
    routing = deployments.routing()
    if routing is None or not was_champion(ServingState(settings.serving_state), version):
        routing = _route_champion(deployments, routing, version, is_watched=settings.watch_rides > 0)
    found = deployments.deployments()
    return ChampionDeployment(
        version,
        routing,
        found["deployments"],
        found["refusals"],
        deployments.is_followed,
        _problem(deployments, routing, version),
    )


def without_shadow(routing: Mapping[str, Any], version: int) -> dict[str, Any]:
    """A routing's champion, challengers and shadows, without one of the shadows."""
    return {
        "champion": routing["champion"],
        "challengers": routing["challengers"],
        "shadows": [each for each in routing["shadows"] if each != version],
    }


def _route_champion(
    deployments: DeploymentClient, before: Mapping[str, Any] | None, version: int, *, is_watched: bool
) -> dict[str, Any]:
    """Make a version the champion and, if watched, the champion before its shadow."""
    if before is None or before["champion"] == version or not is_watched:
        return deployments.make_champion(version)
    others = without_shadow(before, version)
    challengers = [each for each in others["challengers"] if each["version"] != version]
    if 2 + len(challengers) + len(others["shadows"]) > MAX_VARIANTS:
        return deployments.make_champion(version)
    deployments.deploy(version)  # in one routing with its shadow, so that a rollback goes back before both
    shadows = [*others["shadows"], before["champion"]]
    return deployments.set_routing({"champion": version, "challengers": challengers, "shadows": shadows})


def _problem(deployments: DeploymentClient, routing: Mapping[str, Any], version: int) -> str:
    if routing["champion"] != version:
        remedy = f"`taxi deploy {version} --champion` makes it the champion again"
        return f"{routing['by']} made version {routing['champion']} the champion after version {version}: {remedy}"
    if deployments.endpoint_url is None:
        return ""
    served = client.get_served_version(deployments.endpoint_url)
    if served is None or served["version"] != version:
        return f"the endpoint at {deployments.endpoint_url} does not answer by version {version}: see its log"
    return ""

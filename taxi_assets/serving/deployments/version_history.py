"""The model versions that the endpoint needs."""

from taxi_assets.serving.deployments.deployment_store import read_deployments
from taxi_assets.serving.deployments.routing_store import newest_readable, read_revision
from taxi_assets.serving.deployments.serving_state import ServingState


def versions_in_use(state: ServingState) -> frozenset[int]:
    """The deployed versions and those of the current and the previous routing, which a rollback restores.

    Raises:
        TaxiError: the previous routing cannot be read.
    """
    current = newest_readable(state)
    before = read_revision(state, current.previous) if current and current.previous else None
    routed = [version for each in (current, before) if each for version in each.routing.versions]
    return frozenset((*read_deployments(state), *routed))

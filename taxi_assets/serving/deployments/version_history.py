"""The model versions that the endpoint needs, and those that were decided on."""

from taxi_assets.serving.deployments.deployment_store import read_deployments, read_refusals
from taxi_assets.serving.deployments.routing_store import newest_readable, read_revision, stored_routings
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


def is_decided(state: ServingState, version: int) -> bool:
    """True if a version was the champion of any routing, or was refused."""
    return was_champion(state, version) or any(each.version == version for each in read_refusals(state))


def was_champion(state: ServingState, version: int) -> bool:
    """True if a version is or was the champion of a routing."""
    return any(each.routing.champion == version for each in stored_routings(state))

"""Watches a new champion on live traffic, and rolls it back if it is worse than the champion before.

The watch is the routing itself: the asset that deployed the new champion has kept the old one as its shadow. A routing
that a person sets ends it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.rollback_policy import ChampionWatch, WatchVerdict, is_over, sentence, should_roll_back
from taxi_assets.monitoring.variant_comparison import compare_pair
from taxi_assets.promotion.champion_history import ChampionChange
from taxi_assets.promotion.roll_back import roll_back_champion
from taxi_assets.serving.champion_deployment import DEPLOYED_BY, without_shadow
from taxi_assets.serving.deployment_client import DeploymentClient, connect
from taxi_assets.serving.deployments.routing_store import RoutingRevision, newest_readable, previous_routing
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

_FROM_SHADOW: Mapping[str, WatchVerdict] = {"better": "worse", "worse": "better", "undecided": "undecided"}


@dataclass(frozen=True)
class WatchOutcome:
    """The result of a step of the watch.

    Attributes:
        state: `none` without a watched champion, `watching`, `passed`, or `rolled_back`.
        reason: The reason, as a sentence.
        watch: The watch, if there is one.
    """

    state: Literal["none", "watching", "passed", "rolled_back"]
    reason: str
    watch: ChampionWatch | None = None


def watch_champion(settings: Settings, warehouse: Warehouse, by: str, run_id: str | None = None) -> WatchOutcome:
    """Compares the watched champion with its shadow; rolls it back if it is worse, or ends the watch.

    A repetition after a failure at any step goes on from there: the routing is changed last.

    Args:
        settings: Location of the endpoint, the state and the registry.
        warehouse: The warehouse with the ingested logs.
        by: The command or asset that asks, for the record.
        run_id: The Dagster run, if there is one.

    Raises:
        TaxiError: The endpoint refuses the change or cannot be asked.
    """
    current = newest_readable(ServingState(settings.serving_state))
    watched = find_watched(ServingState(settings.serving_state))
    if current is None or watched is None:
        return WatchOutcome("none", "no new champion is watched")
    watch = measure_watch(warehouse, current, watched)
    why = sentence(watch)
    if should_roll_back(watch):
        _roll_back(settings, warehouse, watch, current, by, run_id)
        return WatchOutcome("rolled_back", why, watch)
    if is_over(watch, settings.watch_rides, datetime.now(UTC).replace(tzinfo=None)):
        deployments = _unchanged(settings, current, by)
        deployments.set_routing(without_shadow(current.routing.as_json(), watch.previous))
        return WatchOutcome("passed", why, watch)
    return WatchOutcome("watching", why, watch)


def find_watched(state: ServingState) -> int | None:
    """The version of the champion before, if it shadows the current one by the deployment's routing."""
    current, before = newest_readable(state), previous_routing(state)
    if current is None or before is None or current.by != DEPLOYED_BY:
        return None
    previous = before.routing.champion
    return previous if previous in current.routing.shadows else None


def measure_watch(warehouse: Warehouse, current: RoutingRevision, previous: int) -> ChampionWatch:
    """Compares the routing's champion with the champion before on the rides since the routing's start."""
    since = datetime.fromisoformat(current.at).astimezone(UTC).replace(tzinfo=None)
    champion = current.routing.champion
    found = compare_pair(warehouse, champion, previous, since)
    if found is None:
        return ChampionWatch(champion, previous, since, 0, "undecided", float("nan"))
    difference = -float(found.difference[-1])  # of the champion against the shadow
    return ChampionWatch(champion, previous, since, found.rides, _FROM_SHADOW[found.verdict], difference)


def _roll_back(
    settings: Settings,
    warehouse: Warehouse,
    watch: ChampionWatch,
    current: RoutingRevision,
    by: str,
    run_id: str | None,
) -> None:
    deployments, why = _unchanged(settings, current, by), sentence(watch)
    now = datetime.now(UTC).replace(tzinfo=None)
    change = ChampionChange(now, watch.previous, watch.champion, "rolled_back", None, by, why, run_id)
    roll_back_champion(settings, warehouse, change)
    deployments.roll_back()


def _unchanged(settings: Settings, current: RoutingRevision, by: str) -> DeploymentClient:
    """The client of the deployments, if the routing is still the watched one."""
    deployments = connect(settings, by)
    routing = deployments.routing()
    if routing is None or routing["revision"] != current.revision:
        raise TaxiError(f"routing {current.revision} was replaced during its comparison: materialise rollback again")
    return deployments

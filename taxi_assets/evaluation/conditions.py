"""Conditions of a prediction: the inputs it may use. Compare scores only under the same condition."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["CONDITIONS", "WITHOUT_RECENT_TRAFFIC", "WITH_RECENT_TRAFFIC", "Condition", "served_first"]


@dataclass(frozen=True)
class Condition:
    """The inputs a prediction may use; `settings.served_condition` names the endpoint's condition."""

    name: str
    description: str


WITHOUT_RECENT_TRAFFIC = Condition(
    "without_recent_traffic", "uses zones, time and passengers, as in a request to POST /predict"
)
WITH_RECENT_TRAFFIC = Condition(
    "with_recent_traffic", "also uses trips that ended before the pickup, as from a live feed"
)
CONDITIONS: Mapping[str, Condition] = MappingProxyType(
    {each.name: each for each in (WITHOUT_RECENT_TRAFFIC, WITH_RECENT_TRAFFIC)}
)


def served_first(served: str) -> tuple[Condition, ...]:
    """Every condition, the served one first."""
    return CONDITIONS[served], *(each for name, each in CONDITIONS.items() if name != served)

"""What is known of a trip when its duration is predicted; scores compare only under the same condition."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["CONDITIONS", "WITHOUT_RECENT_TRAFFIC", "WITH_RECENT_TRAFFIC", "Condition", "served_first"]


@dataclass(frozen=True)
class Condition:
    """What a prediction may use; `settings.served_condition` names the one the endpoint answers under."""

    name: str
    description: str


WITHOUT_RECENT_TRAFFIC = Condition(
    "without_recent_traffic", "zones, time and passengers are known, as in a request to POST /predict"
)
WITH_RECENT_TRAFFIC = Condition(
    "with_recent_traffic", "trips that ended before the pickup are known too, as a live feed would send them"
)
CONDITIONS: Mapping[str, Condition] = MappingProxyType(
    {each.name: each for each in (WITHOUT_RECENT_TRAFFIC, WITH_RECENT_TRAFFIC)}
)


def served_first(served: str) -> tuple[Condition, ...]:
    """Every condition, the served one first: its figures are the headline, the others stand beside it."""
    return CONDITIONS[served], *(each for name, each in CONDITIONS.items() if name != served)

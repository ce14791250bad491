"""What makes a trip unusable: each rule's name, its reason, its threshold and why it is what it is.

The rules themselves are SQL, in `sql/rejected_trips.sql`, in this order; a trip counts under the first it breaks. Kept
and rejected trips together are always the raw ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["REASONS", "RULES", "THRESHOLDS", "Rule"]

THRESHOLDS: Mapping[str, float] = MappingProxyType(
    {"zones": 265, "shortest_minutes": 1, "longest_minutes": 180, "fastest_mph": 80}
)


@dataclass(frozen=True)
class Rule:
    """A rule of cleaning: what it rejects, by which threshold, and why that."""

    name: str
    reason: str
    rationale: str
    threshold: str | None = None  # a name of THRESHOLDS


RULES = (
    Rule(
        "needed_value_missing",
        "no pickup or drop-off time or zone, or one that cannot be read",
        "without them a trip has no duration or no place to learn it for",
    ),
    Rule(
        "pickup_outside_month",
        "the pickup lies outside the month the file is for",
        "clocks of meters are wrong in nearly every file; a trip of another month comes, if at all, in that one's",
    ),
    Rule(
        "zone_unknown",
        "a zone id TLC has not given",
        "265 is the last; 264 (unknown) and 265 (outside of the city) are ids of its own, and stay",
        "zones",
    ),
    Rule(
        "clock_change_ambiguous",
        "an hour is repeated in autumn, and only the longer of two possible durations fits the metered distance",
        "0.6 % of trips at that hour take over an hour, so the shorter one is taken unless it needs more than 80 mph; "
        "then the distance may be wrong or the trip long, and nothing in the file says which",
    ),
    Rule(
        "duration_too_short",
        "under a minute: a cancelled trip or a meter pressed by mistake",
        "nobody is driven anywhere in less; a drop-off before the pickup counts here, too, unless the clocks went back",
        "shortest_minutes",
    ),
    Rule(
        "duration_too_long",
        "over three hours: a meter left running",
        "the farthest regular trip at rush hour takes that; beyond it are 0.3 % of trips, nearly all forgotten meters",
        "longest_minutes",
    ),
    Rule(
        "speed_impossible",
        "the metered distance would need more than 80 mph on average",
        "no street of the region allows more than 65",
        "fastest_mph",
    ),
    Rule(
        "duplicate",
        "the same trip again, often as a refund",
        "times, zones and distance to the last digit agree by chance less than once a month; the first copy stays",
    ),
    Rule(
        "line_unreadable",
        "a line of a CSV file that is no record of its columns",
        "it lacks every value, for that reason; it is kept as it came, in unreadable",
    ),
    Rule(
        "time_unreadable",
        "a pickup or drop-off time that cannot be read",
        "the trip has no duration without it; what the file says is kept as it came, in unreadable",
    ),
)

REASONS: Mapping[str, str] = MappingProxyType({rule.name: rule.reason for rule in RULES})

"""Cleaning rules: name, reason, threshold and rationale of each.

Their SQL is in `ingestion/rejections.sql`, in this order. A rejected trip gets the first rule it breaks. Clean and
rejected trips together are always the raw trips.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

THRESHOLDS: Mapping[str, float] = MappingProxyType(
    {"zones": 265, "shortest_minutes": 1, "longest_minutes": 180, "fastest_mph": 80}
)


@dataclass(frozen=True)
class Rule:
    """A cleaning rule: its name, what it rejects, its rationale and threshold."""

    name: str
    reason: str
    rationale: str
    threshold: str | None = None  # a name of THRESHOLDS


RULES = (
    Rule(
        "needed_value_missing",
        "no pickup or drop-off time or zone, or one that cannot be read",
        "without them a trip has no duration or no route",
    ),
    Rule(
        "pickup_outside_month",
        "the pickup lies outside the month the file is for",
        "nearly every file has trips with wrong meter clocks; real trips of another month are in that month's file",
    ),
    Rule(
        "zone_unknown",
        "a zone id TLC has not given",
        "265 is TLC's last id; 264 (unknown) and 265 (outside of the city) are valid ids",
        "zones",
    ),
    Rule(
        "clock_change_ambiguous",
        "an hour is repeated in autumn, and only the longer of two possible durations fits the metered distance",
        "0.6 % of trips at that hour take over an hour, so the shorter duration is used unless it needs over 80 mph; "
        "then the file does not show whether the distance is wrong or the trip long",
    ),
    Rule(
        "duration_too_short",
        "under a minute: a cancelled trip or a meter pressed by mistake",
        "no real trip is shorter; includes a drop-off before the pickup, unless the clocks went back",
        "shortest_minutes",
    ),
    Rule(
        "duration_too_long",
        "over three hours: a meter left running",
        "the farthest regular trip at rush hour takes that; 0.3 % of trips are longer, nearly all forgotten meters",
        "longest_minutes",
    ),
    Rule(
        "speed_impossible",
        "the metered distance would need more than 80 mph on average",
        "no street of the region allows more than 65 mph",
        "fastest_mph",
    ),
    Rule(
        "duplicate",
        "a copy of another trip, often as a refund",
        "equal times, zones and distance occur by chance less than once a month; the first copy stays",
    ),
    Rule(
        "line_unreadable",
        "a line of a CSV file that does not fit its columns",
        "all its values are missing; the column unreadable keeps the line unchanged",
    ),
    Rule(
        "time_unreadable",
        "a pickup or drop-off time that cannot be read",
        "without it the trip has no duration; the column unreadable keeps the file's text",
    ),
)

REASONS: Mapping[str, str] = MappingProxyType({rule.name: rule.reason for rule in RULES})

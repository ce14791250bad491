"""What makes a trip unusable: each rule's name, its reason, and the thresholds with why they are what they are.

The rules themselves are SQL, in `sql/rejected_trips.sql`, in the order they are tried; a trip counts under the first it
breaks. Kept and rejected trips together are always the raw ones.
"""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["REASONS", "THRESHOLDS"]

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "needed_value_missing": "no pickup or drop-off time or zone, or one that cannot be read",
        "pickup_outside_month": "the pickup lies outside the month the file is for",
        "zone_unknown": "a zone id TLC has not given",
        "duration_too_short": "under a minute: a cancelled ride or a meter pressed by mistake",
        "duration_too_long": "over three hours: a meter left running",
        "speed_impossible": "the metered distance would need more than 80 mph on average",
        "duplicate": "the same ride again, often as a refund",
    }
)

THRESHOLDS: Mapping[str, float] = MappingProxyType(
    {
        "zones": 265,  # TLC's last zone id; 264 (unknown) and 265 (outside of the city) are ids of its own
        "shortest_minutes": 1,
        "longest_minutes": 180,  # the farthest regular ride at rush hour; beyond it, 0.3 % of trips, nearly all meters
        "fastest_mph": 80,  # no street of the region allows more than 65
    }
)

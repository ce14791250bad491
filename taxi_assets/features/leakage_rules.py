"""Guards the model against knowing the end of a trip at its start: names of features that tell of it.

A name is all this looks at. That changing what is known after the trip changes no feature is shown by tests.
"""

import re
from collections.abc import Iterable

from taxi_assets.features.trip_features import POST_TRIP_FIELDS
from taxi_assets.tlc.contract import RAW_COLUMNS

__all__ = ["leaking_names"]

# Words on their own, in the singular or plural: `tip_usd` and `tips` leak, `multiple_rides` does not.
_POST_TRIP_NAME = re.compile(
    "|".join(rf"(?<![a-z]){field.rstrip('s')}(?:e?s)?(?![a-z])" for field in sorted(POST_TRIP_FIELDS))
)
# Of the drop-off its zone is asked for at the start; any of its times is not.
_DROPOFF_TIME_NAME = re.compile(r"dropoff_(at|date|datetime|day|hour|minute|month|second|time|week|year)(?![a-z])")
# Quantities of past trips and of the map, told by the name's first word: `pair_duration_minutes`.
_AGGREGATE_PREFIX = re.compile(r"(past|expected|(reverse_)?pair|neighbour|zone|(pickup|dropoff)_(zone|period))_")
_AGGREGATED_QUANTITY = re.compile(r"duration|distance_miles|speed")

_CANONICAL = {published: column.name for column in RAW_COLUMNS for published in column.published_as}


def leaking_names(names: Iterable[str]) -> list[str]:
    """Those of the names of features that tell something only known once the trip is over.

    What past trips took, and how far zones lie apart, is known before: `zone_distance_miles` and
    `pair_duration_minutes` do not leak, `trip_distance_miles` and `duration_minutes` do, and so do the names
    TLC publishes such columns under.
    """
    return [name for name in names if _leaks(_CANONICAL.get(name.lower(), name.lower()))]


def _leaks(name: str) -> bool:
    post_trip_words = {match.group() for match in _POST_TRIP_NAME.finditer(name)}
    if _AGGREGATE_PREFIX.match(name):
        post_trip_words = {what for what in post_trip_words if not _AGGREGATED_QUANTITY.match(what)}
    return bool(post_trip_words) or bool(_DROPOFF_TIME_NAME.search(name))

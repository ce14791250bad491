"""Finds feature names of quantities known only after a trip."""

import re
from collections.abc import Iterable

from taxi_assets.features.trip_features import POST_TRIP_FIELDS
from taxi_assets.tlc.columns import RAW_COLUMNS

# Whole words, singular or plural: `tip_usd` and `tips` leak, `multiple_rides` does not.
_POST_TRIP_NAME = re.compile(
    "|".join(rf"(?<![a-z]){field.rstrip('s')}(?:e?s)?(?![a-z])" for field in sorted(POST_TRIP_FIELDS))
)
# The drop-off zone is known at the start; the drop-off time is not.
_DROPOFF_TIME_NAME = re.compile(r"dropoff_(at|date|datetime|day|hour|minute|month|second|time|week|year)(?![a-z])")
# Aggregates of past trips and of the map, by prefix: `pair_duration_minutes`.
_AGGREGATE_PREFIX = re.compile(r"(past|expected|(reverse_)?pair|neighbour|zone|(pickup|dropoff)_(zone|period))_")
_AGGREGATED_QUANTITY = re.compile(r"duration|distance_miles|speed")

_CANONICAL = {published: column.name for column in RAW_COLUMNS for published in column.published_as}


def leaking_names(names: Iterable[str]) -> list[str]:
    """Feature names that leak a quantity known only after the trip, as our columns or TLC's name it.

    `trip_distance_miles` and `duration_minutes` leak. `zone_distance_miles` and `pair_duration_minutes` do not:
    the map and past trips are known before the pickup.
    """
    return [name for name in names if _leaks(_CANONICAL.get(name.lower(), name.lower()))]


def _leaks(name: str) -> bool:
    post_trip_words = {match.group() for match in _POST_TRIP_NAME.finditer(name)}
    if _AGGREGATE_PREFIX.match(name):
        post_trip_words = {word for word in post_trip_words if not _AGGREGATED_QUANTITY.match(word)}
    return bool(post_trip_words) or bool(_DROPOFF_TIME_NAME.search(name))

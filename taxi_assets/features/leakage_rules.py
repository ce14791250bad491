"""Guards the model against knowing the end of a ride at its start: names of features that tell of it.

A name is all this looks at. That changing what is known after the ride changes no feature is shown by tests.
"""

import re
from collections.abc import Iterable

from taxi_assets.features.trip_features import KNOWN_AFTER
from taxi_assets.tlc.contract import RAW_COLUMNS

__all__ = ["leaking"]

# Words on their own, in the singular or plural: `tip_usd` and `tips` leak, `multiple_rides` does not.
_TELLS_THE_END = re.compile(
    "|".join(rf"(?<![a-z]){known.rstrip('s')}(?:e?s)?(?![a-z])" for known in sorted(KNOWN_AFTER))
)
# Of the drop-off its zone is asked for at the start; any of its times is not.
_TELLS_ITS_TIME = re.compile(r"dropoff_(at|date|datetime|day|hour|minute|month|second|time|week|year)(?![a-z])")
# Quantities of past rides and of the map, told by the name's first word: `pair_duration_minutes`.
_OF_OTHER_RIDES = re.compile(r"(past|expected|(reverse_)?pair|neighbour|zone|(pickup|dropoff)_(zone|period))_")
_MEANS_OTHER_RIDES = re.compile(r"duration|distance_miles|speed")

_CANONICAL = {published: column.name for column in RAW_COLUMNS for published in column.published_as}


def leaking(names: Iterable[str]) -> list[str]:
    """Those of the names of features that tell something only known once the ride is over.

    What past rides took, and how far zones lie apart, is known before: `zone_distance_miles` and
    `pair_duration_minutes` do not leak, `trip_distance_miles` and `duration_minutes` do, and so do the names
    TLC publishes such columns under.
    """
    return [name for name in names if _leaks(_CANONICAL.get(name.lower(), name.lower()))]


def _leaks(name: str) -> bool:
    told = {match.group() for match in _TELLS_THE_END.finditer(name)}
    if _OF_OTHER_RIDES.match(name):
        told = {what for what in told if not _MEANS_OTHER_RIDES.match(what)}
    return bool(told) or bool(_TELLS_ITS_TIME.search(name))

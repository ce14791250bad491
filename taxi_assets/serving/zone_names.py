"""Finds TLC zones by their names."""

from collections.abc import Mapping
from difflib import get_close_matches

_MAX_SHOWN = 3


class ZoneNames:
    """Zone ids by name; upper and lower case and repeated spaces make no difference.

    Args:
        names: The name of each zone by its id; several zones may have the same.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self.names = dict(names)
        self._ids: dict[str, list[int]] = {}
        for zone_id, name in sorted(self.names.items()):
            self._ids.setdefault(_normalised(name), []).append(zone_id)

    def find(self, name: str) -> int:
        """The id of the zone with this name.

        Raises:
            ValueError: no zone or several have the name; the message is the remedy.
        """
        wanted = _normalised(name)
        ids = self._ids.get(wanted, [])
        if len(ids) == 1:
            return ids[0]
        if ids:
            raise ValueError(f"give an id, since zones {', '.join(map(str, ids))} have this name")
        close = [self.names[self._ids[each][0]] for each in get_close_matches(wanted, self._ids, _MAX_SHOWN)]
        if close:
            raise ValueError(f"give the name of a TLC zone, such as {', '.join(close)}")
        raise ValueError("give the id or the name of a TLC zone")


def _normalised(name: str) -> str:
    return " ".join(name.split()).casefold()

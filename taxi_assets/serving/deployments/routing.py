"""The routing: which model versions answer, for which share of the riders, and which only shadow."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.assignment import BUCKETS, Buckets, assign_buckets

# Each is one more model in the memory of every worker, and each shadow one more prediction per request.
MAX_VARIANTS = 8

_SHARE = "give a share above 0 and up to 1, in steps of 0.001, such as 0.1"
_MAX_VERSION = 2**31  # that of MLflow's database
_VERSION = "give the number of a model version, such as 12"


class InvalidRouting(TaxiError):
    """A rejected routing: the value and the remedy of each wrong field."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("the routing is refused: " + "; ".join(f"{name} {text}" for name, text in fields.items()))
        self.fields = dict(fields)


@dataclass(frozen=True)
class Challenger:
    """A version that answers a share of the riders, from 0.001 to 1."""

    version: int
    share: float


@dataclass(frozen=True)
class Routing:
    """A validated routing; `parse_routing` makes it.

    Attributes:
        champion: The version that answers every rider of no challenger.
        challengers: Versions that answer their share of the riders.
        shadows: Versions that predict every ride and never answer.
    """

    champion: int
    challengers: tuple[Challenger, ...] = ()
    shadows: tuple[int, ...] = ()

    @cached_property
    def versions(self) -> tuple[int, ...]:
        """Every version, the champion first."""
        return (self.champion, *(each.version for each in self.challengers), *self.shadows)

    def assign(self, before: Buckets) -> Buckets:
        """The buckets of each version that answers, with as few changes as possible."""
        return assign_buckets(before, self.champion, {each.version: _size(each.share) for each in self.challengers})

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "challengers": [asdict(each) for each in self.challengers], "shadows": [*self.shadows]}


def parse_routing(body: object, known: Collection[int] | None = None) -> Routing:
    """Parse a routing.

    Args:
        body: The parsed JSON: `{"champion": 12, "challengers": [{"version": 13, "share": 0.1}], "shadows": [14]}`.
        known: Versions that may be routed, deployed or in the model store; None allows all.

    Raises:
        InvalidRouting: a field is missing, wrong, unknown or contradicts another.
    """
    parser = _Parser(known)
    routing = parser.parse(body)
    if parser.problems or routing is None:
        raise InvalidRouting(parser.problems)
    return routing


@dataclass
class _Parser:
    """Collects every problem of one routing."""

    known: Collection[int] | None
    problems: dict[str, str] = field(default_factory=dict)

    def parse(self, body: object) -> Routing | None:
        fields = self._object("body", body, ("champion", "challengers", "shadows"))
        if fields is None:
            return None
        champion = self._version("champion", fields.get("champion"))
        challengers = self._list("challengers", fields.get("challengers"), self._challenger)
        shadows = self._list("shadows", fields.get("shadows"), self._version)
        if self.problems:
            return None
        routing = Routing(champion, tuple(challengers), tuple(shadows))
        self._compare(routing)
        return routing

    def _challenger(self, name: str, value: object) -> Challenger:
        fields = self._object(name, value, ("version", "share")) or {}
        if name in self.problems:
            return Challenger(0, 0)
        version = self._version(f"{name}.version", fields.get("version"))
        return Challenger(version, self._share(f"{name}.share", fields.get("share")))

    def _object(self, name: str, value: object, known: tuple[str, ...]) -> Mapping[str, Any] | None:
        if not isinstance(value, Mapping):
            self.problems[name] = f"is {_shown(value)}: send an object with {', '.join(known)}"
            return None
        for other in [each for each in value if each not in known][:3]:
            self.problems[_shown(other).strip("'")] = f"is not a field: use {', '.join(known)}"
        return value

    def _list(self, name: str, value: object, read: Callable[[str, object], Any]) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list | tuple) or len(value) >= MAX_VARIANTS:
            self.problems[name] = f"is {_shown(value)}: send a list of at most {MAX_VARIANTS - 1}"
            return []
        return [read(f"{name}[{index}]", each) for index, each in enumerate(value)]

    def _version(self, name: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < _MAX_VERSION:
            self.problems[name] = f"is {'missing' if value is None else _shown(value)}: {_VERSION}"
            return 0
        if self.known is not None and value not in self.known:
            known = ", ".join(map(str, sorted(self.known))) or "none"
            fault = f"is version {_shown(value)}, which has no Bento in the model store (there: {known})"
            self.problems[name] = f"{fault}: package it with `taxi deploy {_shown(value)}`"
        return value

    def _share(self, name: str, value: object) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        share = float(value) if isinstance(value, int | float) and is_number and abs(value) <= 1 else math.nan
        if not 0 < share <= 1 or abs(share * BUCKETS - _size(share)) > 1e-6:
            self.problems[name] = f"is {'missing' if value is None else _shown(value)}: {_SHARE}"
            return 0.0
        return _size(share) / BUCKETS

    def _compare(self, routing: Routing) -> None:
        """Find versions in two places, shares above 1 in all, and too many versions."""
        places = [
            ("champion", routing.champion),
            *((f"challengers[{index}].version", each.version) for index, each in enumerate(routing.challengers)),
            *((f"shadows[{index}]", version) for index, version in enumerate(routing.shadows)),
        ]
        first: dict[int, str] = {}
        for name, version in places:
            if first.setdefault(version, name) != name:
                self.problems[name] = f"is version {version}, as is {first[version]}: route a version once"
        total = sum(_size(each.share) for each in routing.challengers)
        if total > BUCKETS:
            self.problems["challengers"] = f"have shares of {total / BUCKETS:g} in all: give at most 1 in all"
        if len(places) > MAX_VARIANTS:
            self.problems["body"] = f"routes {len(places)} versions: route at most {MAX_VARIANTS}"


def _size(share: float) -> int:
    return round(share * BUCKETS)


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) > 10**30:  # Python refuses to write thousands of digits
        return "a huge number"
    text = str(value) if isinstance(value, int | float) and abs(value) < 1e15 else ascii(value)
    return text if len(text) <= 40 else f"{text[:37]}..."

"""Stores the routing: replaced atomically under a lock, with a revision and the history for rollbacks."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.files import write_atomically
from taxi_assets.serving.deployments.assignment import BUCKETS, Buckets
from taxi_assets.serving.deployments.routing import Routing, parse_routing
from taxi_assets.serving.deployments.serving_state import ServingState

# Older revisions are removed: a rollback reaches so far back.
KEPT_REVISIONS = 1000
LOCK_SECONDS = 10.0
# `by` of a routing or deployment that no client asked for; a newer Bento's model replaces it.
PACKAGED = "packaged"
_REMEDY = "set the routing again with `taxi route`"


class NoEarlierRouting(TaxiError):
    """A rollback from the first routing."""


class DamagedRouting(TaxiError):
    """The file of a stored routing has another content."""


@dataclass(frozen=True)
class RoutingRevision:
    """A stored routing.

    Attributes:
        revision: Its number, higher than that of every earlier one.
        routing: The versions and shares.
        buckets: The buckets of each challenger; the champion has the others.
        previous: The revision that a rollback restores; None at the first.
        at: Time of the change, ISO 8601 in UTC.
        by: The command or address that set it.
    """

    revision: int
    routing: Routing
    buckets: Buckets = field(default_factory=dict)
    previous: int | None = None
    at: str = ""
    by: str = ""

    @cached_property
    def versions_by_bucket(self) -> tuple[int, ...]:
        """The version that answers each bucket, shape (1000,)."""
        versions = [self.routing.champion] * BUCKETS
        for version, owned in self.buckets.items():
            for bucket in owned:
                versions[bucket] = version
        return tuple(versions)

    def as_json(self) -> dict[str, Any]:
        about = {name: getattr(self, name) for name in ("revision", "previous", "at", "by")}
        return {
            **about,
            **self.routing.as_json(),
            "buckets": {str(key): list(owned) for key, owned in self.buckets.items()},
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "RoutingRevision":
        """The revision of a stored object.

        Raises:
            InvalidRouting: the routing in it is invalid.
            LookupError, TypeError, ValueError: a field is missing or wrong.
        """
        routing = parse_routing({name: content[name] for name in ("champion", "challengers", "shadows")})
        buckets = {int(version): tuple(owned) for version, owned in content["buckets"].items()}
        owned = [bucket for each in buckets.values() for bucket in each]
        previous = content["previous"]
        if any(
            type(number) is not int for number in (content["revision"], 0 if previous is None else previous, *owned)
        ):
            raise ValueError("a revision or bucket is not a whole number")
        if set(buckets) - {each.version for each in routing.challengers}:
            raise ValueError("a bucket belongs to no challenger")
        if not datetime.fromisoformat(content["at"]).tzinfo:
            raise ValueError("its time has no offset from UTC")
        if len(set(owned)) < len(owned) or not set(owned) <= set(range(BUCKETS)):
            raise ValueError("a bucket is listed twice or is none")
        if not (previous or 0) < content["revision"]:
            raise ValueError("its revision is not above the previous one")
        return cls(content["revision"], routing, buckets, previous, content["at"], content["by"])


def read_routing(state: ServingState) -> RoutingRevision | None:
    """The current routing; None before the first.

    Raises:
        DamagedRouting: the file is no routing.
        TaxiError: the file cannot be read.
    """
    return _read(state, state.routing.name)


def read_revision(state: ServingState, revision: int) -> RoutingRevision | None:
    """A routing of the history; None if it was removed.

    Raises:
        DamagedRouting: the file is no routing.
        TaxiError: the file cannot be read.
    """
    return _read(state, f"{state.history.name}/{_file_name(revision)}")


def store_routing(state: ServingState, routing: Routing, by: str) -> RoutingRevision:
    """Make this the current routing; the same routing again only replaces `packaged` in `by`.

    Args:
        state: The state folder.
        routing: The new routing, of deployed versions.
        by: The command or address that asks for it.

    Raises:
        TaxiError: the folder cannot be read or written to.
    """
    with state.lock("routing", LOCK_SECONDS):
        current = newest_readable(state)
        if current is None:
            return _write(state, RoutingRevision(1, routing, _challengers(routing, routing.assign({})), by=by))
        if current.routing == routing:
            named = replace(current, by=by) if current.by == PACKAGED else current
            return current if named == current and _is_intact(state) else _write(state, named)
        buckets = routing.assign(_with_champion(current))
        new = RoutingRevision(current.revision + 1, routing, _challengers(routing, buckets), current.revision, by=by)
        return _write(state, new)


def adopt_routing(state: ServingState, shared: RoutingRevision) -> RoutingRevision:
    """Make the routing of another machine current, with its buckets, under the next number of this state.

    Raises:
        TaxiError: the folder cannot be read or written to.
    """
    with state.lock("routing", LOCK_SECONDS):
        current = newest_readable(state)
        number, previous = (current.revision + 1, current.revision) if current else (1, None)
        by = f"{shared.by}, on another machine"  # never `packaged`: no Bento may replace it at a start
        return _write(state, replace(shared, revision=number, previous=previous, by=by))


def roll_back(state: ServingState, by: str) -> RoutingRevision:
    """Restore the routing before the current one; a second call goes further back.

    Riders get the versions that they had under that routing.

    Raises:
        NoEarlierRouting: there is none.
        DamagedRouting: its file is damaged.
        TaxiError: the folder cannot be read or written to.
    """
    with state.lock("routing", LOCK_SECONDS):
        current, before = newest_readable(state), previous_routing(state)
        if current is None or before is None:
            raise NoEarlierRouting("there is no earlier routing to go back to: set one with `taxi route`")
        return _write(state, replace(before, revision=current.revision + 1, by=by))


def restore_routing(state: ServingState, before: RoutingRevision) -> RoutingRevision:
    """Undo a change that a worker could not apply: make the routing before current again.

    Raises:
        TaxiError: the folder cannot be read or written to.
    """
    with state.lock("routing", LOCK_SECONDS):
        newest = newest_readable(state) or before
        return _write(state, replace(before, revision=newest.revision + 1))


def previous_routing(state: ServingState) -> RoutingRevision | None:
    """The routing that `roll_back` restores; None if there is none.

    Raises:
        DamagedRouting: its file is no routing.
        TaxiError: its file cannot be read.
    """
    current = newest_readable(state)
    if current is None or current.previous is None:
        return None
    return read_revision(state, current.previous)


def newest_readable(state: ServingState) -> RoutingRevision | None:
    """The current routing or, if its file is damaged, the newest intact one."""
    return next(stored_routings(state), None)


def stored_routings(
    state: ServingState, on_damaged: Callable[[TaxiError], object] = lambda _: None
) -> Iterator[RoutingRevision]:
    """The current routing, then every one of the history, newest first.

    Args:
        state: The state folder.
        on_damaged: Called with the fault of each damaged file, which is left out.
    """
    history = (f"{state.history.name}/{path.name}" for path in sorted(state.history.glob("*.json"), reverse=True))
    for name in (state.routing.name, *history):
        try:
            found = _read(state, name)
        except TaxiError as error:
            on_damaged(error)
        else:
            if found:
                yield found


def routings_to_restore(state: ServingState, on_damaged: Callable[[TaxiError], object]) -> Iterator[RoutingRevision]:
    """The current routing, then those to which successive rollbacks would go, past damaged files.

    Args:
        state: The state folder.
        on_damaged: Called with the fault of each damaged file.
    """
    wanted = math.inf
    for each in stored_routings(state, on_damaged):
        if each.revision <= wanted:
            yield each
            if each.previous is None:
                return
            wanted = each.previous


def _is_intact(state: ServingState) -> bool:
    with suppress(TaxiError):
        return read_routing(state) is not None
    return False


def _challengers(routing: Routing, buckets: Buckets) -> Buckets:
    return {version: owned for version, owned in buckets.items() if version != routing.champion}


def _with_champion(revision: RoutingRevision) -> Buckets:
    versions = revision.versions_by_bucket
    of_champion = tuple(bucket for bucket in range(BUCKETS) if versions[bucket] == revision.routing.champion)
    return {**revision.buckets, revision.routing.champion: of_champion}


def _write(state: ServingState, revision: RoutingRevision) -> RoutingRevision:
    revision = replace(revision, at=datetime.now(UTC).isoformat(timespec="milliseconds"))
    content = json.dumps(revision.as_json())
    try:
        # The history first: a rollback from the new routing must find it also after a kill in between.
        write_atomically(state.history / _file_name(revision.revision), content)
        write_atomically(state.routing, content)
        (state.history / _file_name(revision.revision - KEPT_REVISIONS)).unlink(missing_ok=True)
    except OSError as error:
        raise TaxiError(f"cannot store the routing ({error.strerror}): make {state.folder} writable") from error
    return revision


def _read(state: ServingState, name: str) -> RoutingRevision | None:
    path = state.folder / name
    try:
        return RoutingRevision.from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TaxiError(f"cannot read {path} ({error.strerror}): make it readable") from error
    except (TaxiError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedRouting(f"{path} is no routing ({error}): {_REMEDY}") from error


def _file_name(revision: int) -> str:
    return f"{revision:08}.json"

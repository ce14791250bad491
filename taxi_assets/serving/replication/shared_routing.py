"""The routing in the shared store, with the Bentos that it needs."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.model_store import find_model
from taxi_assets.serving.deployments.routing_store import RoutingRevision, newest_readable
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.packaging.bento_build import model_store
from taxi_assets.serving.replication.bento_archive import (
    ArchivedBento,
    remove_bentos,
    upload_bento,
    uploaded_bentos,
)
from taxi_assets.settings import Settings
from taxi_assets.warehouse.shared_store import SharedStore, SharedStoreUnavailable

_KEY = "routing.json"


class SharedRouting(msgspec.Struct, frozen=True):
    """A routing and its Bentos, replaced as a whole.

    Attributes:
        routing: The revision, as `RoutingRevision.as_json` gives it.
        bentos: The Bento of each of its versions, which are text, as in JSON.
    """

    routing: dict[str, Any]
    bentos: dict[str, ArchivedBento]

    @property
    def key(self) -> str:
        """A digest of the whole."""
        return sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    @property
    def revision(self) -> RoutingRevision:
        """The routing.

        Raises:
            TaxiError: it is invalid.
        """
        try:
            return RoutingRevision.from_json(self.routing)
        except (LookupError, TypeError, ValueError) as error:
            raise TaxiError(
                f"the routing in the shared store is damaged ({error}): change it by `taxi route`"
            ) from None


def read_shared_routing(store: SharedStore) -> SharedRouting | None:
    """The routing of the shared store; None before the first.

    Raises:
        SharedStoreUnavailable: the store cannot be reached.
        TaxiError: the object is no routing.
    """
    content = store.read(_KEY)
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=SharedRouting)
    except msgspec.MsgspecError as error:
        raise TaxiError(f"{_KEY} in {store.address} is damaged ({error}): change the routing by `taxi route`") from None


def share_routing(settings: Settings, store: SharedStore) -> SharedRouting | None:
    """Put the current routing of this home into the shared store if it is another: its Bentos first.

    Args:
        settings: Location of the routing and the Bentos.
        store: The shared store.

    Returns:
        The routing if it was shared now; None if it was there already, or the home has none.

    Raises:
        SharedStoreUnavailable: the store cannot be reached; the routing before stays there.
        TaxiError: a version has no Bento.
    """
    current, shared = newest_readable(ServingState(settings.serving_state)), _readable(store)
    if current is None or (shared and shared.routing == _as_stored(current)):
        return None
    known = {bento.name: bento for bento in shared.bentos.values()} if shared else {}
    present = uploaded_bentos(store)
    bentos = {}
    for version in current.routing.versions:
        folder = find_model(model_store(settings), version).parents[1]
        is_there = folder.name in known and folder.name in present
        bentos[str(version)] = known[folder.name] if is_there else upload_bento(store, folder)
    new = SharedRouting(_as_stored(current), bentos)
    store.write(_KEY, msgspec.json.encode(new))
    remove_bentos(store, _names(new.bentos) | (_names(shared.bentos) if shared else frozenset()))
    return new


def _readable(store: SharedStore) -> SharedRouting | None:
    """The shared routing; None if it is damaged, since this home replaces it."""
    try:
        return read_shared_routing(store)
    except SharedStoreUnavailable:
        raise
    except TaxiError:
        return None


def _as_stored(current: RoutingRevision) -> dict[str, Any]:
    """As it is read back from JSON."""
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(current.as_json()))
    return decoded


def _names(bentos: Mapping[str, ArchivedBento]) -> frozenset[str]:
    return frozenset(bento.name for bento in bentos.values())

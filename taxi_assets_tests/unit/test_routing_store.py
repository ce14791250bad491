"""The routing is replaced whole, with a history through which rollbacks go back."""

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments import routing_store
from taxi_assets.serving.deployments.routing import Challenger, Routing
from taxi_assets.serving.deployments.routing_store import (
    RoutingRevision,
    previous_routing,
    read_revision,
    read_routing,
    roll_back,
    routings_to_restore,
    store_routing,
)
from taxi_assets.serving.deployments.serving_state import ServingState

SPLIT = Routing(12, (Challenger(13, 0.1),), (14,))


@pytest.fixture
def state(tmp_path: Path) -> ServingState:
    return ServingState(tmp_path / "serving").create()


def champions(state: ServingState) -> list[int]:
    """The champion now, and those of successive rollbacks."""
    found = [current.routing.champion] if (current := read_routing(state)) else []
    while previous_routing(state):
        found.append(roll_back(state, "test").routing.champion)
    return found


def test_a_routing_is_read_as_it_was_stored(state: ServingState) -> None:
    assert read_routing(state) is None
    stored = store_routing(state, SPLIT, by="taxi route")
    assert (stored.revision, stored.previous, stored.by) == (1, None, "taxi route")
    assert len(stored.buckets[13]) == 100
    assert read_routing(state) == read_revision(state, 1) == stored


def test_each_bucket_has_the_version_of_its_routing(state: ServingState) -> None:
    versions = store_routing(state, SPLIT, "test").versions_by_bucket
    assert (versions.count(12), versions.count(13)) == (900, 100)


def test_a_change_moves_only_the_riders_that_its_shares_demand(state: ServingState) -> None:
    first = store_routing(state, SPLIT, "test").versions_by_bucket
    second = store_routing(state, Routing(12, (Challenger(13, 0.2), Challenger(15, 0.1))), "test").versions_by_bucket
    assert {pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]} == {(12, 13), (12, 15)}
    assert sum(one != other for one, other in zip(first, second, strict=True)) == 200


def test_the_same_routing_again_makes_no_revision(state: ServingState) -> None:
    assert store_routing(state, SPLIT, "test") == store_routing(state, SPLIT, "another") == read_routing(state)


def test_a_rollback_restores_the_routing_before_and_its_riders(state: ServingState) -> None:
    first = store_routing(state, SPLIT, "test")
    store_routing(state, Routing(15, (Challenger(13, 0.4),)), "test")
    restored = roll_back(state, "taxi rollback")
    assert (restored.routing, restored.buckets, restored.revision) == (SPLIT, first.buckets, 3)


def test_successive_rollbacks_go_further_back(state: ServingState) -> None:
    for champion in (1, 2, 3):
        store_routing(state, Routing(champion), "test")
    assert champions(state) == [3, 2, 1]
    store_routing(state, Routing(4), "test")
    assert champions(state) == [4, 1]


def test_a_rollback_without_an_earlier_routing_is_refused(state: ServingState) -> None:
    for _ in range(2):
        with pytest.raises(TaxiError, match="no earlier routing"):
            roll_back(state, "test")
        store_routing(state, SPLIT, "test")


def test_the_history_is_bounded(state: ServingState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing_store, "KEPT_REVISIONS", 3)
    for champion in range(1, 7):
        store_routing(state, Routing(champion), "test")
    assert len(list(state.history.iterdir())) == 3
    assert champions(state) == [6, 5]  # the rollback to 5 removes the oldest, 4


def damage(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def damaged(content: bytes) -> bytes:
        stored = json.loads(content)
        change(stored)
        return json.dumps(stored).encode()

    return damaged


DAMAGES = (
    lambda content: content[:-9],
    lambda _: b"[]",
    lambda _: b"\xff",
    lambda _: b"[" * 100_000,
    damage(lambda stored: stored.pop("buckets")),
    damage(lambda stored: stored.update(champion=None)),
    damage(lambda stored: stored["buckets"].update({"15": stored["buckets"]["13"]})),
    damage(lambda stored: stored["buckets"].update({"15": [1000]})),
    damage(lambda stored: stored.update(revision="1")),
    damage(lambda stored: stored.update(previous=1)),
    damage(lambda stored: stored.update(revision=2.5)),
    damage(lambda stored: stored.update(revision=float("inf"))),
    damage(lambda stored: stored.update(revision=True)),
    damage(lambda stored: stored.update(previous=0.5)),
    damage(lambda stored: stored["buckets"].update({"13": [1.0]})),
    damage(lambda stored: stored["buckets"].update({"77": []})),
    damage(lambda stored: stored.update(at=5)),
    damage(lambda stored: stored.update(at="yesterday")),
    damage(lambda stored: stored.update(at="2024-01-01T00:00:00")),
)


@pytest.mark.parametrize("damaged", DAMAGES)
def test_a_damaged_routing_is_refused_and_can_be_set_again(
    state: ServingState, damaged: Callable[[bytes], bytes]
) -> None:
    first = store_routing(state, SPLIT, "test")
    state.routing.write_bytes(damaged(state.routing.read_bytes()))
    with pytest.raises(TaxiError, match=r"routing\.json is no routing .*: set the routing again"):
        read_routing(state)
    again = store_routing(state, Routing(15, (Challenger(13, 0.1),)), "test")
    assert (again.revision, again.buckets) == (2, first.buckets)
    assert read_routing(state) == again


def test_the_same_routing_mends_a_damaged_file(state: ServingState) -> None:
    store_routing(state, SPLIT, "test")
    state.routing.write_bytes(b"{")
    again = store_routing(state, SPLIT, "test")
    assert again.revision == 1
    assert read_routing(state) == again


def test_a_rollback_needs_no_intact_current_file(state: ServingState) -> None:
    for champion in (1, 2):
        store_routing(state, Routing(champion), "test")
    state.routing.write_bytes(b"{")
    assert roll_back(state, "test").routing == Routing(1)


def test_routings_to_restore_are_those_of_rollbacks_past_damaged_ones(state: ServingState) -> None:
    for champion in (1, 2, 3):
        store_routing(state, Routing(champion), "test")
    roll_back(state, "test")
    store_routing(state, Routing(5), "test")
    damaged: list[TaxiError] = []
    assert [each.revision for each in routings_to_restore(state, damaged.append)] == [5, 4, 1]
    assert damaged == []
    for revision in (4, 2):
        (state.history / f"0000000{revision}.json").write_bytes(b"{")
    assert [each.revision for each in routings_to_restore(state, damaged.append)] == [5, 3, 1]
    assert ["00000004.json" in str(damaged[0]), "00000002.json" in str(damaged[1])] == [True, True]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TaxiError, match="cannot create"):
        ServingState(tmp_path / "file").create()


def _store_many(folder: Path, champion: int) -> None:
    state = ServingState(folder)
    for turn in range(10):
        store_routing(state, Routing(champion + turn), "test")


def test_concurrent_changes_lose_no_revision(state: ServingState) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_store_many, args=(state.folder, start)) for start in (100, 200, 300)]
    for writer in writers:
        writer.start()
    seen: list[RoutingRevision] = []
    while any(writer.is_alive() for writer in writers):
        if current := read_routing(state):  # never a part of a file
            seen.append(current)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    current = read_routing(state)
    assert current is not None
    assert current.revision == len(list(state.history.iterdir())) == 30
    revisions = [each.revision for each in seen]
    assert revisions == sorted(revisions)


def test_a_change_waits_only_so_long_for_another(state: ServingState) -> None:
    late = pytest.raises(TaxiError, match="another change of the routing takes longer")
    with state.lock("routing", 1), late, state.lock("routing", 0.05):
        pass
    with state.lock("routing", 0.05):
        pass

"""Riders stay with a version unless shares change, and then as few as possible move."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from timeit import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.serving.deployments.assignment import BUCKETS, Buckets, assign_buckets, bucket_of
from taxi_assets.serving.deployments.routing import Challenger, Routing
from taxi_assets.serving.deployments.routing_store import RoutingRevision

KEYS = [f"rider-{number}" for number in range(100_000)]


@st.composite
def routings(draw: st.DrawFn) -> tuple[int, dict[int, int]]:
    """A champion, and the number of buckets of each challenger."""
    champion, *challengers = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5, unique=True))
    ends = sorted(draw(st.lists(st.integers(0, BUCKETS), min_size=len(challengers), max_size=len(challengers))))
    return champion, {
        version: end - start for version, (start, end) in zip(challengers, pairwise([0, *ends]), strict=True)
    }


def by_bucket(buckets: Buckets) -> list[int]:
    """The version of each bucket; fails if one has none or two."""
    pairs = sorted((bucket, version) for version, owned in buckets.items() for bucket in owned)
    assert [bucket for bucket, _ in pairs] == list(range(BUCKETS))
    return [version for _, version in pairs]


def moved(before: Buckets, after: Buckets) -> int:
    return sum(one != other for one, other in zip(by_bucket(before), by_bucket(after), strict=True))


@given(st.lists(routings(), min_size=1, max_size=5))
def test_every_change_has_exact_shares_and_moves_only_what_they_demand(
    changes: list[tuple[int, dict[int, int]]],
) -> None:
    before: Buckets = {}
    for champion, sizes in changes:
        after = assign_buckets(before, champion, sizes)
        expected = {champion: BUCKETS - sum(sizes.values()), **sizes}
        assert {version: len(owned) for version, owned in after.items()} == expected
        if before:
            gained = {version: size - len(before.get(version, ())) for version, size in expected.items()}
            assert moved(before, after) == sum(max(each, 0) for each in gained.values())
        before = after


@given(routings())
def test_the_same_shares_again_move_nothing(routing: tuple[int, dict[int, int]]) -> None:
    buckets = assign_buckets({}, *routing)
    assert assign_buckets(buckets, *routing) == buckets


def test_a_share_raised_and_lowered_again_gives_the_same_riders() -> None:
    first = assign_buckets({}, 12, {13: 100})
    assert assign_buckets(assign_buckets(first, 12, {13: 300}), 12, {13: 100}) == first


def test_a_new_champion_moves_no_rider_of_a_challenger() -> None:
    before = assign_buckets({}, 12, {13: 100})
    assert assign_buckets(before, 14, {13: 100})[13] == before[13]


def test_a_promoted_challenger_keeps_its_riders() -> None:
    before = assign_buckets({}, 12, {13: 100})
    after = assign_buckets(before, 13, {12: 100})
    assert set(before[13]) < set(after[13])


def test_challengers_of_successive_experiments_have_independent_riders() -> None:
    one, other = (set(assign_buckets({}, 12, {version: 500})[version]) for version in (13, 14))
    assert 200 < len(one & other) < 300


@cache
def buckets_of_keys() -> tuple[int, ...]:
    return tuple(map(bucket_of, KEYS))


def version_of_keys(routing: Routing, buckets: Buckets) -> list[int]:
    challengers = {each.version: buckets[each.version] for each in routing.challengers}
    versions = RoutingRevision(1, routing, challengers).versions_by_bucket
    return [versions[bucket] for bucket in buckets_of_keys()]


@pytest.mark.parametrize("share", [0.001, 0.1, 0.137, 0.5, 1])
def test_shares_of_100_000_keys_are_within_half_a_percent(share: float) -> None:
    routing = Routing(12, (Challenger(13, share),))
    found = version_of_keys(routing, routing.assign({}))
    assert abs(found.count(13) / len(KEYS) - share) < 0.005


def test_of_100_000_keys_only_those_that_changed_shares_demand_change_sides() -> None:
    first, grown = (Routing(12, (Challenger(13, share), Challenger(14, 0.2))) for share in (0.1, 0.3))
    buckets = first.assign({})
    before, after = version_of_keys(first, buckets), version_of_keys(grown, grown.assign(buckets))
    assert version_of_keys(first, first.assign(buckets)) == before
    changes = Counter((old, new) for old, new in zip(before, after, strict=True) if old != new)
    assert set(changes) == {(12, 13)}
    assert abs(changes[12, 13] / len(KEYS) - 0.2) < 0.005


def test_buckets_of_known_keys_never_change() -> None:
    # A change here moves every rider of a running experiment.
    assert [bucket_of(key) for key in ("", "rider-1", "käte", "\ud800")] == [706, 860, 353, 868]


def per_call_seconds(call: Callable[[], object]) -> float:
    return min(repeat(call, number=1000, repeat=20)) / 1000


def test_an_assignment_takes_microseconds() -> None:
    versions = RoutingRevision(1, Routing(12)).versions_by_bucket
    assert per_call_seconds(lambda: versions[bucket_of("rider-123456")]) < 10e-6

"""A routing is accepted only if each version and share of it makes sense, and every problem is named."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_assets.serving.deployments.routing import MAX_VARIANTS, Challenger, InvalidRouting, Routing, parse_routing

DEPLOYED = range(1, 20)
BODY: dict[str, Any] = {"champion": 12, "challengers": [{"version": 13, "share": 0.1}], "shadows": [14]}


def problems(body: object) -> dict[str, str]:
    with pytest.raises(InvalidRouting) as refusal:
        parse_routing(body, DEPLOYED)
    assert all(text in str(refusal.value) for text in refusal.value.fields.values())
    return refusal.value.fields


def challengers(*shares: object) -> dict[str, Any]:
    return {"champion": 1, "challengers": [{"version": 2 + at, "share": share} for at, share in enumerate(shares)]}


def test_a_routing_is_parsed() -> None:
    routing = parse_routing(BODY, DEPLOYED)
    assert routing == Routing(12, (Challenger(13, 0.1),), (14,))
    assert routing.versions == (12, 13, 14)
    assert parse_routing(routing.as_json(), DEPLOYED) == routing


def test_a_champion_alone_is_enough() -> None:
    assert parse_routing({"champion": 12}, DEPLOYED) == Routing(12)


@pytest.mark.parametrize("shares", [(1,), (0.1, 0.2, 0.7), (0.001,), (0.5, 0.5)])
def test_shares_up_to_1_in_all_are_accepted(shares: tuple[float, ...]) -> None:
    assert [each.share for each in parse_routing(challengers(*shares), DEPLOYED).challengers] == list(shares)


@pytest.mark.parametrize("share", [0, -0.1, 1.001, 2, 0.0001, 0.12345, "0.1", True, None, float("nan"), 10**400, []])
def test_a_share_that_is_no_tenth_of_a_percent_is_rejected(share: object) -> None:
    found = problems(challengers(share))
    assert list(found) == ["challengers[0].share"]
    assert "in steps of 0.001" in found["challengers[0].share"]


def test_shares_above_1_in_all_are_rejected() -> None:
    assert problems(challengers(0.6, 0.401)) == {"challengers": "have shares of 1.001 in all: give at most 1 in all"}


@pytest.mark.parametrize("version", [None, 0, -1, 1.0, "12", True, [], {}, 2**31, pytest.param(10**5000, id="huge")])
def test_a_version_that_is_no_positive_integer_is_rejected(version: object) -> None:
    assert list(problems({"champion": version})) == ["champion"]


def test_an_unknown_version_is_rejected() -> None:
    with pytest.raises(InvalidRouting, match=r"champion is version 99, which has no Bento .*\(there: 1, 3\): package"):
        parse_routing({"champion": 99}, {3, 1})
    with pytest.raises(InvalidRouting, match="there: none"):
        parse_routing({"champion": 99}, ())


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"champion": 13}, "challengers[0].version"),
        ({"shadows": [13]}, "shadows[0]"),
        ({"shadows": [14, 14]}, "shadows[1]"),
        ({"shadows": [12]}, "shadows[0]"),
    ],
)
def test_a_version_in_two_places_is_rejected(change: dict[str, Any], name: str) -> None:
    found = problems(BODY | change)
    assert list(found) == [name]
    assert "route a version once" in found[name]


def test_too_many_versions_are_rejected() -> None:
    assert list(problems({"champion": 1, "shadows": list(range(2, MAX_VARIANTS + 2))})) == ["shadows"]
    split = {"champion": 1, "challengers": [{"version": 2, "share": 0.1}], "shadows": list(range(3, MAX_VARIANTS + 2))}
    assert list(problems(split)) == ["body"]


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (None, ["body"]),
        ([], ["body"]),
        ({}, ["champion"]),
        (BODY | {"canaries": 1}, ["canaries"]),
        (BODY | {"shadows": 14}, ["shadows"]),
        (BODY | {"challengers": [13]}, ["challengers[0]"]),
        (BODY | {"challengers": {"version": 13}}, ["challengers"]),
        (BODY | {"challengers": [{"version": 13, "share": 0.1, "percent": 10}]}, ["percent"]),
        ({"champion": "x", "shadows": ["y"]}, ["champion", "shadows[0]"]),
    ],
)
def test_every_wrong_field_is_named(body: object, names: list[str]) -> None:
    assert list(problems(body)) == names


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["champion", "challengers", "shadows", "version", "share", "x"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=50)
@given(JSON)
def test_any_json_is_parsed_or_refused(body: object) -> None:
    try:
        routing = parse_routing(body, DEPLOYED)
    except InvalidRouting as error:
        refusal = error
    else:
        assert len(set(routing.versions)) == len(routing.versions)
        assert sum(each.share for each in routing.challengers) <= 1 + 1e-9
        return
    assert refusal.fields
    assert "\n" not in str(refusal)

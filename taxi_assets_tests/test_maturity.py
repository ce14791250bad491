"""The maturity scorecard agrees with its source, and every item has a proof that runs."""

import re

import pytest
from maturity import LEVELS, PAGE, TESTS, Item, fault_of, is_selected, read_items, render, slow_runs

ITEMS = read_items((TESTS / "maturity.toml").read_text())
AREAS = ["People", "Model creation", "Model release", "Application integration", "Technology"]
PROVEN = Item("People", "0-1", "They talk.", "By letter.", "yes", ("test_docs.py",), ("make up",))


def lacks(item: Item) -> str:
    """The part that an item lacks: a proof and a command, unless it says that it is not met."""
    if item.met not in {"yes", "partly", "no"}:
        return "an answer"
    if item.met == "no":
        return "no" if item.tests or item.commands else ""
    shown = [each for each in item.commands if re.match(r"(TAXI_\w+=\S+ )*(taxi|make|curl) \S|\.ci/run$", each)]
    return "" if item.tests and shown == list(item.commands) != [] else "a proof or a command"


def test_the_page_is_what_the_generator_writes() -> None:
    """Else: .venv/bin/python taxi_assets_tests/maturity.py."""
    assert PAGE.read_text() == render(ITEMS)


def test_every_item_has_a_proof_and_a_command() -> None:
    assert {item.text: lacks(item) for item in ITEMS if lacks(item)} == {}


def test_every_named_test_exists_and_runs() -> None:
    assert [fault for item in ITEMS for test in item.tests if (fault := fault_of(test))] == []


def test_every_area_has_items_of_every_level() -> None:
    """Level 1 of an area may only continue items of level 0, so levels count by their range."""
    assert list(dict.fromkeys(item.area for item in ITEMS)) == AREAS
    for area in AREAS:
        ends = [(int(item.levels[0]), int(item.levels[-1])) for item in ITEMS if item.area == area]
        assert {level for first, last in ends for level in range(first, last + 1)} == set(range(len(LEVELS)))


@pytest.mark.parametrize(
    ("item", "missing"),
    [
        (PROVEN, ""),
        (Item(*"abcd", "yes", (), ("make up",)), "a proof or a command"),
        (Item(*"abcd", "partly", ("test_docs.py",)), "a proof or a command"),
        (Item(*"abcd", "yes", ("test_docs.py",), ("look",)), "a proof or a command"),
        (Item(*"abcd", "no"), ""),
        (Item(*"abcd", "no", ("test_docs.py",)), "no"),
        (Item(*"abcd", "mostly", ("test_docs.py",), ("make up",)), "an answer"),
    ],
)
def test_an_item_without_a_proof_is_found(item: Item, missing: str) -> None:
    assert lacks(item) == missing


@pytest.mark.parametrize(
    ("test", "fault"),
    [
        ("test_docs.py::test_a_wrong_name_is_found", ""),
        ("e2e/test_swaps.py", ""),
        ("test_no_docs.py::test_a", "there is no such file"),
        ("test_docs.py::test_nothing", "there is no such test"),
        ("e2e/test_overload_times.py", ".ci/run does not run it"),
    ],
)
def test_a_proof_that_does_not_run_is_found(test: str, fault: str) -> None:
    assert fault_of(test) == (f"{test}: {fault}" if fault else "")


def test_a_choice_of_cases_is_no_proof() -> None:
    """Only whole tests count, of a file, of a folder or by their name."""
    node = "a/test_b.py::test_c"
    for run in ((node,), ("a/test_b.py",), ("-n", "2", "a")):
        assert is_selected(node, run)
    for run in (("b",), ("a", "-k", "c"), ("a", "--ignore", "a/test_b.py"), ("a/test_b.py::test_c[1]",), ()):
        assert not is_selected(node, run)


def test_slow_runs_are_those_of_the_script() -> None:
    assert all(run[0].startswith(("taxi_assets_tests/", "-n")) for run in slow_runs())
    assert ("taxi_assets_tests/e2e" in slow_runs()[0], len(slow_runs()) > 4) == (True, True)


def test_a_page_shows_its_items() -> None:
    page = render((PROVEN, Item("Technology", "4", "It flies.", "Not built.", "no")))
    assert "Of 2 items 1 are met, 0 partly, 1 not." in page
    assert "| They talk. | 0-1 | By letter. | yes | `taxi_assets_tests/test_docs.py` | `make up` |" in page
    assert "| It flies. | 4 | Not built. | no | | |" in page

"""Packages import down the flow of the data: no cycle, no mutual pair, at most one arrow up."""

from pathlib import Path

import pytest
from import_graph import PACKAGE, Imports, all_imports, small_package, write

# The packages in the order of the data's flow: each imports only from those before it.
FLOW = (
    *("errors", "files", "months", "tlc", "settings"),
    *(
        "synthetic",
        "quality",
        "warehouse",
        "registry",
        "ingestion",
        "features",
        "training",
        "evaluation",
    ),
    *("promotion", "serving", "monitoring", "plots", "defs", "definitions", "cli", "__main__"),
)
# The transaction that publishes a month also derives its features, by the one definition of them.
UP = {("ingestion", "features")}


@pytest.fixture(scope="module")
def everything() -> Imports:
    return all_imports()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_package(tmp_path)


def package_of(module: str) -> str:
    return [*module.split("."), ""][1]


def package_imports(of: Imports) -> set[tuple[str, str]]:
    """Pairs of packages, or modules at the second level, of which the first imports the second."""
    pairs = {(package_of(name), package_of(each)) for name, found in of.items() for each in found & set(of)}
    return {(one, other) for one, other in pairs if one and other and one != other}


def arrows_up(of: Imports) -> set[tuple[str, str]]:
    """The imports from a package later in the flow."""
    return {(one, other) for one, other in package_imports(of) if FLOW.index(one) < FLOW.index(other)}


def test_packages_import_down_the_flow(everything: Imports) -> None:
    assert arrows_up(everything) == UP
    assert not {pair for pair in package_imports(everything) if pair[::-1] in package_imports(everything)}


def test_the_flow_lists_every_package(everything: Imports) -> None:
    assert {package_of(name) for name in everything} - {""} == set(FLOW)
    assert len([name for name in FLOW if not name.startswith("_")]) <= 20


def test_an_import_up_the_flow_is_found(tree: Path) -> None:
    for package in ("tlc", "cli"):
        (tree / PACKAGE / package).mkdir()
        write(tree, f"{package}/__init__", "")
    write(tree, "tlc/contract", "from taxi_assets.cli import files\n")
    write(tree, "cli/files", "")
    found = {name: paths for name, paths in all_imports(tree).items() if package_of(name) in FLOW}
    assert arrows_up(found) == {("tlc", "cli")}

"""Writes `docs/maturity.md` from `maturity.toml`, and finds proofs that do not run in `.ci/run`."""

import ast
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
PAGE = ROOT / "docs" / "maturity.md"
LEVELS = ("No MLOps", "DevOps without MLOps", "Automated training", "Automated deployment", "Automated retraining")
_INTRODUCTION = """\
# Maturity scorecard

Every item of Microsoft's *MLOps maturity model*, in our words, with the levels that name it. The MLOps Zoomcamp teaches
the same levels: {levels}.
Levels 0 and 1 mostly name what is lacking; such an item is met where the lack is gone.

{counts}

`taxi_assets_tests/test_maturity.py` fails if an item has no proof, if a named test does not exist, or if `.ci/run` runs
it neither in the fast suite nor among the slow tests. So a proof that fails also fails `.ci/run`.
`taxi_assets_tests/test_docs.py` compares commands, options and names with the code.

After a change of `taxi_assets_tests/maturity.toml`, write this page again:

    .venv/bin/python taxi_assets_tests/maturity.py
"""


@dataclass(frozen=True)
class Item:
    """One item of the model.

    Attributes:
        area: People, Model creation, Model release, Application integration or Technology.
        levels: The levels that name it, such as `1-4`.
        text: The item in our words.
        here: What meets it here, or what is lacking.
        met: yes, partly or no.
        tests: Node ids below the folder of tests, or whole files.
        commands: Commands that show it.
    """

    area: str
    levels: str
    text: str
    here: str
    met: str
    tests: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def row(self) -> str:
        proofs = [f"{TESTS.name}/{test}" for test in self.tests]
        code = [" ".join(f"`{each}`" for each in found) for found in (proofs, self.commands)]
        cells = [self.text, self.levels, self.here, self.met, *code]
        return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|"


def read_items(text: str) -> tuple[Item, ...]:
    """Reads the items of a TOML text."""
    rows = tomllib.loads(text)["item"]
    return tuple(
        Item(**{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}) for row in rows
    )


def render(items: tuple[Item, ...]) -> str:
    """The page of these items."""
    counts = {met: sum(item.met == met for item in items) for met in ("yes", "partly", "no")}
    counted = f"Of {len(items)} items {counts['yes']} are met, {counts['partly']} partly, {counts['no']} not."
    levels = ", ".join(f"{number} {name}" for number, name in enumerate(LEVELS))
    page = [_INTRODUCTION.format(levels=levels, counts=counted)]
    for area in dict.fromkeys(item.area for item in items):
        page += [f"## {area}", "", "| Item | Levels | Here | Met | Proof | Shown by |", "|---|---|---|---|---|---|"]
        page += [*(item.row for item in items if item.area == area), ""]
    return "\n".join(page)


@cache
def slow_runs() -> tuple[tuple[str, ...], ...]:
    """The arguments of each pytest command for slow tests in `.ci/run`, as bash expands them."""
    _, start, rest = (ROOT / ".ci" / "run").read_text().partition("\nslow=(")  # what is before installs packages
    commands = re.sub("^slow_tests ", "printed ", start + rest, flags=re.MULTILINE)
    script = "printed() { printf '%s\\t' \"$@\"; echo; }" + commands
    printed = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(tuple(line.split("\t")[:-1]) for line in printed.splitlines() if line)


def is_selected(node: str, run: tuple[str, ...]) -> bool:
    """True if pytest with these arguments runs every case of a test; a choice by `-k` counts as no."""
    file = node.partition("::")[0]
    ignored = {run[place + 1] for place, word in enumerate(run) if word == "--ignore"}
    within = [each for each in run if node == each or Path(file).is_relative_to(each)]
    return "-k" not in run and file not in ignored and bool(set(within) - ignored)


def is_slow(function: ast.FunctionDef, module: ast.Module) -> bool:
    """True if a test, or its module, has the mark `slow`."""
    marks = [node.value for node in module.body if isinstance(node, ast.Assign) and _names(node) == {"pytestmark"}]
    found = [each for mark in [*marks, *function.decorator_list] for each in ast.walk(mark)]
    return any(isinstance(each, ast.Attribute) and each.attr == "slow" for each in found)


def _names(node: ast.Assign) -> set[str]:
    return {target.id for target in node.targets if isinstance(target, ast.Name)}


def fault_of(test: str) -> str:
    """The reason why a test is no proof: it does not exist, or does not run. Empty if it is one."""
    name, _, function = test.partition("::")
    file = TESTS / name
    if not file.is_file():
        return f"{test}: there is no such file"
    module = ast.parse(file.read_text())
    tests = [each for each in module.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")]
    named = [each for each in tests if function in ("", each.name)]
    if not named:
        return f"{test}: there is no such test"
    nodes = [f"{file.relative_to(ROOT)}::{each.name}" for each in named if is_slow(each, module)]
    missed = [node for node in nodes if not any(is_selected(node, run) for run in slow_runs())]
    return f"{test}: .ci/run does not run it" if missed else ""


def main() -> None:
    """Writes the page."""
    PAGE.write_text(render(read_items((TESTS / "maturity.toml").read_text())))


if __name__ == "__main__":
    sys.exit(main())

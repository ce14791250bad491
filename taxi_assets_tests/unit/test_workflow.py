"""The workflows for a public forge are valid and run the tasks of the Makefile."""

import subprocess
import sys
from pathlib import Path

import pytest

WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"
COMMANDS = {"ci.yml": ("make lint", "make test"), "release.yml": ("make lint", "make test", "make dist")}


def lint(workflow: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("actionlint"), "-no-color", workflow]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_workflow_is_checked() -> None:
    assert {path.name for path in WORKFLOWS.iterdir()} == {*COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_workflow_is_valid(name: str) -> None:
    done = lint(WORKFLOWS / name)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_misspelled_key_is_found(name: str, tmp_path: Path) -> None:
    planted = tmp_path / name
    planted.write_text((WORKFLOWS / name).read_text().replace("runs-on", "run-on"))
    done = lint(planted)
    assert done.returncode == 1
    assert '"runs-on" section is missing' in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_workflow_lints_and_tests(name: str) -> None:
    text = (WORKFLOWS / name).read_text()
    assert [command for command in COMMANDS[name] if f"- run: {command}\n" not in text] == []


def test_a_release_is_published_last_and_only_for_a_tag() -> None:
    text = (WORKFLOWS / "release.yml").read_text()
    assert 'push:\n    tags: ["v*"]' in text
    assert text.index("make test") < text.index('taxi" --help') < text.index("gh release create")

"""The workflow for a public forge is valid and runs the tasks of the Makefile."""

import subprocess
import sys
from pathlib import Path

WORKFLOW = Path(__file__).parents[2] / ".github" / "workflows" / "ci.yml"


def lint(workflow: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("actionlint"), "-no-color", workflow]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_workflow_is_valid() -> None:
    done = lint(WORKFLOW)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_misspelled_key_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "ci.yml"
    planted.write_text(WORKFLOW.read_text().replace("runs-on", "run-on"))
    done = lint(planted)
    assert done.returncode == 1
    assert '"runs-on" section is missing' in done.stdout


def test_the_workflow_lints_and_tests() -> None:
    assert [
        command for command in ("make lint", "make test") if f"- run: {command}\n" not in WORKFLOW.read_text()
    ] == []

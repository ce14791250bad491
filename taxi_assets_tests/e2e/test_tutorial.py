"""Every command of the tutorial runs, in order, and prints the lines that the pages show."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from terminal import CTRL_C, Terminal, terminal, wait_until
from tutorial_pages import CTRL_C_SHOWN, Step, missing_lines, steps_of

from taxi_assets.cli.supervisor.ports import free_port

CHECKOUT = Path(__file__).parents[2]
HOST = "127.0.0.1"
PAGES = sorted((CHECKOUT / "docs" / "tutorial").glob("[0-9]-*.md"))
STEPS = [step for page in PAGES for step in steps_of(page)]
PORTS = {"DAGSTER": 3000, "BENTO": 3001, "DATA_DOCS": 3002, "MLFLOW": 5000}
LINKED = ("Makefile", "pyproject.toml", "requirements.lock", "taxi_assets", "taxi_assets_tests", "bento")


@dataclass
class Reader:
    """A person who types the tutorial's commands in a folder, in one shell and a second terminal."""

    folder: Path
    environment: dict[str, str]
    shell: subprocess.Popen[str]

    def typed(self, command: str) -> str:
        """The command with this reader's ports."""
        for name, port in PORTS.items():
            command = command.replace(f"{HOST}:{port}", f"{HOST}:{self.environment[f'TAXI_{name}_PORT']}")
        # `-o env` keeps make from renewing the environment of these tests.
        return re.sub(r"\bmake ", "make -o env ", command)

    def run(self, command: str) -> tuple[int, str]:
        """The exit code and the output of a command in the shell, which keeps its variables."""
        assert self.shell.stdin
        assert self.shell.stdout
        self.shell.stdin.write(f'{{ {self.typed(command)}\n}} < /dev/null\necho "@@ $?"\n')
        self.shell.stdin.flush()
        lines: list[str] = []
        for line in self.shell.stdout:
            text, marker, code = line.rpartition("@@ ")
            lines.append(text if marker else line)
            if marker:
                return int(code), "".join(lines)
        raise AssertionError("".join(lines))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    for name in LINKED:
        (tmp_path / name).symlink_to(CHECKOUT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAXI_", "DAGSTER_", "PYTEST_"))}
    ports = {f"TAXI_{name}_PORT": str(free_port(HOST)) for name in PORTS}
    environment = {**kept, **ports, "COLUMNS": "200", "NO_PROXY": HOST, "no_proxy": HOST}
    with subprocess.Popen(
        ["bash"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as shell:
        yield Reader(tmp_path, environment, shell)


def second_terminal(reader: Reader) -> dict[str, str]:
    """The variables of the second terminal."""
    path = f"{Path(sys.prefix) / 'bin'}:{reader.environment['PATH']}"
    return {**reader.environment, "PATH": path, "TAXI_TLC_SOURCE": str(reader.folder / "tlc")}


def follow(reader: Reader, steps: list[Step]) -> None:
    """Types the commands up to the one that opens the second terminal, and asserts what they print."""
    for step in steps:
        code, output = reader.run(step.command)
        assert code == 0, f"{step.page}: {step.command}\n{output}"
        missing = missing_lines(step.shown, output)
        assert missing == [], f"{step.page}: {step.command} does not print {missing}\n{output}"


def shows(screen: Terminal, step: Step) -> None:
    """Waits until the second terminal shows the lines of a step."""
    wait_until(lambda: not missing_lines(step.shown, screen.text) or screen.process.poll() is not None)
    assert missing_lines(step.shown, screen.text) == [], screen.text


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_of_the_tutorial_prints_what_the_pages_show(reader: Reader) -> None:
    start, stop = (place for place, step in enumerate(STEPS) if step.in_second_terminal)
    follow(reader, STEPS[:start])
    command = ("bash", "-c", f"exec {reader.typed(STEPS[start].command)}")
    with terminal(command, second_terminal(reader), cwd=reader.folder) as screen:
        shows(screen, STEPS[start])
        follow(reader, STEPS[start + 1 : stop])
        assert STEPS[stop].command == CTRL_C_SHOWN
        screen.press(CTRL_C)
        shows(screen, STEPS[stop])
        wait_until(lambda: screen.process.poll() is not None)
    follow(reader, STEPS[stop + 1 :])
    assert not {".taxi", "tlc", "other"} & {path.name for path in reader.folder.iterdir()}


def test_every_page_of_the_tutorial_has_commands() -> None:
    assert [page.name[0] for page in PAGES] == list("1234567")
    assert {page.name for page in PAGES} == {step.page for step in STEPS}


def test_steps_of_a_page_are_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text('```console\n$ a b\n1 x\n...\n$ c\n```\n\n```console title="second terminal"\n^C\nend\n```\n')
    assert list(steps_of(page)) == [
        Step("page.md", "a b", ("1 x", "..."), False),
        Step("page.md", "c", (), False),
        Step("page.md", CTRL_C_SHOWN, ("end",), True),
    ]


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        (("RMSE 4.5, id 0123456789ab",), []),
        (("...", "RMSE ...", "end"), []),
        (("MAE 4.5",), ["MAE 4.5"]),
        (("end", "RMSE ..."), ["RMSE ..."]),
        (("RMSE 4.5",), ["RMSE 4.5"]),
    ],
)
def test_lines_that_an_output_lacks_are_found(shown: tuple[str, ...], missing: list[str]) -> None:
    assert missing_lines(shown, "start\nRMSE  5.123, id ffff00001111\nend\n") == missing

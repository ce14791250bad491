"""Reads the commands of the tutorial's pages with the output they show, and compares outputs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CTRL_C_SHOWN = "^C"
_FENCE = re.compile(r"^```console( title=\"second terminal\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A command of a page with the lines of output that the page shows.

    Attributes:
        page: Name of the page.
        command: The command, or ^C.
        shown: Lines of output; `...` stands for any text.
        in_second_terminal: True if the command runs beside the others.
    """

    page: str
    command: str
    shown: tuple[str, ...]
    in_second_terminal: bool


def steps_of(page: Path) -> Iterator[Step]:
    """The steps of a page in their order."""
    for second, block in _FENCE.findall(page.read_text()):
        for part in re.split(r"^(?=\$ |\^C$)", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            yield Step(page.name, command.removeprefix("$ "), tuple(shown), bool(second))


def missing_lines(shown: tuple[str, ...], output: str) -> list[str]:
    """The shown lines that the output lacks, in this order; numbers, ids and spaces may differ."""
    found = iter([_alike(line) for line in output.splitlines()])
    return [line for line in shown if line != "..." and not any(_pattern(line).fullmatch(each) for each in found)]


def _pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(_alike(part)) for part in line.split("...")))


def _alike(line: str) -> str:
    without_ids = re.sub(r"\b[0-9a-f]{12,}\b", "#", line)
    return " ".join(re.sub(r"\d[\d.,:]*", "#", without_ids).split())

"""Dead links, missing headings and contents of other hosts are found; the reference has every default."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from docs.site import reference
from docs.site.links import faults
from taxi_assets.cli import app


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<a href="b.html">b</a> <a href="b.html#h">h</a> <a href="#x">x</a> <p id="x">', []),
        ('<a href="sub/">sub</a> <img src="b.html">', []),
        ('<a href="https://example.org/">elsewhere</a> <a href="mailto:a@example.org">mail</a>', []),
        ('<a href="c.html">c</a>', ["a.html: c.html leads nowhere"]),
        ('<img src="c.png">', ["a.html: c.png leads nowhere"]),
        ('<a href="b.html#i">i</a>', ["a.html: b.html#i names no heading of b.html"]),
        ('<a href="#i">i</a>', ["a.html: #i names no heading of a.html"]),
        ('<script src="https://example.org/x.js">', ["a.html: loads https://example.org/x.js from another host"]),
        ('<link rel="stylesheet" href="//example.org/x">', ["a.html: loads //example.org/x from another host"]),
        ('<p style="background: url(//example.org/x)">', ["a.html: loads //example.org/x from another host"]),
    ],
)
def test_faults_of_a_page_are_found(tmp_path: Path, html: str, found: list[str]) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text("")
    (tmp_path / "b.html").write_text('<h2 id="h">')
    (tmp_path / "a.html").write_text(html)
    assert faults(tmp_path) == found


def test_a_font_of_another_host_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@font-face { src: url('https://example.org/a.woff2') }")
    assert faults(tmp_path) == ["a.css: loads https://example.org/a.woff2 from another host"]


def parameters(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Each option and argument of a shown command, and of its own commands."""
    for key, each in getattr(command, "commands", {}).items():
        if not each.hidden:
            yield from ((f"{name} {key}".strip(), parameter) for parameter in each.params)
            yield from parameters(f"{name} {key}".strip(), each)


def test_the_reference_of_commands_has_the_defaults_of_the_parser() -> None:
    """An unset option whose default is not plain says in its meaning what it stands for."""
    sections = re.split(r"^##+ taxi ", reference.commands(), flags=re.MULTILINE)[1:]
    shown = {section.partition("\n")[0]: section for section in sections}
    names = set[str]()
    for name, parameter in parameters("", typer.main.get_command(app)):
        default = {True: "on", False: "off", None: "unset"}.get(parameter.default, f"`{parameter.default}`")
        expected = "required" if parameter.required else default
        assert f"`{', '.join(parameter.opts)}` | {expected} | " in shown[name], (name, parameter.name)
        names.add(name)
    assert {"run", "synth", "files retry", "release verify"} <= names
    assert "`--rows` | `60000` | " in shown["synth"]

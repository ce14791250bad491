"""The check of the built documents finds dead links, missing headings and contents of other hosts."""

from pathlib import Path

import pytest

from docs.site.links import faults


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

"""A document of titles, paragraphs and tables, as Markdown and as HTML with all text escaped.

Sentences of reasons and names of files come from people and files: neither form interprets them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files

_SIGNIFICANT = re.compile(r"[\\`*\[\]<>|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LIST_OR_TITLE = re.compile(r"^([#+=-]|\d+(?=[.)]))")


@dataclass(frozen=True)
class Link:
    """A link in a cell; `address` is relative to the page."""

    text: str
    address: str


Cell = str | int | float | Link | None


@dataclass(frozen=True)
class Table:
    """A table; every row has the length of the header."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Section:
    """A titled part: paragraphs, then a table if there is one."""

    title: str
    paragraphs: tuple[str, ...] = ()
    table: Table | None = None


@dataclass(frozen=True)
class Document:
    """A page: a title, paragraphs and sections."""

    title: str
    paragraphs: tuple[str, ...]
    sections: tuple[Section, ...]


def as_markdown(document: Document) -> str:
    """The document in Markdown, with tables as in GitHub's."""
    blocks = [f"# {_plain(document.title)}", *map(_paragraph, document.paragraphs)]
    for section in document.sections:
        blocks += [f"## {_plain(section.title)}", *map(_paragraph, section.paragraphs)]
        if section.table:
            blocks.append("\n".join(_markdown_rows(section.table)))
    return "\n\n".join(blocks) + "\n"


def as_html(document: Document) -> str:
    """The document as an HTML page that needs no network, in the look of the Data Docs."""
    blocks = [f"<h1>{escape(document.title)}</h1>", *(f"<p>{escape(text)}</p>" for text in document.paragraphs)]
    for section in document.sections:
        blocks += [f"<h2>{escape(section.title)}</h2>", *(f"<p>{escape(text)}</p>" for text in section.paragraphs)]
        if section.table:
            blocks.append(_html_table(section.table))
    body = "\n".join(blocks)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><link rel="icon" href="data:,">'
        f"<title>{escape(document.title)}</title><style>{_style()}</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def shown(value: Cell) -> str:
    """A cell's text: floats with three decimals, nothing for None."""
    if isinstance(value, Link):
        return value.text
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else value


@cache
def _style() -> str:
    return (files("taxi_assets.quality") / "pages" / "style.css").read_text()


def _plain(text: str) -> str:
    """The text on one line, with backslashes before the signs of Markdown."""
    return _SIGNIFICANT.sub(r"\\\g<0>", " ".join(text.split()))


def _paragraph(text: str) -> str:
    return _LIST_OR_TITLE.sub(lambda found: _before_last(found[0]), _plain(text))


def _before_last(sign: str) -> str:
    """A backslash before a sign; a number's is before the point that follows it."""
    return f"{sign}\\" if sign.isdigit() else f"\\{sign}"


def _markdown_rows(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(_plain, table.header))} |"
    yield f"|{'---|' * len(table.header)}"
    for row in table.rows:
        yield f"| {' | '.join(map(_markdown_cell, row))} |"


def _markdown_cell(value: Cell) -> str:
    text = _plain(shown(value))
    return f"[{text}](<{value.address}>)" if isinstance(value, Link) else text


def _html_table(table: Table) -> str:
    header = "".join(f"<th>{escape(name)}</th>" for name in table.header)
    rows = "\n".join(f"<tr>{''.join(map(_html_cell, row))}</tr>" for row in table.rows)
    return f"<table>\n<tr>{header}</tr>\n{rows}\n</table>"


def _html_cell(value: Cell) -> str:
    text = escape(shown(value))
    if isinstance(value, Link):
        return f'<td><a href="{escape(value.address)}">{text}</a></td>'
    return f'<td class="number">{text}</td>' if isinstance(value, int | float) else f"<td>{text}</td>"

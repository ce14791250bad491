"""Documents of an evidence pack: text from people and files is shown, never interpreted."""

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from taxi_assets.monitoring.evidence_pack.documents import Document, Link, Section, Table, as_html, as_markdown

HOSTILE = (
    "<script>alert(1)</script>",
    "a | b",
    "[x](javascript:alert(1))",
    "# no title",
    "1. no list",
    "*no* `code`",
    "&lt;",
)
# Without the characters that no line of text has.
TEXTS = st.one_of(
    st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), min_size=1)
).map(lambda text: " ".join(text.split()) or "empty")


def document(text: str) -> Document:
    """A document with the text in each place."""
    table = Table((text, "Link"), ((text, Link(text, "a.csv")), (0.5, None)))
    return Document(text, (text,), (Section(text, (text,), table),))


def seen_texts(page: str) -> list[str]:
    """The texts between the tags of a page, as a browser shows them."""
    body = page.partition("<body>")[2] or page
    return [unescape(part).strip() for part in re.split(r"<[^>]*>", body) if part.strip()]


@given(TEXTS)
def test_any_text_is_escaped_in_html(text: str) -> None:
    page = as_html(document(text))
    assert seen_texts(page) == [*[text] * 5, "Link", text, text, "0.500"]
    assert "<script" not in page


@given(TEXTS)
def test_any_text_is_plain_in_markdown(text: str) -> None:
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(as_markdown(document(text)))
    assert seen_texts(rendered) == [*[text] * 5, "Link", text, text, "0.500"]


def test_floats_have_three_decimals_and_links_their_address() -> None:
    shown = Document("T", (), (Section("S", (), Table(("A", "B"), ((1234, Link("c", "d&e")),))),))
    assert '<td class="number">1,234</td><td><a href="d&amp;e">c</a></td>' in as_html(shown)
    assert "| 1,234 | [c](<d&e>) |" in as_markdown(shown)

"""The project's language: first lines of docstrings, words of our own that the field does not use, the glossary."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from markdown_reader import sentences

ROOT = Path(__file__).resolve().parents[1]
LONGEST_SENTENCE = 30  # words
FOLDERS = ("taxi_assets", "taxi_assets_tests", "benchmarks", "bento", "deploy", "docs")
# Words that carried a meaning of our own; each has a standard term instead (see docs/glossary.md).
PRIVATE = re.compile(
    r"(?<![a-z])(told|tells? (?:of|apart|whether|what)|held|whoever|nobody|somebody|lessons?|astray|looked|looks"
    r"|moments?|learned|learns|learn from|what becomes of|whatever becomes|worth|arrivals?(?!_time)|put aside|judged"
    r"|judges|judging|rivals?|twins?|shelf|shelves|town|desk|stretch|stretches|campaigns?|zygote|thrift|luck|impatient"
    r"|steady|examined|settled)(?![a-z])",
    re.IGNORECASE,
)
RELATIVE = re.compile(r"(What|How|Whether|Where|Which|Who|Whose|When|Why|That)\b")
# Words of another meaning: names of the public interface and of other people's libraries.
ALLOWED = re.compile(r"taxi arrivals|\"arrivals\"|held-out|held out")


def sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path != Path(__file__))


def documents() -> list[Path]:
    own = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml")]
    more = [path for folder in ("docs", "bento", ".ci", "taxi_assets") for path in (ROOT / folder).rglob("*")]
    return [path for path in (*own, *more) if path.suffix in ("", ".md", ".toml", ".sql", ".html") and path.is_file()]


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """The line and the text of every docstring."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def bad_first_lines(source: str) -> list[tuple[int, str]]:
    """First lines that are longer than 100 characters or begin with a relative clause."""
    lines = [(line, text.splitlines()[0]) for line, text in docstrings(source)]
    return [(line, first) for line, first in lines if len(first) > 100 or RELATIVE.match(first)]


def private_words(text: str) -> list[tuple[int, str]]:
    """Private words by line."""
    lines = enumerate(ALLOWED.sub("", text).splitlines(), 1)
    return [(number, found[0]) for number, line in lines for found in PRIVATE.finditer(line)]


def long_sentences(text: str) -> list[tuple[int, str]]:
    """Sentences with more than 30 words, and their numbers of words."""
    counts = [(len(re.findall(r"\S*\w\S*", sentence)), sentence) for sentence in sentences(text)]
    return [(count, sentence) for count, sentence in counts if count > LONGEST_SENTENCE]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""Reads a month."""', []),
        ('"""What a month is."""', [(1, "What a month is.")]),
        (f'def f():\n    """Reads {"a" * 100}."""', [(1, f"Reads {'a' * 100}.")]),
    ],
)
def test_a_bad_first_line_is_found(source: str, found: list[tuple[int, str]]) -> None:
    assert bad_first_lines(source) == found


def test_a_private_word_is_found() -> None:
    assert private_words("a\nwhat is told of it, on held-out trips\nmonths_learned") == [(2, "told"), (3, "learned")]


@pytest.mark.parametrize("form", ["{}.", "- One.\n- {}.", "| A | B |\n|---|---|\n| One. | {}. |"])
def test_a_long_sentence_is_found(form: str) -> None:
    assert long_sentences(form.format("`a b`, " * 30)) == []
    assert [count for count, _ in long_sentences(form.format("[a](b) c\n" * 16))] == [32]


def in_files(paths: list[Path], check: Callable[[str], list[tuple[int, str]]]) -> dict[str, list[tuple[int, str]]]:
    """What the check finds, by file."""
    return {str(path.relative_to(ROOT)): found for path in paths if (found := check(path.read_text()))}


def test_first_lines_of_docstrings_are_short_and_direct() -> None:
    assert in_files(sources(), bad_first_lines) == {}


def test_no_private_word_is_left() -> None:
    assert in_files([*sources(), *documents()], private_words) == {}


def test_sentences_of_documents_are_short() -> None:
    assert in_files([path for path in documents() if path.suffix == ".md"], long_sentences) == {}

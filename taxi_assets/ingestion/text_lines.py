"""Splits a text file into lines and detects its encoding, header and separator, for every reader.

A line ends with a line feed, a carriage return, or both. A blank line is not a row. Readers get UTF-8 with line
feeds, whatever the file's encoding.
"""

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Header", "blanks", "count_rows", "line_blocks", "read_header"]

BLOCK_BYTES = 4 * 1024 * 1024
LONGEST_LINE_BYTES = 1024 * 1024
_LONGEST_HEADER = 65_536
_SEPARATORS = (",", ";", "\t", "|")
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, since it begins with that mark
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Header:
    """The names in a file's first line, and what separates them."""

    names: tuple[str, ...]
    separator: str


def read_header(path: Path) -> Header | None:
    """The header; None if the first line has no end, is too long, or has no names.

    Raises:
        UnicodeDecodeError: the first line is not text.
    """
    try:
        line, end, _ = next(_whole_lines(path, _LONGEST_HEADER), b"").partition(b"\n")
    except ValueError:
        return None
    if not end or len(line) > _LONGEST_HEADER:
        return None
    text = line.decode("utf-8")
    separator = max(_SEPARATORS, key=lambda each: len(next(csv.reader([text], delimiter=each), [])))
    names = [name.strip() for name in next(csv.reader([text], delimiter=separator), [])]
    while names and not names[-1]:  # TLC ended some lines with surplus commas
        names.pop()
    return Header(tuple(names), separator) if names else None


def line_blocks(path: Path) -> Iterator[bytes]:
    """The lines below the header, in blocks of whole lines of some megabytes.

    Raises:
        ValueError: a line is longer than a megabyte.
    """
    blocks = _whole_lines(path, LONGEST_LINE_BYTES)
    if below := next(blocks, b"").partition(b"\n")[2]:
        yield below
    yield from blocks


def count_rows(path: Path) -> int:
    """Count the non-blank lines below the header with Python's own text reader, as an independent check."""
    # Latin-1 has a character for every byte, and the same line ends and blanks as UTF-8.
    encoding = _encoding(path)
    blank = blanks(header.separator).decode() if (header := read_header(path)) else " "
    with path.open(encoding="latin-1" if encoding.startswith("utf-8") else encoding, errors="replace") as file:
        next(file, None)
        return sum(bool(line.strip(blank)) for line in file)


def blanks(separator: str) -> bytes:
    """Bytes that a blank line may contain; the separator is not one of them."""
    return b" \t\x0b\x0c\r\n".replace(separator.encode(), b"")


def _whole_lines(path: Path, longest: int) -> Iterator[bytes]:
    """Blocks of whole lines; the last line may lack its end."""
    rest, done = b"", 0
    for chunk in _chunks(path):
        whole, newline, after = chunk.rpartition(b"\n")
        if newline:
            yield rest + whole + newline
            done += whole.count(b"\n") + 1
            rest = after
        else:
            rest += after
        if len(rest) > longest:
            raise ValueError(f"line {done + 1} is longer than a megabyte")
    if rest:
        yield rest


def _chunks(path: Path) -> Iterator[bytes]:
    """The file as UTF-8 without a byte order mark, every line end a line feed."""
    encoding = _encoding(path)
    decoder = None if encoding.startswith("utf-8") else codecs.getincrementaldecoder(encoding)("replace")
    carried = b""
    with path.open("rb") as file:
        file.seek(len(codecs.BOM_UTF8) if encoding == "utf-8-sig" else 0)
        while chunk := file.read(BLOCK_BYTES):
            text = carried + (decoder.decode(chunk).encode("utf-8") if decoder else chunk)
            carried = b"\r" if text.endswith(b"\r") else b""  # its line feed may be in the next chunk
            yield _with_line_feeds(text.removesuffix(carried))
    if decoder:
        carried += decoder.decode(b"", final=True).encode("utf-8")
    if carried:
        yield _with_line_feeds(carried)


def _with_line_feeds(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    for mark, encoding in _ENCODINGS:
        if start.startswith(mark):
            return encoding
    # UTF-16 without a mark: the second byte of the header's first letter is zero.
    if start[1:2] == b"\0" and start[:1] > b"\0":
        return "utf-16-le"
    return "utf-16-be" if start[:1] == b"\0" and start[1:2] > b"\0" else "utf-8"

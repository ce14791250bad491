"""Splits a text file into lines and detects its encoding, header and separator, for every reader.

A line ends with a line feed, a carriage return, or both. A blank line is not a row. Readers get UTF-8 with line
feeds, whatever the file's encoding.
"""

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

BLOCK_BYTES = 4 * 1024 * 1024
LONGEST_LINE_BYTES = 1024 * 1024
_LONGEST_HEADER = 65_536
_END = "\n"
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
    """The header; None if the first line has no end, is too long, is not text, or has no names."""
    with _open_text(path) as file:
        line = file.readline(_LONGEST_HEADER)
    if not line.endswith(_END) or any("\udc80" <= sign <= "\udcff" for sign in line):
        return None
    separator = max(_SEPARATORS, key=lambda each: len(next(csv.reader([line], delimiter=each), [])))
    names = [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
    while names and not names[-1]:  # TLC ended some lines with surplus commas
        names.pop()
    return Header(tuple(names), separator) if names else None


def line_blocks(path: Path) -> Iterator[bytes]:
    """The lines below the header, in blocks of whole lines of some megabytes.

    The last line may lack its end.

    Raises:
        ValueError: a line is longer than a megabyte.
    """
    with _open_text(path) as file:
        file.readline()
        done = 1
        while block := file.read(BLOCK_BYTES):
            block += "" if block.endswith(_END) else file.readline(LONGEST_LINE_BYTES)
            if len(block) - block.rfind(_END, 0, -1) > LONGEST_LINE_BYTES:
                raise ValueError(f"line {done + block.count(_END, 0, -1) + 1} is longer than a megabyte")
            done += block.count(_END)
            yield block.encode(errors="surrogateescape")


def count_rows(path: Path) -> int:
    """Count the non-blank lines below the header, independently of their blocks and fields."""
    blank = blanks(header.separator).decode() if (header := read_header(path)) else " "
    with _open_text(path) as file:
        file.readline()
        return sum(bool(line.strip(blank)) for line in file)


def blanks(separator: str) -> bytes:
    """Bytes that a blank line may contain; the separator is not one of them."""
    return b" \t\x0b\x0c\r\n".replace(separator.encode(), b"")


def _open_text(path: Path) -> TextIO:
    """The file as text without a byte order mark, every line end a line feed."""
    encoding = _encoding(path)
    # Bytes that are not UTF-8 become surrogates, which are encoded as the same bytes again.
    return path.open(encoding=encoding, errors="surrogateescape" if encoding.startswith("utf-8") else "replace")


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

"""Reads TLC's CSV months as batches of rows. Every line becomes a row, also an unreadable one.

No value of TLC's spans lines; `text_lines.py` defines a line. A block is parsed at once if all its lines are regular,
otherwise line by line. Only one block is in memory.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from taxi_assets.ingestion.text_lines import blanks, line_blocks

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class RowBatch:
    """Consecutive rows: `columns` has an array for each column of the file, NULL for empty fields.

    `unreadable` maps positions in the batch to the number and text of lines that do not fit the file's columns; their
    values are NULL.
    """

    columns: "list[pa.Array]"
    unreadable: dict[int, tuple[int, str]]
    rows: int


def read_row_batches(path: Path, width: int, separator: str = ",") -> Iterator[RowBatch]:
    """Every non-blank line below the header, in order.

    Args:
        path: the file; its first line names the columns.
        width: the number of columns.
        separator: the character between fields.

    Raises:
        ValueError: a line is longer than a megabyte.
    """
    table = _BlockParser(width, separator)
    for block in line_blocks(path):
        lines = table.read(block)
        if lines.rows:
            yield lines


class _BlockParser:
    """Parses a file's blocks; the first block sets the number of surplus fields for all."""

    def __init__(self, width: int, separator: str) -> None:
        self.width, self.separator = width, separator
        self.blank = blanks(separator)
        self.extra: int | None = None
        self.line_number = 2

    def read(self, block: bytes) -> RowBatch:
        if self.extra is None:
            self.extra = self._empty_fields_at_the_end(block)
        lines = self._parse_block(block, self.extra) or self._parse_lines(block)
        self.line_number += block.count(b"\n")
        return lines

    def _empty_fields_at_the_end(self, block: bytes) -> int:
        """The number of surplus commas at line ends, which TLC wrote in some years."""
        for line in block.split(b"\n"):
            if line.strip(self.blank):
                surplus = line.split(self.separator.encode())[self.width :]
                return 0 if any(surplus) else len(surplus)
        return 0

    def _parse_block(self, block: bytes, extra: int) -> RowBatch | None:
        """Parse all lines at once; None if one of them is not regular."""
        import pyarrow as pa
        from pyarrow import csv as pa_csv

        if not _are_quotes_regular(block, self.separator):
            return None
        names = [f"c{number}" for number in range(self.width + extra)]
        try:
            table = pa_csv.read_csv(
                pa.BufferReader(block),
                pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
                pa_csv.ParseOptions(delimiter=self.separator, newlines_in_values=False),
                pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
                ),
            )
        except pa.ArrowInvalid:
            return None
        has_surplus = any(column.null_count < len(column) for column in table.columns[self.width :])
        if has_surplus or table.num_rows != block.count(b"\n") + (not block.endswith(b"\n")):
            return None
        return RowBatch([column.combine_chunks() for column in table.columns[: self.width]], {}, table.num_rows)

    def _parse_lines(self, block: bytes) -> RowBatch:
        import pyarrow as pa

        records: list[Sequence[str | None]] = []
        unreadable: dict[int, tuple[int, str]] = {}
        for number, line in enumerate(block.split(b"\n"), self.line_number):
            if not line.strip(self.blank):
                continue
            fields = self._fields(line)
            if fields is None:
                unreadable[len(records)] = (number, line.decode("utf-8", "backslashreplace").rstrip())
            records.append(fields or [None] * self.width)
        columns = [pa.array([record[column] for record in records], pa.string()) for column in range(self.width)]
        return RowBatch(columns, unreadable, len(records))

    def _fields(self, line: bytes) -> list[str | None] | None:
        if (trimmed := line.rstrip(self.blank)).endswith(b'"'):
            line = trimmed  # blanks after a closing quote belong to no field
        try:
            record = next(csv.reader([line.decode("utf-8")], delimiter=self.separator, strict=True), [])
        except (csv.Error, UnicodeDecodeError):
            return None
        if len(record) < self.width or any(record[self.width :]):
            return None
        return [value or None for value in record[: self.width]]


def _are_quotes_regular(block: bytes, separator: str) -> bool:
    """True if every quote begins or ends a field. Arrow and Python parse other quotes differently."""
    text = np.frombuffer(b"\n" + block + b"\n", np.uint8)
    quotes = np.flatnonzero(text == ord('"'))
    edges = (ord(separator), ord("\n"))
    return bool(
        len(quotes) % 2 == 0
        and np.isin(text[quotes[0::2] - 1], edges).all()
        and np.isin(text[quotes[1::2] + 1], edges).all()
    )

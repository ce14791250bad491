"""TLC's months as text, read line by line: every line becomes a row, also one that cannot be read.

A line is a record, since no value of TLC's spans lines. Blocks are parsed as a whole where every line of them is in
order; any other block line by line. Memory holds one block.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Lines", "read_lines"]

BLOCK_BYTES = 4 * 1024 * 1024
LONGEST_LINE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Lines:
    """Consecutive rows: `columns` holds an array for each column of the file, NULL where a field is empty.

    `unreadable` has, by position, number and text of the lines that are no record of the file's columns; their
    values are NULL.
    """

    columns: "list[pa.Array]"
    unreadable: dict[int, str]
    rows: int


def read_lines(path: Path, width: int) -> Iterator[Lines]:
    """Every line below the header that is not blank, in order.

    Args:
        path: the file; its first line names the columns.
        width: how many columns it has.

    Raises:
        ValueError: a line is longer than a megabyte.
    """
    line_number = 2
    extra: int | None = None
    for block in _blocks(path):
        if extra is None:
            extra = _empty_fields_at_the_end(block, width)
        lines = _parse_block(block, width, extra) or _parse_lines(block, width, line_number)
        line_number += block.count(b"\n")
        if lines.rows:
            yield lines


def _blocks(path: Path) -> Iterator[bytes]:
    """Whole lines, some megabytes of them at a time, without the header."""
    with path.open("rb") as file:
        file.readline()
        rest, done = b"", 1
        while chunk := file.read(BLOCK_BYTES):
            whole, newline, after = chunk.rpartition(b"\n")
            if newline:
                block, rest = rest + whole + newline, after
                yield block
                done += block.count(b"\n")
            else:
                rest += after
            if len(rest) > LONGEST_LINE_BYTES:
                raise ValueError(f"line {done + 1} is longer than a megabyte")
        if rest:
            yield rest


def _empty_fields_at_the_end(block: bytes, width: int) -> int:
    """TLC ended the lines of some years with commas too many: how many."""
    for line in block.splitlines():
        if line.strip():
            fields = line.split(b",")
            return len(fields) - width if len(fields) > width and not any(fields[width:]) else 0
    return 0


def _parse_block(block: bytes, width: int, extra: int) -> Lines | None:
    """All lines at once; None where one of them needs a closer look."""
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    if block.count(b"\r") != block.count(b"\r\n"):
        return None
    names = [f"c{number}" for number in range(width + extra)]
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(block),
            pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
            pa_csv.ParseOptions(newlines_in_values=False),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid:
        return None
    is_surplus_empty = all(table.column(number).null_count == table.num_rows for number in range(width, width + extra))
    if table.num_rows != block.count(b"\n") + (not block.endswith(b"\n")) or not is_surplus_empty:
        return None
    table = table.combine_chunks()
    columns = [table.column(number).chunk(0) for number in range(width)] if table.num_rows else []
    return Lines(columns, {}, table.num_rows)


def _parse_lines(block: bytes, width: int, line_number: int) -> Lines:
    import pyarrow as pa

    records: list[Sequence[str | None]] = []
    unreadable: dict[int, str] = {}
    for number, line in enumerate(block.split(b"\n"), line_number):
        if not line.strip():
            continue
        fields = _fields(line, width)
        if fields is None:
            unreadable[len(records)] = f"line {number}: {line.decode('utf-8', 'backslashreplace').rstrip()}"
        records.append(fields or [None] * width)
    columns = [pa.array([record[column] for record in records], pa.string()) for column in range(width)]
    return Lines(columns, unreadable, len(records))


def _fields(line: bytes, width: int) -> list[str | None] | None:
    try:
        record = next(csv.reader([line.decode("utf-8").rstrip("\r")], strict=True), [])
    except (csv.Error, UnicodeDecodeError):
        return None
    if len(record) < width or any(record[width:]):
        return None
    return [value or None for value in record[:width]]

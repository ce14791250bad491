"""Every line of a CSV becomes a row: read where it can be, else kept as it is."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.lake import csv_lines
from taxi_assets.lake.csv_lines import read_lines

Row = tuple[str | None, ...]


def read(path: Path, content: bytes, width: int = 3) -> tuple[list[Row], list[str]]:
    """Rows, and the texts of those that cannot be read."""
    path.write_bytes(content)
    rows: list[Row] = []
    texts: list[str] = []
    for lines in read_lines(path, width):
        values = zip(*(column.to_pylist() for column in lines.columns), strict=True)
        found = list(values)
        assert len(found) == lines.rows
        assert all(found[position] == (None,) * width for position in lines.unreadable)
        rows += found
        texts += [lines.unreadable[position] for position in sorted(lines.unreadable)]
    return rows, texts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "month.csv"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"", b"4,5,6"])
def test_lines_end_as_they_like(path: Path, end: bytes, last: bytes) -> None:
    rows, texts = read(path, b"a,b,c" + end + b"1,2,3" + end + last)
    assert rows == [("1", "2", "3"), *([("4", "5", "6")] if last else [])]
    assert texts == []


def test_quotes_blanks_and_nothing(path: Path) -> None:
    rows, texts = read(path, b'a,b,c\n"1","",\n"x, ""y""", z ,0.50\n')
    assert rows == [("1", None, None), ('x, "y"', " z ", "0.50")]
    assert texts == []


def test_blank_lines_are_no_rows(path: Path) -> None:
    assert read(path, b"a,b,c\r\n\r\n1,2,3\r\n   \r\n\r\n4,5,6\r\n\r\n") == ([("1", "2", "3"), ("4", "5", "6")], [])
    assert read(path, b"a,b,c\n") == ([], [])


def test_commas_too_many_at_the_ends_are_nothing(path: Path) -> None:
    many = b"a,b,c\n" + b"1,2,3,,\n" * 3
    assert read(path, many) == ([("1", "2", "3")] * 3, [])
    assert read(path, many + b"1,2,3,,9\n4,5,6\n") == (
        [("1", "2", "3")] * 3 + [(None,) * 3, ("4", "5", "6")],
        ["line 5: 1,2,3,,9"],
    )


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"1,2", "1,2"),
        (b"1,2,3,4", "1,2,3,4"),
        (b'1,"2,3', '1,"2,3'),
        (b"1,\xff,3", "1,\\xff,3"),
        (b"1,2\r,3", "1,2\r,3"),
        (b"garbage", "garbage"),
    ],
)
def test_a_broken_line_is_kept_with_its_number_and_spoils_no_other(path: Path, line: bytes, shown: str) -> None:
    rows, texts = read(path, b'a,b,c\n1,"2",3\n' + line + b'\n4,"5",6\n')
    assert rows == [("1", "2", "3"), (None, None, None), ("4", "5", "6")]
    assert texts == [f"line 3: {shown}"]


def test_lines_are_counted_across_blocks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", 64)
    good = [f"{number},{number},{number}" for number in range(100)]
    lines = [*good[:50], "broken", *good[50:]]
    rows, texts = read(path, ("a,b,c\n" + "\n".join(lines)).encode())
    assert len(rows) == 101
    assert texts == ["line 52: broken"]
    assert [row for row in rows if row[0]] == [tuple(line.split(",")) for line in good]


def test_a_line_without_end_is_refused_by_its_number(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", 64)
    monkeypatch.setattr(csv_lines, "LONGEST_LINE_BYTES", 256)
    with pytest.raises(ValueError, match="line 3 is longer than a megabyte"):
        read(path, b"a,b,c\n1,2,3\n" + b"x" * 1000)


fields = st.text(st.characters(codec="ascii", exclude_characters="\r\n\0"), max_size=6)


@given(st.lists(st.tuples(fields, fields, fields), max_size=20))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, records: list[tuple[str, str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(records)
    rows, texts = read(tmp_path_factory.mktemp("csv") / "month.csv", b"a,b,c\n" + text.getvalue().encode())
    assert texts == []
    assert rows == [tuple(value or None for value in record) for record in records]


@given(st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=12))
def test_no_line_is_lost_whatever_it_holds(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    rows, _ = read(tmp_path_factory.mktemp("csv") / "month.csv", b"\n".join([b"a,b,c", b"1,2,3", *lines, b"4,5,6"]))
    assert len(rows) == 2 + sum(bool(line.strip()) for line in lines)
    assert (rows[0], rows[-1]) == (("1", "2", "3"), ("4", "5", "6"))

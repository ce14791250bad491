"""Every line of a CSV file becomes a row; the text of unreadable lines is kept."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.ingestion import text_lines
from taxi_assets.ingestion.csv_lines import read_row_batches
from taxi_assets.ingestion.text_lines import count_rows, read_header

Row = tuple[str | None, ...]


def read(path: Path, content: bytes, width: int = 3, separator: str = ",") -> tuple[list[Row], list[str]]:
    """The rows, and the texts of unreadable lines."""
    path.write_bytes(content)
    rows: list[Row] = []
    texts: list[str] = []
    for lines in read_row_batches(path, width, separator):
        values = zip(*(column.to_pylist() for column in lines.columns), strict=True)
        found = list(values)
        assert len(found) == lines.rows
        assert all(found[position] == (None,) * width for position in lines.unreadable)
        rows += found
        texts += [f"line {number}: {text}" for number, text in (lines.unreadable[p] for p in sorted(lines.unreadable))]
    assert len(rows) == count_rows(path)
    return rows, texts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "month.csv"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("last", [b"", b"4,5,6"])
def test_any_line_ending_is_read(path: Path, end: bytes, last: bytes) -> None:
    rows, texts = read(path, b"a,b,c" + end + b"1,2,3" + end + last)
    assert rows == [("1", "2", "3"), *([("4", "5", "6")] if last else [])]
    assert texts == []


def test_quotes_blanks_and_empty_fields(path: Path) -> None:
    rows, texts = read(path, b'a,b,c\n"1","",\n"x, ""y""", z ,0.50\n')
    assert rows == [("1", None, None), ('x, "y"', " z ", "0.50")]
    assert texts == []


def test_blank_lines_are_no_rows(path: Path) -> None:
    assert read(path, b"a,b,c\r\n\r\n1,2,3\r\n   \r\n\r\n4,5,6\r\n\r\n") == ([("1", "2", "3"), ("4", "5", "6")], [])
    assert read(path, b"a,b,c\n") == ([], [])


def test_extra_commas_at_line_ends_are_ignored(path: Path) -> None:
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
        (b"garbage", "garbage"),
    ],
)
def test_a_broken_line_is_kept_with_its_number_and_affects_no_other(path: Path, line: bytes, shown: str) -> None:
    rows, texts = read(path, b'a,b,c\n1,"2",3\n' + line + b'\n4,"5",6\n')
    assert rows == [("1", "2", "3"), (None, None, None), ("4", "5", "6")]
    assert texts == [f"line 3: {shown}"]


def test_lines_are_counted_across_blocks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 64)
    good = [f"{number},{number},{number}" for number in range(100)]
    lines = [*good[:50], "broken", *good[50:]]
    rows, texts = read(path, ("a,b,c\n" + "\n".join(lines)).encode())
    assert len(rows) == 101
    assert texts == ["line 52: broken"]
    assert [row for row in rows if row[0]] == [tuple(line.split(",")) for line in good]


def test_an_endless_line_is_refused_by_its_number(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 64)
    monkeypatch.setattr(text_lines, "LONGEST_LINE_BYTES", 256)
    with pytest.raises(ValueError, match="line 3 is longer than a megabyte"):
        read(path, b"a,b,c\n1,2,3\n" + b"x" * 1000)


fields = st.text(st.characters(codec="ascii", exclude_characters="\r\n\0"), max_size=6)


@given(st.lists(st.tuples(fields, fields, fields), max_size=20))
def test_written_rows_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[str, str, str]]
) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(records)
    rows, texts = read(tmp_path_factory.mktemp("csv") / "month.csv", b"a,b,c\n" + text.getvalue().encode())
    assert texts == []
    assert rows == [tuple(value or None for value in record) for record in records]


line = st.sampled_from(
    [
        *(b"1,2,3", b'"1",2,"x y"', b"1,2", b"1,,3  ", b'1,"",3 ', b'1,"2"x,3', b'1,"2,3', b"", b"  ", b"\t", b",,"),
        *(b"\xff,1,2", b'"a""b",2,3', b"1;2;3", b"\0,1,2", "ü,1,2".encode(), b"1,2,3,,", b'1,2,"3" ', b"\x0b"),
    ]
)
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


def expected(records: list[bytes]) -> tuple[int, int]:
    """The number of rows, and those that are no records of three columns, line by line."""
    found = [record for record in records if record.strip()]
    return len(found), sum(not readable(record) for record in found)


def readable(record: bytes) -> bool:
    try:
        fields = next(csv.reader([record.rstrip().decode()], strict=True))
    except (csv.Error, UnicodeDecodeError):
        return False
    return len(fields) >= 3 and not any(fields[3:])


@given(
    records=st.lists(line | st.binary(max_size=12).map(lambda text: text.replace(b"\r", b"").replace(b"\n", b""))),
    data=st.data(),
    start=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    header=st.sampled_from([b"a,b,c", b'"a","b","c"', b" a ,b,c ,,"]),
    is_last_ended=st.booleans(),
    block=st.sampled_from([7, 64, 1 << 20]),
)
def test_every_line_is_a_row_with_any_line_ending(  # noqa: PLR0917 - the ways a file may differ
    tmp_path_factory: pytest.TempPathFactory,
    records: list[bytes],
    data: st.DataObject,
    start: bytes,
    header: bytes,
    is_last_ended: bool,
    block: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "every_line.csv"
    each = [header, *records]
    written = [record + data.draw(ends) for record in each]
    if not is_last_ended and len(each) > 1:
        written[-1] = each[-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "BLOCK_BYTES", block)
        rows, texts = read(path, start + b"".join(written))
        found = read_header(path)
    assert found is not None
    assert found.names == ("a", "b", "c")
    assert (len(rows), len(texts)) == expected(records)


@given(st.lists(line, max_size=8))
def test_a_line_is_read_the_same_beside_any_other(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "beside.csv"
    alone = [read(path, b"a,b,c\n" + record)[0] for record in records]
    assert read(path, b"\n".join([b"a,b,c", *records]))[0] == [row for rows in alone for row in rows]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_separator_is_detected_from_the_header(path: Path, separator: str) -> None:
    content = "\n".join(["a,b,c", "1,2,3", ",,", '"x",,"y, z"']).replace(",", separator).encode()
    rows, texts = read(path, content, separator=separator)
    assert read_header(path) == text_lines.Header(("a", "b", "c"), separator)
    assert rows == [("1", "2", "3"), (None, None, None), ("x", None, f"y{separator} z")]
    assert texts == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_in_other_encodings_gives_the_same_rows(
    path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, end: str
) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 7)
    rows, texts = read(path, end.join(["a,b,c", "1,ü💥,3", "", "torn"]).encode(encoding))
    header = read_header(path)
    assert header is not None
    assert header.names == ("a", "b", "c")
    assert rows == [("1", "ü💥", "3"), (None, None, None)]
    assert texts == ["line 4: torn"]

"""A file's columns, read from its footer or its first line."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.lake.file_columns import FileColumns, read_columns


def test_a_parquet_file_tells_names_types_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"A b": [1, 2], "c": pa.nulls(2), "d": pa.array(["x", "y"], pa.large_string())}), path)
    assert read_columns(path) == FileColumns(("A b", "c", "d"), ("int64", "null", "large_string"), 2)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b",,\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_a_header_tells_names(tmp_path: Path, start: bytes, end: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(start + b'VendorID, Trip_type ,"a,b", Payment_type ' + end + b"1,2,3,4\n")
    names = ("VendorID", "Trip_type", "a,b", "Payment_type")
    assert read_columns(path).names == names
    assert read_columns(path).types == ("string",) * 4
    assert read_columns(path).rows is None


@pytest.mark.parametrize(
    ("name", "content", "wording"),
    [
        ("a.parquet", b"PAR1", "a.parquet is not a whole parquet file: replace"),
        ("a.parquet", b"", "a.parquet is not a whole parquet file: replace"),
        ("a.csv", b"", "has no line of column names"),
        ("a.csv", b"\n1,2\n", "has no line of column names"),
        ("a.csv", b",,\n1,2\n", "has no line of column names"),
        ("a.csv", b"VendorID,PULocationID", "has no line of column names"),
        ("a.csv", b"a" * 70_000 + b"\n", "has no line of column names"),
        ("a.csv", b"\xff\xfea,b\n", "the first line of a.csv cannot be read"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, name: str, content: bytes, wording: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TaxiError, match=wording):
        read_columns(tmp_path / name)


@pytest.mark.parametrize("name", ["gone.parquet", "gone.csv"])
def test_a_file_that_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(TaxiError, match=rf"cannot read .*{name} \(No such file or directory\): put the file there"):
        read_columns(tmp_path / name)

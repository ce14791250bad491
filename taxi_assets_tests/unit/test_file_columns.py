"""A file's columns, read from its parquet footer or its CSV header."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.file_columns import FileColumns, read_columns


def test_parquet_footer_gives_names_types_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"A b": [1, 2], "c": pa.nulls(2), "d": pa.array(["x", "y"], pa.large_string())}), path)
    assert read_columns(path) == FileColumns(("A b", "c", "d"), ("int64", "null", "large_string"), 2)


def test_a_parquet_file_named_csv_is_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "a.csv")
    assert read_columns(tmp_path / "a.csv") == FileColumns(("a",), ("int64",), 2)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b",,\n", b"\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_csv_header_gives_names(tmp_path: Path, start: bytes, end: bytes) -> None:
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
        ("a.csv", b"\xffa,b\n", "has no line of column names"),
        ("a.csv", b"\x1f\x8b\x08\x00", "a.csv is compressed with gzip: unpack it"),
        ("a.parquet", b"\x1f\x8b\x08\x00", "a.parquet is compressed with gzip: unpack it"),
        ("a.csv", b"PK\x03\x04" + b"\0" * 26 + b"a.csv", "a.csv is a zip archive: unpack it"),
        ("a.csv", b"PK\x03\x04" + b"\0" * 26 + b"[Content_Types].xml", "a.csv is an Excel workbook: save it as CSV"),
        ("a.csv", b"<!DOCTYPE html>\n", "a.csv is a web page or XML"),
        ("a.csv", b'{"VendorID": 1}\n', "a.csv is JSON"),
        ("a.csv", b"PAR1", "a.csv is not a whole parquet file"),
        ("a.parquet", b"a,b\n1,2\n", "a.parquet is not a whole parquet file"),
        ("a.parquet", b"lpep_pickup_datetime,b\n1,2\n", "a.parquet is text, not parquet: name it a.csv"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes, wording: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TaxiError, match=wording):
        read_columns(tmp_path / name)


@pytest.mark.parametrize("name", ["gone.parquet", "gone.csv"])
def test_missing_file_is_reported(tmp_path: Path, name: str) -> None:
    with pytest.raises(TaxiError, match=rf"cannot read .*{name} \(No such file or directory\): put the file there"):
        read_columns(tmp_path / name)

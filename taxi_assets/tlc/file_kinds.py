"""Detects a file's kind from its first bytes, not from its name."""

from pathlib import Path

_COMPRESSED = "unpack it, and put its .parquet or .csv file into the landing folder"
_SHEET = "save it as CSV (UTF-8), and put the CSV into the landing folder"
_OTHER = "put TLC's .parquet or .csv file into the landing folder"
# First bytes of files that are not a month's file, their kind, and the remedy.
_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "compressed with gzip", _COMPRESSED),
    (b"BZh", "compressed with bzip2", _COMPRESSED),
    (b"\xfd7zXZ\0", "compressed with xz", _COMPRESSED),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", _COMPRESSED),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _COMPRESSED),
    (b"Rar!", "a RAR archive", _COMPRESSED),
    (b"PK\x03\x04", "a zip archive", _COMPRESSED),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", _SHEET),
    (b"PARE", "an encrypted parquet file", "decrypt it, and put it into the landing folder again"),
    (b"ARROW1", "an Arrow file (Feather)", _OTHER),
    (b"SQLite format 3", "an SQLite database", _OTHER),
    (b"%PDF", "a PDF document", _OTHER),
    (b"<", "a web page or XML", _OTHER),
    (b"{", "JSON", _OTHER),
    (b"[", "JSON", _OTHER),
)
_HEAD_BYTES = 4096


def is_parquet(path: Path) -> bool:
    """True for parquet, whether or not the file is whole.

    Raises:
        OSError: it cannot be read.
    """
    return _start_of(path).startswith(b"PAR1")


def foreign_kind(path: Path) -> tuple[str, str] | None:
    """The kind of a file that is neither parquet nor text, and the remedy; None for those two.

    Raises:
        OSError: it cannot be read.
    """
    start = _start_of(path)
    if start.startswith(b"PK\x03\x04") and (b"xl/" in start or b"[Content_Types].xml" in start):
        return "an Excel workbook", _SHEET
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next(((kind, remedy) for mark, kind, remedy in _FOREIGN if text.startswith(mark)), None)


def _start_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)

"""Checksums and atomic writes of single files. What a file means belongs in the room that owns it."""

import hashlib
import os
from pathlib import Path

# A home's path becomes part of URLs and patterns. SQLAlchemy and SQLite decode `%` and end a path at `?`. DuckDB reads
# `*`, `?` and `[` as patterns, DuckLake a backslash as a separator, BentoML `$` as a variable.
_FORBIDDEN_CHARACTERS = frozenset("%?*[]\\$")


def forbidden_characters(path: Path) -> str:
    """The characters of a path that a library would misread, separated by commas; empty if there are none."""
    found = sorted({sign for sign in str(path) if sign in _FORBIDDEN_CHARACTERS or not sign.isprintable()})
    return ", ".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in found)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal; reads in chunks.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part; text as UTF-8.

    This holds if the process is killed. The draft beside `path` has a hidden name.

    Raises:
        OSError: the folder is missing or cannot be written to.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content.encode() if isinstance(content, str) else content)
    draft.replace(path)

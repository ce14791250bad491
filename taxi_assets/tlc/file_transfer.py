"""The landing folder: a file shows there whole or not at all, whoever is cut off while writing it.

What belongs to a file under way bears that file's name behind a dot, so that nobody takes it for a month.
What a file means is not known here.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from taxi_assets.errors import TaxiError

__all__ = [
    "Origin",
    "Progress",
    "StoredFiles",
    "begin_part",
    "copy_file",
    "end_part",
    "exclusive_write",
    "length_of",
    "rename_durably",
    "resumable_origin",
    "sha256_of",
    "sidecar",
]

Progress = Callable[[int, int | None], None]
"""Told the bytes that are there and the bytes in all, None where the sender does not say."""

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Origin:
    """What the server said of a file, to ask later for its rest or whether it has changed."""

    url: str
    etag: str | None
    modified: str | None
    sha256: str | None = None

    @property
    def validator(self) -> str | None:
        """What tells byte for byte that the file is still the same. A weak ETag does not promise that."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Origin | None":
        """The origin noted at `path`; None where there is none, or a note cut off in the writing."""
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


@dataclass(frozen=True)
class StoredFiles:
    """What is held of a month already: its files by SHA-256, and the folder for notes on where they came from."""

    folder: Path
    files: Mapping[str, Path]


def sidecar(target: Path, suffix: str) -> Path:
    """The hidden companion of a landing file: `.green_tripdata_2023-01.parquet.part`."""
    return target.with_name(f".{target.name}.{suffix}")


@contextmanager
def exclusive_write(target: Path) -> Iterator[None]:
    """Have `target` and its companions to oneself, between processes too; makes the folder.

    Raises:
        TaxiError: the folder cannot be written to, or a file cannot be read.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(sidecar(target, "lock")):
            yield
    except OSError as error:
        why = f"{error.strerror or error}: {error.filename or target}"
        raise TaxiError(
            f"cannot bring {target.name} to {target.parent} ({why}): "
            "check the permissions and the free space, or set TAXI_HOME to another folder"
        ) from error


def resumable_origin(part: Path, url: str) -> Origin | None:
    """The origin of the bytes at `part`, where their rest can be asked for at that address."""
    origin = Origin.read(_origin_path(part)) if length_of(part) else None
    return origin if origin and origin.url == url and origin.validator else None


def begin_part(part: Path, origin: Origin) -> None:
    """Start `part` anew, for the bytes of that origin."""
    # In this order a process killed in between never leaves old bytes beside a new file's validator.
    end_part(part)
    part.write_bytes(b"")
    origin.write(_origin_path(part))


def end_part(part: Path) -> None:
    """Forget where the bytes at `part` come from: they are complete, or about to be replaced."""
    _origin_path(part).unlink(missing_ok=True)


def length_of(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def copy_file(original: Path, part: Path, progress: Progress) -> None:
    """Copy the bytes, never a link: what happens to the original later does not reach the landing folder."""
    total, done = original.stat().st_size, 0
    with original.open("rb") as source, part.open("wb") as copy:
        while chunk := source.read(_CHUNK):
            copy.write(chunk)
            done += len(chunk)
            progress(done, total)


def rename_durably(part: Path, target: Path) -> None:
    """Give a finished part its real name, once its bytes are on the disk; replaces a file of that name."""
    _sync(part)
    part.replace(target)
    _sync(target.parent)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal; memory stays small whatever the file's size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _origin_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

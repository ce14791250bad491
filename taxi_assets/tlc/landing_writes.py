"""Writes files to the landing folder, where each appears complete or not at all.

This holds even if the writer is killed. Partial files and notes have hidden names: a dot, then the file's name. The
content of files is checked elsewhere.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from taxi_assets.errors import TaxiError
from taxi_assets.files import write_atomically

Progress = Callable[[int, int | None], None]
"""Called with the bytes received and the total, None if the sender does not give it."""

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Origin:
    """Response headers of a download, for resuming it or asking whether the file has changed."""

    url: str
    etag: str | None
    modified: str | None
    sha256: str | None = None

    @property
    def validator(self) -> str | None:
        """The header for a byte-exact comparison. A weak ETag does not promise equal bytes."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def write(self, path: Path) -> None:
        write_atomically(path, json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Origin | None":
        """Reads the origin at `path`; None if it is missing or is not an origin."""
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


@dataclass(frozen=True)
class StoredFiles:
    """A month's files in the file store, by SHA-256, and the folder for their origins."""

    folder: Path
    files: Mapping[str, Path]


def sidecar(target: Path, suffix: str) -> Path:
    """The hidden companion of a landing file: `.green_tripdata_2023-01.parquet.part`."""
    return target.with_name(f".{target.name}.{suffix}")


@contextmanager
def exclusive_write(target: Path) -> Iterator[None]:
    """Locks `target` and its hidden companions against other processes; creates the folder.

    Raises:
        TaxiError: the folder cannot be written to, or a file cannot be read.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(sidecar(target, "lock")):
            yield
    except OSError as error:
        reason = f"{error.strerror or error}: {error.filename or target}"
        raise TaxiError(
            f"cannot write {target.name} to {target.parent} ({reason}): "
            "check the permissions and the free space, or set TAXI_HOME to another folder"
        ) from error


def resumable_origin(part: Path, url: str) -> Origin | None:
    """The origin of the bytes at `part`, if their download from `url` can be resumed."""
    origin = Origin.read(_origin_path(part)) if length_of(part) else None
    return origin if origin and origin.url == url and origin.validator else None


def begin_part(part: Path, origin: Origin) -> None:
    """Empties `part` and stores the origin of the bytes to come."""
    # In this order, a killed process never leaves old bytes beside a new file's validator.
    end_part(part)
    part.write_bytes(b"")
    origin.write(_origin_path(part))


def end_part(part: Path) -> None:
    """Deletes the origin of `part`: its bytes are complete, or about to be replaced."""
    _origin_path(part).unlink(missing_ok=True)


def length_of(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def copy_file(original: Path, part: Path, progress: Progress) -> None:
    """Copies the bytes, without a link, so that later changes of the original have no effect."""
    total, done = original.stat().st_size, 0
    with original.open("rb") as source, part.open("wb") as copy:
        while chunk := source.read(_CHUNK):
            copy.write(chunk)
            done += len(chunk)
            progress(done, total)


def rename_durably(part: Path, target: Path) -> None:
    """Renames a finished part to `target`, replacing it, after flushing its bytes to disk."""
    _sync(part)
    part.replace(target)
    _sync(target.parent)


def _origin_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Paths of source files, and the moves between them.

    landing/…                            the landing folder: any file under any name
    files/incoming/<why>-<token>/<name>  taken, not yet inspected; only scans write there
    files/<service>/<month>/<sha256>.…   the file store: complete, read-only files, named by checksum
    quarantine/<short sha256>-<name>     refused files, each with `….reason.txt`; never deleted

A name from outside becomes part of a path only in `incoming`, as its last part.
"""

import errno
import os
import re
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.file_stability import signature_of
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.tlc.landing_writes import StoredFiles, copy_file, rename_durably
from taxi_assets.tlc.month_file import parse_file_name
from taxi_assets.tlc.services import SERVICES

TakeReason = Literal["new", "again", "damaged"]

_STORED = re.compile(r"([0-9a-f]{64})\.(parquet|csv)")
_ASIDE = re.compile(r"[0-9a-f]{16}-(.+)", re.DOTALL)
_UNSAFE = re.compile(r"[^A-Za-z0-9._() -]")
_LONGEST = 120
_REASON = ".reason.txt"


def escape_name(name: str) -> str:
    """The name, safe to show and store: undecodable bytes and unprintable characters are escaped."""
    return "".join(map(_escape_character, name))


def store_path(service: str, month: Month, sha256: str, name: str) -> str:
    """The path in the file store of a file with a valid TLC name."""
    return f"files/{service}/{month}/{sha256}{Path(name).suffix}"


def quarantine_path(sha256: str | None, name: str, token: str) -> str:
    """The path in quarantine; without a checksum, the token of the `incoming` folder makes it unique."""
    safe = _UNSAFE.sub("_", escape_name(name))[-_LONGEST:]
    safe += "_" if safe.endswith(_REASON) else ""  # else it would count as another file's reason and be removed
    return f"quarantine/{sha256[:16]}-{safe}" if sha256 else f"quarantine/nofile-{token}-{safe}"


def stored_files(settings: Settings, service: str, month: Month) -> StoredFiles:
    """The month's stored files by SHA-256, and the folder for notes on their origin."""
    folder = settings.file_store / service / str(month)
    stored = {match[1]: path for path in entries(folder) if (match := _STORED.fullmatch(path.name))}
    return StoredFiles(folder, stored)


def take(settings: Settings, source: Path, take_reason: TakeReason, name: str | None = None, token: str = "") -> Path:
    """Move a file into `incoming`, in one step if the file system allows it.

    Args:
        settings: names the folders.
        source: the file's current path.
        take_reason: why it is taken; the inspection depends on it.
        name: its original name, if it now has another.
        token: the start of its folder's token.
    """
    incoming = settings.file_store / "incoming"
    # Numbered, so that two files of a month left here by a kill are inspected in their order.
    folder = incoming / f"{take_reason}-{token}{_next_number(incoming):08d}-{uuid.uuid4().hex[:12]}"
    folder.mkdir(parents=True)
    target = folder / (name or source.name)
    move(source, target)
    return target


def _next_number(incoming: Path) -> int:
    numbers = [folder.name.rpartition("-")[0][-8:] for folder in entries(incoming)]
    return 1 + max((int(number) for number in numbers if number.isdecimal()), default=0)


def take_reason_of(taken: str) -> tuple[TakeReason, str]:
    """The reason why a file in `incoming` was taken, and the token of its folder."""
    take_reason, _, token = Path(taken).parent.name.partition("-")
    return (take_reason if take_reason in ("again", "damaged") else "new"), token  # type: ignore[return-value]


def incoming(settings: Settings) -> Iterator[Path]:
    """The taken files that are not moved on yet. Removes leftovers of interrupted copies."""
    for folder in entries(settings.file_store / "incoming"):
        for path in entries(folder):
            if path.name.startswith(".copy-"):
                path.unlink()  # the original still exists
            else:
                yield path
        if not any(folder.iterdir()):
            folder.rmdir()


def move(source: Path, target: Path) -> None:
    """Move a file durably, also to another file system; move a link or a folder as it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if source.is_file() and not source.is_symlink():
            rename_durably(source, target)
        else:
            source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV or source.is_symlink() or not source.is_file():
            raise
        _move_across(source, target)


def unrecorded_files(settings: Settings, recorded_paths: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Files in the file store and in quarantine without a row, with their original names.

    They exist after a kill between a row and its move, or after the warehouse was removed.
    """
    for service in SERVICES:
        for folder in entries(settings.file_store / service):
            for path in entries(folder):
                name = f"{service}_tripdata_{folder.name}{path.suffix}"
                is_stored = _STORED.fullmatch(path.name) and parse_file_name(name)
                if is_stored and str(path.relative_to(settings.root)) not in recorded_paths:
                    yield path, name
    for path in entries(settings.quarantine):
        match = _ASIDE.fullmatch(path.name)
        is_subject = match and not path.name.endswith(_REASON) and path.is_file() and not path.is_symlink()
        if match and is_subject and str(path.relative_to(settings.root)) not in recorded_paths:
            yield path, match[1]


def _escape_character(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is not UTF-8, as Python decodes file names
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character == "\\" or not character.isprintable():
        return character.encode("unicode_escape").decode("ascii")
    return character


def _move_across(source: Path, target: Path) -> None:
    """Copy to another file system, then remove the original unless it changed meanwhile."""
    draft, before = target.with_name(f".copy-{uuid.uuid4().hex[:12]}"), signature_of(source.stat())
    copy_file(source, draft, lambda *_: None)
    if signature_of(source.stat()) != before:
        draft.unlink()
        raise TaxiError(f"{escape_name(source.name)} changed while it was copied: it is still being written")
    os.utime(draft, ns=(before[1], before[1]))
    rename_durably(draft, target)
    source.unlink()


def entries(folder: Path) -> list[Path]:
    """The entries of a folder by name; none if it is missing."""
    try:
        return sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []

"""Where files are on the disk, below the folder of their kind of months, and how they get from one place to another.

    landing/…                              the drop box: anything by anyone, under any name
    files/incoming/<why>-<token>/<name>  taken, not yet judged: nobody else writes there
    files/<service>/<month>/<sha256>.…   the store: whole, read-only, under the checksum of its bytes
    quarantine/<short sha256>-<name>       put aside, `….reason.txt` beside it; never deleted

Names that came from outside are joined to a path in `incoming` only, as the one last part.
"""

import errno
import os
import re
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

from taxi_assets.errors import TaxiError
from taxi_assets.months import SERVICES, Month
from taxi_assets.settings import Settings
from taxi_assets.tlc.file_transfer import StoredFiles, rename_durably
from taxi_assets.tlc.month_file import file_name

__all__ = [
    "TakeReason",
    "escape_name",
    "incoming",
    "move",
    "quarantine_path",
    "store_path",
    "stored_files",
    "take",
    "take_reason_of",
    "unrecorded_files",
]

TakeReason = Literal["new", "again", "damaged"]

_STORED = re.compile(r"([0-9a-f]{64})\.(parquet|csv)")
_ASIDE = re.compile(r"[0-9a-f]{16}-(.+)", re.DOTALL)
_UNSAFE = re.compile(r"[^A-Za-z0-9._() -]")
_LONGEST = 120
_REASON = ".reason.txt"


def escape_name(name: str) -> str:
    """A name as it may be shown and kept: bytes that are no text, control and odd characters are escaped."""
    return "".join(map(_escape_character, name))


def store_path(service: str, month: Month, sha256: str, name: str) -> str:
    """The place in the store of a file that bears a name of TLC's."""
    return f"files/{service}/{month}/{sha256}{Path(name).suffix}"


def quarantine_path(sha256: str | None, name: str, token: str) -> str:
    """The place in quarantine; of what has no bytes, it is told by the token of its folder in `incoming`."""
    safe = _UNSAFE.sub("_", escape_name(name))[-_LONGEST:]
    safe += "_" if safe.endswith(_REASON) else ""  # else it would pass for the reason of another file, and be removed
    return f"quarantine/{sha256[:16]}-{safe}" if sha256 else f"quarantine/nofile-{token}-{safe}"


def stored_files(settings: Settings, service: str, month: Month) -> StoredFiles:
    """The month's files in the store, by SHA-256, and the folder for notes on where they came from."""
    folder = settings.file_store / service / str(month)
    stored = {match[1]: path for path in _entries(folder) if (match := _STORED.fullmatch(path.name))}
    return StoredFiles(folder, stored)


def take(settings: Settings, source: Path, take_reason: TakeReason, name: str | None = None, token: str = "") -> Path:
    """Take a file out of where it is, in one step where the file system allows: nobody finds it there any more.

    Args:
        settings: where files are.
        source: where it is.
        take_reason: what is to be thought of when it is judged.
        name: the name it arrived under, where it has another now.
        token: how the token of its folder begins.
    """
    incoming = settings.file_store / "incoming"
    # Numbered, so that of two files of a month that a kill left here the later one is judged after the earlier.
    folder = incoming / f"{take_reason}-{token}{_next_number(incoming):08d}-{uuid.uuid4().hex[:12]}"
    folder.mkdir(parents=True)
    target = folder / (name or source.name)
    move(source, target)
    return target


def _next_number(incoming: Path) -> int:
    numbers = [folder.name.rpartition("-")[0][-8:] for folder in _entries(incoming)]
    return 1 + max((int(number) for number in numbers if number.isdecimal()), default=0)


def take_reason_of(taken: Path) -> tuple[TakeReason, str]:
    """Why a file of `incoming` was taken, and the token of its folder."""
    take_reason, _, token = taken.parent.name.partition("-")
    return (take_reason if take_reason in ("again", "damaged") else "new"), token  # type: ignore[return-value]


def incoming(settings: Settings) -> Iterator[Path]:
    """Everything taken and not yet moved on; what a copy that was cut off left there is removed."""
    for folder in _entries(settings.file_store / "incoming"):
        for path in _entries(folder):
            if path.name.startswith(".copy-"):
                path.unlink()  # the original is where it was
            else:
                yield path
        if not any(folder.iterdir()):
            folder.rmdir()


def move(source: Path, target: Path) -> None:
    """Move a file, or a link or folder as such, and see to it that the disk has it there."""
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
    """Files in the store and in quarantine that no row knows, with the names they came under.

    So it is after a kill between a row and its move, and where the lake was removed and is made anew.
    """
    for service in SERVICES:
        for folder in _entries(settings.file_store / service):
            for path in _entries(folder):
                match = _STORED.fullmatch(path.name)
                month = _month(folder.name)
                if match and month and str(path.relative_to(settings.root)) not in recorded_paths:
                    yield path, file_name(service, month, match[2])
    for path in _entries(settings.quarantine):
        match = _ASIDE.fullmatch(path.name)
        is_subject = match and not path.name.endswith(_REASON) and path.is_file() and not path.is_symlink()
        if match and is_subject and str(path.relative_to(settings.root)) not in recorded_paths:
            yield path, match[1]


def _escape_character(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is no text, as the system hands it to us
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character == "\\" or not character.isprintable():
        return character.encode("unicode_escape").decode("ascii")
    return character


def _move_across(source: Path, target: Path) -> None:
    """Copy to another file system, then remove the original, unless it changed meanwhile."""
    from taxi_assets.ingestion.file_stability import signature_of
    from taxi_assets.tlc.file_transfer import copy_file

    draft, before = target.with_name(f".copy-{uuid.uuid4().hex[:12]}"), signature_of(source.stat())
    copy_file(source, draft, lambda *_: None)
    if signature_of(source.stat()) != before:
        draft.unlink()
        raise TaxiError(f"{escape_name(source.name)} changed while it was copied: it is still being written")
    os.utime(draft, ns=(before[1], before[1]))
    rename_durably(draft, target)
    source.unlink()


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _month(text: str) -> Month | None:
    try:
        return Month.parse(text)
    except TaxiError:
        return None

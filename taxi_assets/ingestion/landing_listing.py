"""A look at what is in the landing folder: which files are whole, and why the others are not. Touches none of them."""

import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from taxi_assets.errors import TaxiError, describe_fault
from taxi_assets.ingestion import file_paths
from taxi_assets.ingestion.file_stability import (
    Look,
    Pace,
    is_open_for_writing,
    is_temporary,
    read_looks,
    signature_of,
    write_looks,
)
from taxi_assets.ingestion.file_state import Unfinished
from taxi_assets.ingestion.source_files import Record, utc_now
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.tlc.month_file import is_synthetic_file, parse_file_name
from taxi_assets.tlc.tlc_source import ZONE_FILE_NAMES

__all__ = ["Survey", "list_files", "place_of", "survey"]


@dataclass(frozen=True)
class Survey:
    """What a look at the landing folder finds: files that are whole, others with why not, what it passed over."""

    whole: Sequence[Path]
    unfinished: Sequence[Unfinished]
    passed: frozenset[str]


def survey(settings: Settings, pace: Pace, only: Collection[tuple[str, Month]] | None) -> Survey:
    """Look through the folder; what is seen of each file is kept for the next look.

    Args:
        settings: where the folder is.
        pace: how patiently to look.
        only: months by service, whose files alone are looked at; None for any.
    """
    kept = settings.arrived / "looks.json"
    before = read_looks(kept)
    after: dict[str, Look] = {}
    whole: list[Path] = []
    unfinished: list[Unfinished] = []
    passed: set[str] = set()
    for entry in _entries(settings.landing):
        earlier = before.get(entry.name)
        if only is not None and parse_file_name(entry.name) not in only:
            passed.add(place_of(entry))
            after |= {entry.name: earlier} if earlier else {}
            continue
        try:
            signature = signature_of(entry.lstat())
            after[entry.name] = earlier.again(signature, pace) if earlier else Look.first(signature)
            reason = _why_not_yet(entry, after[entry.name], pace)
        except FileNotFoundError:
            after.pop(entry.name, None)
            continue
        except Exception as error:  # whatever is wrong with one file, the others are looked at
            reason = f"it cannot be looked at ({describe_fault(error)})"
        if reason is None and len(whole) < pace.most_files:
            whole.append(entry)
        else:
            unfinished.append(Unfinished(place_of(entry), entry.name, reason or "others are taken first"))
    if after != before:
        write_looks(kept, after)
    return Survey(whole, unfinished, frozenset(passed))


def list_files(settings: Settings, records: Sequence[Record]) -> list[Record]:
    """The rows of `arrivals` as the folder is now: without files taken away, with files nobody has looked at.

    Changes nothing: no file is taken, no look is kept.
    """
    there = {place_of(entry): entry for entry in _entries(settings.landing)}
    known = [record for record in records if record.state != "arriving" or record.path in there]
    seen = {record.path for record in known}
    unseen = "nobody has looked at it yet: the sensor of `make up` does, or `taxi run` with its month"
    return [
        *known,
        *(
            Record(place, file_paths.shown(entry.name), "arriving", utc_now(), reasons=(unseen,))
            for place, entry in there.items()
            if place not in seen
        ),
    ]


def place_of(entry: Path) -> str:
    """The place of a file of the landing folder, as its row names it."""
    return f"landing/{file_paths.shown(entry.name)}"


def _entries(folder: Path) -> list[Path]:
    """What is in the landing folder and may be a file for us, in the order of the names."""
    try:
        found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((p for p in found if p.name not in ZONE_FILE_NAMES), key=lambda path: os.fsencode(path.name))


def _why_not_yet(path: Path, seen: Look, pace: Pace) -> str | None:
    """Why a file is left where it is for now; None where it is whole."""
    if is_temporary(path.name):
        return "it has a temporary name: rename it when it is whole"
    if not stat.S_ISREG(path.lstat().st_mode):
        return None if seen.count >= pace.looks else "it has been seen and is looked at again"
    reason = _why_not_whole(path) if parse_file_name(path.name) else _why_open(path)
    if reason is None:
        return None if seen.count >= pace.looks else "it may still be being written: it is looked at again"
    return None if seen.count >= pace.unreadable_looks and not reason.startswith("it is still") else reason


def _why_not_whole(path: Path) -> str | None:
    reason = _why_open(path)
    if reason:
        return reason
    try:
        is_synthetic_file(path)
    except TaxiError:
        return "its end is missing: it is not whole yet, or not a parquet file"
    return None


def _why_open(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return f"it is still not readable ({error.strerror}): check its permissions"
    try:
        return "it is still being written: somebody has it open" if is_open_for_writing(descriptor) else None
    finally:
        os.close(descriptor)

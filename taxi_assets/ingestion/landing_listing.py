"""A look at what is in the landing folder: which files are whole, and why the others are not. Touches none of them."""

import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from taxi_assets.errors import TaxiError, describe_error
from taxi_assets.ingestion import file_paths
from taxi_assets.ingestion.file_stability import (
    Observation,
    ScanPolicy,
    has_temporary_name,
    is_open_for_writing,
    read_observations,
    signature_of,
    write_observations,
)
from taxi_assets.ingestion.file_state import IncompleteFile
from taxi_assets.ingestion.source_files import SourceFile, utc_now
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.tlc.month_file import is_synthetic_file, parse_file_name
from taxi_assets.tlc.tlc_source import ZONE_FILE_NAMES

__all__ = ["LandingListing", "landing_path", "list_files", "list_landing"]


@dataclass(frozen=True)
class LandingListing:
    """What a look at the landing folder finds: files that are whole, others with why not, what it passed over."""

    complete: Sequence[Path]
    incomplete: Sequence[IncompleteFile]
    skipped: frozenset[str]


def list_landing(settings: Settings, policy: ScanPolicy, only: Collection[tuple[str, Month]] | None) -> LandingListing:
    """Look through the folder; what is seen of each file is kept for the next look.

    Args:
        settings: where the folder is.
        policy: how patiently to look.
        only: months by service, whose files alone are looked at; None for any.
    """
    kept = settings.file_store / "observations.json"
    before = read_observations(kept)
    after: dict[str, Observation] = {}
    complete: list[Path] = []
    incomplete: list[IncompleteFile] = []
    skipped: set[str] = set()
    for entry in _entries(settings.landing):
        earlier = before.get(entry.name)
        if only is not None and parse_file_name(entry.name) not in only:
            skipped.add(landing_path(entry))
            after |= {entry.name: earlier} if earlier else {}
            continue
        try:
            signature = signature_of(entry.lstat())
            after[entry.name] = earlier.observe_again(signature, policy) if earlier else Observation.first(signature)
            reason = _incomplete_reason(entry, after[entry.name], policy)
        except FileNotFoundError:
            after.pop(entry.name, None)
            continue
        except Exception as error:  # whatever is wrong with one file, the others are looked at
            reason = f"it cannot be looked at ({describe_error(error)})"
        if reason is None and len(complete) < policy.max_files:
            complete.append(entry)
        else:
            incomplete.append(IncompleteFile(landing_path(entry), entry.name, reason or "others are taken first"))
    if after != before:
        write_observations(kept, after)
    return LandingListing(complete, incomplete, frozenset(skipped))


def list_files(settings: Settings, records: Sequence[SourceFile]) -> list[SourceFile]:
    """The rows of `source_files` as the folder is now: without files taken away, with files nobody has looked at.

    Changes nothing: no file is taken, no look is kept.
    """
    there = {landing_path(entry): entry for entry in _entries(settings.landing)}
    known = [record for record in records if record.state != "arriving" or record.path in there]
    seen = {record.path for record in known}
    unseen = "nobody has looked at it yet: the sensor of `make up` does, or `taxi run` with its month"
    return [
        *known,
        *(
            SourceFile(place, file_paths.escape_name(entry.name), "arriving", utc_now(), reasons=(unseen,))
            for place, entry in there.items()
            if place not in seen
        ),
    ]


def landing_path(entry: Path) -> str:
    """The place of a file of the landing folder, as its row names it."""
    return f"landing/{file_paths.escape_name(entry.name)}"


def _entries(folder: Path) -> list[Path]:
    """What is in the landing folder and may be a file for us, in the order of the names."""
    try:
        found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((p for p in found if p.name not in ZONE_FILE_NAMES), key=lambda path: os.fsencode(path.name))


def _incomplete_reason(path: Path, seen: Observation, policy: ScanPolicy) -> str | None:
    """Why a file is left where it is for now; None where it is whole."""
    if has_temporary_name(path.name):
        return "it has a temporary name: rename it when it is whole"
    if not stat.S_ISREG(path.lstat().st_mode):
        return None if seen.count >= policy.observations else "it has been seen and is looked at again"
    reason = _unreadable_footer_reason(path) if parse_file_name(path.name) else _open_reason(path)
    if reason is None:
        return None if seen.count >= policy.observations else "it may still be being written: it is looked at again"
    return None if seen.count >= policy.unreadable_observations and not reason.startswith("it is still") else reason


def _unreadable_footer_reason(path: Path) -> str | None:
    reason = _open_reason(path)
    if reason:
        return reason
    try:
        is_synthetic_file(path)
    except TaxiError:
        return "its end is missing: it is not whole yet, or not a parquet file"
    return None


def _open_reason(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return f"it is still not readable ({error.strerror}): check its permissions"
    try:
        return "it is still being written: somebody has it open" if is_open_for_writing(descriptor) else None
    finally:
        os.close(descriptor)

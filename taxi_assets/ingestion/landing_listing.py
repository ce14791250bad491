"""Lists the landing folder: complete files, and the others with a reason. Moves no file."""

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
from taxi_assets.ingestion.source_files import SourceFile, utc_now
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.tlc.month_file import is_synthetic_file, parse_file_name
from taxi_assets.tlc.tlc_source import ZONE_FILE_NAMES


@dataclass(frozen=True)
class LandingListing:
    """One listing of the landing folder: complete files, incomplete ones, and paths of skipped ones."""

    complete: Sequence[Path]
    incomplete: Sequence[SourceFile]
    skipped: frozenset[str]


def list_landing(settings: Settings, policy: ScanPolicy, only: Collection[tuple[str, Month]] | None) -> LandingListing:
    """List the landing folder; save an observation of each file for the next scan.

    Args:
        settings: names the folders.
        policy: when a file counts as complete.
        only: the pairs of service and month to list files of; None for all.
    """
    kept = settings.file_store / "observations.json"
    before = read_observations(kept)
    after: dict[str, Observation] = {}
    complete: list[Path] = []
    incomplete: list[SourceFile] = []
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
        except Exception as error:  # one bad file must not block the others
            reason = f"it cannot be checked ({describe_error(error)})"
        if reason is None and len(complete) < policy.max_files:
            complete.append(entry)
        else:
            incomplete.append(arriving_file(landing_path(entry), entry.name, reason or "other files are taken first"))
    if after != before:
        write_observations(kept, after)
    return LandingListing(complete, incomplete, frozenset(skipped))


def list_files(settings: Settings, records: Sequence[SourceFile]) -> list[SourceFile]:
    """The rows of `source_files`, brought up to date with the landing folder. Changes nothing.

    Leaves out files that were removed from the folder; adds files that no scan has seen.
    """
    present = {landing_path(entry): entry for entry in _entries(settings.landing)}
    known = [record for record in records if record.state != "arriving" or record.path in present]
    seen = {record.path for record in known}
    unseen = "it is not scanned yet: the sensor of `make up` scans it, or `taxi run` with its month"
    return [
        *known,
        *(arriving_file(path, entry.name, unseen) for path, entry in present.items() if path not in seen),
    ]


def arriving_file(path: str, name: str, reason: str) -> SourceFile:
    """The row of a file that is not taken or not inspected yet."""
    return SourceFile(path, file_paths.escape_name(name), "arriving", utc_now(), reasons=(reason,))


def landing_path(entry: Path) -> str:
    """The path of a landing file, as in its row."""
    return f"landing/{file_paths.escape_name(entry.name)}"


def _entries(folder: Path) -> list[Path]:
    """Entries of the landing folder by name, without hidden files and TLC's zone files."""
    found = file_paths.entries(folder)
    return [path for path in found if not path.name.startswith(".") and path.name not in ZONE_FILE_NAMES]


def _incomplete_reason(path: Path, seen: Observation, policy: ScanPolicy) -> str | None:
    """The reason why a file is not taken yet; None if it is complete."""
    if has_temporary_name(path.name):
        return "it has a temporary name: rename it when it is complete"
    if not stat.S_ISREG(path.lstat().st_mode):
        return None if seen.count >= policy.observations else "it has been seen once: the next scan checks it again"
    reason = _open_reason(path) or (_footer_reason(path) if parse_file_name(path.name) else None)
    if reason is None:
        return None if seen.count >= policy.observations else "it may be incomplete: the next scan checks it again"
    return None if seen.count >= policy.unreadable_observations and not reason.startswith("it is still") else reason


def _footer_reason(path: Path) -> str | None:
    try:
        is_synthetic_file(path)
    except TaxiError:
        return "its end is missing: it is not complete yet, or not a parquet file"
    return None


def _open_reason(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return f"it is still not readable ({error.strerror}): check its permissions"
    try:
        return "it is still being written: a process has it open" if is_open_for_writing(descriptor) else None
    finally:
        os.close(descriptor)

"""Scans the landing folder once: takes, inspects, records and moves its complete files.

A kill after any step loses nothing: a taken file stays in `files/incoming` until it is at the path of its row, and
every scan begins with the files there.
"""

import errno
import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from taxi_assets.errors import TaxiError, describe_error
from taxi_assets.files import sha256_of
from taxi_assets.ingestion import file_paths
from taxi_assets.ingestion.file_inspection import FileStillBeingWritten, inspect_taken_file
from taxi_assets.ingestion.file_stability import IMMEDIATE, WAIT_UNTIL_STABLE, ScanPolicy
from taxi_assets.ingestion.file_state import (
    ResolvedStates,
    checksum_prefix,
    find_original,
    resolve_states,
)
from taxi_assets.ingestion.lake_files import mend_links
from taxi_assets.ingestion.landing_listing import LandingListing, arriving_file, landing_path, list_landing
from taxi_assets.ingestion.quarantine_reasons import write_reasons
from taxi_assets.ingestion.shared_files import listed_files, share_file, share_zone_files
from taxi_assets.ingestion.source_files import (
    SourceFile,
    delete_source_files,
    read_source_files,
    utc_now,
    write_source_files,
)
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.connection import Warehouse

_FULL = (errno.ENOSPC, errno.EDQUOT)

MonthKeys = Collection[tuple[str, Month]]


def scan_landing(
    warehouse: Warehouse, policy: ScanPolicy = WAIT_UNTIL_STABLE, only: MonthKeys | None = None
) -> list[SourceFile]:
    """Scan the landing folder once.

    Args:
        warehouse: its settings name the landing folder.
        policy: when a file counts as complete, and how long a scan may take.
        only: the pairs of service and month to take files of; None for all.

    Returns:
        The rows of `source_files` that this scan wrote.

    Raises:
        TaxiError: another process scans for too long, or a folder cannot be written to.
    """
    return _scan(warehouse, policy, only)[1]


def list_after_scan(warehouse: Warehouse, only: MonthKeys) -> list[SourceFile]:
    """Every row of `source_files` after an immediate scan for these months; see `scan_landing`."""
    records, changed = _scan(warehouse, IMMEDIATE, only)
    return list_source_files(warehouse) if changed else records


def _scan(
    warehouse: Warehouse, policy: ScanPolicy, only: MonthKeys | None
) -> tuple[list[SourceFile], list[SourceFile]]:
    """Scan once; return the rows before the scan and those that it wrote."""
    settings = warehouse.settings
    with file_moves_lock(settings, policy.lock_seconds):
        deadline = time.monotonic() + policy.budget_seconds
        records = list_source_files(warehouse)
        _recover_orphans(settings, records)
        listing = list_landing(settings, policy, only)
        share_zone_files(settings)
        if settings.shared_files and only is not None:  # other homes have landing folders, too
            arriving = {row.path for row in records if row.state == "arriving"}
            own = {row.path for row in listing.incomplete}
            listing = replace(listing, skipped=listing.skipped | (arriving - own))
        fault_points.fault_point("listed")
        changed = _inspect_and_record(warehouse, records, _take_complete_files(settings, listing), deadline)
        fault_points.fault_point("scanned")
    return records, changed


def take_landed_file(warehouse: Warehouse, path: Path) -> None:
    """Take, inspect and record one complete file of the landing folder, without listing the folder.

    The rows of other landing files stay. A path in the file store needs nothing.
    """
    settings = warehouse.settings
    if path.parent != settings.landing:
        return
    with file_moves_lock(settings, IMMEDIATE.lock_seconds):
        records = list_source_files(warehouse)
        landed = {row.path for row in records if row.path.startswith("landing/")}
        listing = LandingListing([path], [], frozenset(landed - {landing_path(path)}))
        _inspect_and_record(warehouse, records, _take_complete_files(settings, listing), float("inf"))


def list_source_files(warehouse: Warehouse) -> list[SourceFile]:
    """Every row of `source_files`."""
    with warehouse.reading() as connection:
        return read_source_files(connection)


@contextmanager
def file_moves_lock(settings: Settings, seconds: float) -> Iterator[None]:
    """Lock all moves of files between landing folder, file store and quarantine.

    Raises:
        TaxiError: another process keeps the lock for more than `seconds`, or the folder cannot be written to.
    """
    try:
        settings.file_store.mkdir(parents=True, exist_ok=True)
        lock = FileLock(settings.file_store / "receive.lock")
        lock.acquire(timeout=seconds)
    except Timeout as error:
        raise TaxiError("another process is scanning the landing folder: try again when it is done") from error
    except OSError as error:
        raise TaxiError(f"cannot write to {settings.file_store} ({error.strerror}): make it writable") from error
    try:
        yield
    except OSError as error:
        where = file_paths.escape_name(str(error.filename or settings.root))
        raise TaxiError(f"cannot move files ({error.strerror}: {where}): check permissions and free space") from error
    finally:
        lock.release()


def _recover_orphans(settings: Settings, records: Sequence[SourceFile]) -> None:
    """Take files without a row: a kill came between row and move, or the warehouse was removed."""
    orphans = list(file_paths.unrecorded_files(settings, {record.path for record in records}))
    for path, name in sorted(orphans, key=lambda pair: pair[0].stat().st_mtime_ns):
        with suppress(OSError):  # an unreadable file does not block the others; the next scan tries again
            # A stored file whose SHA-256 differs from its name was damaged in the file store: it is not new.
            is_sound = path.is_relative_to(settings.quarantine) or sha256_of(path) == path.stem
            file_paths.take(settings, path, "new" if is_sound else "damaged", name, "" if is_sound else path.stem[:12])


def _take_complete_files(settings: Settings, listing: LandingListing) -> LandingListing:
    """Take the complete files. A file that cannot be taken does not block the others."""
    left = list(listing.incomplete)
    for path in listing.complete:
        try:
            file_paths.take(settings, path, "new")
        except FileNotFoundError:
            continue  # removed meanwhile
        except Exception as error:
            left.append(arriving_file(landing_path(path), path.name, f"it cannot be taken ({describe_error(error)})"))
        fault_points.fault_point("taken")
    return LandingListing((), left, listing.skipped)


def _inspect_and_record(
    warehouse: Warehouse, records: Sequence[SourceFile], listing: LandingListing, deadline: float
) -> list[SourceFile]:
    """Inspect, record and move the taken files, those of an interrupted scan included."""
    settings = warehouse.settings
    inspected_files, postponed = _inspect_all(settings, deadline)
    for inspected_file in list(inspected_files):
        # If the stored copy cannot be read, the next scan tries again.
        with suppress(OSError, FileStillBeingWritten):
            damaged = _take_damaged(settings, find_original(records, inspected_file.sha256))
            inspected_files = [_inspect(damaged, settings), *inspected_files] if damaged else inspected_files
    fault_points.fault_point("inspected")
    listing = LandingListing((), [*listing.incomplete, *postponed], listing.skipped)
    resolved, changed = _record(warehouse, records, inspected_files, listing)
    faults = [_move_file(settings, settings.root / path, target) for path, target in resolved.target_paths.items()]
    for fault in (*faults, *write_reasons(settings, resolved.rows.values())):
        if fault:
            raise fault
    return changed


def _move_file(settings: Settings, at: Path, target_path: str) -> Exception | None:
    """Move a file to the path of its row; return the error, so that the other files still move."""
    target = settings.root / target_path
    try:
        if target.is_relative_to(settings.file_store):
            mend_links(settings, at, target.stem)  # the file may replace a damaged one
        file_paths.move(at, target)
        if not any(at.parent.iterdir()):
            at.parent.rmdir()
        if target.is_relative_to(settings.file_store):
            target.chmod(0o444)
    except Exception as error:
        return error
    fault_points.fault_point("moved")
    return None


def _inspect_all(settings: Settings, deadline: float) -> tuple[list[SourceFile], list[SourceFile]]:
    """The inspected files of `incoming`, and those that are inspected later."""
    inspected_files: list[SourceFile] = []
    postponed: list[SourceFile] = []
    for path in file_paths.incoming(settings):
        where = file_paths.escape_name(str(path.relative_to(settings.root)))
        if time.monotonic() > deadline:
            reason = "it is taken, and the next scan reads it"
            postponed.append(arriving_file(where, path.name, reason))
            continue
        try:
            inspected_files.append(_inspect(path, settings))
        except FileStillBeingWritten as error:
            postponed.append(arriving_file(where, path.name, str(error)))
    # Damaged files first, so that a good copy replaces them; then by name.
    inspected_files.sort(
        key=lambda each: (file_paths.take_reason_of(each.path)[0] != "damaged", os.fsencode(Path(each.path).name))
    )
    return inspected_files, postponed


def _inspect(at: Path, settings: Settings) -> SourceFile:
    """Inspect a file; an unexpected error becomes the fault for which it is quarantined.

    Raises:
        FileStillBeingWritten: it is too early to inspect it.
        OSError: the disk is full, which is not a fault of the file.
    """
    try:
        return inspect_taken_file(at, settings)
    except FileStillBeingWritten:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise
        path = str(at.relative_to(settings.root))
        return arriving_file(path, at.name, f"it cannot be inspected ({describe_error(error)})")


def _take_damaged(settings: Settings, record: SourceFile | None) -> Path | None:
    """Take a file out of the file store if its bytes no longer match its row."""
    path = settings.root / record.path if record else None
    if not record or not path or not path.is_file() or sha256_of(path) == record.sha256:
        return None
    return file_paths.take(settings, path, "damaged", record.file_name, checksum_prefix(record))


def _record(
    warehouse: Warehouse,
    records: Sequence[SourceFile],
    inspected_files: Sequence[SourceFile],
    listing: LandingListing,
) -> tuple[ResolvedStates, list[SourceFile]]:
    """Update the rows in one transaction, or write nothing if no row changes."""
    settings = warehouse.settings

    def decide(records: Collection[SourceFile]) -> ResolvedStates:
        scanned = [r for r in records if r.path not in listing.skipped]
        skipped = {r.path: r for r in records if r.path in listing.skipped}
        resolved = resolve_states(scanned, inspected_files, listing.incomplete, listed_files(settings), utc_now())
        return ResolvedStates(skipped | dict(resolved.rows), resolved.target_paths)

    before = {row.path: row for row in records}
    resolved = decide(before.values())
    changed: list[SourceFile] = []
    for path, target_path in resolved.target_paths.items():
        share_file(settings, settings.root / path, target_path)
    if resolved.rows != before:
        with warehouse.publishing("source_files") as connection:
            before = {row.path: row for row in read_source_files(connection)}  # a month may be published by now
            resolved = decide(before.values())
            changed = [row for path, row in resolved.rows.items() if before.get(path) != row]
            delete_source_files(connection, [path for path in before if path not in resolved.rows])
            write_source_files(connection, changed)
    fault_points.fault_point("recorded")
    return resolved, changed

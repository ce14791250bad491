"""One look at the landing folder: what is whole is taken, judged, recorded, and put where it belongs.

Each step can be the last of a process that is killed. What is taken lies in `arrived/incoming` until it is where its
row says, and every look begins with what lies there: so it ends as if nobody had been disturbed.
"""

import errno
import os
import shlex
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from taxi_assets.errors import TaxiError, describe_fault
from taxi_assets.ingestion import file_paths
from taxi_assets.ingestion.file_inspection import Found, StillWritten, examine
from taxi_assets.ingestion.file_stability import PATIENT, Pace
from taxi_assets.ingestion.file_state import Settlement, Unfinished, failed_checks, settle, short_of, twin_of
from taxi_assets.ingestion.landing_listing import Survey, place_of, survey
from taxi_assets.ingestion.source_files import Record, drop_records, put_records, read_records, utc_now
from taxi_assets.months import Month
from taxi_assets.settings import DataKind, Settings
from taxi_assets.tlc.file_transfer import sha256_of
from taxi_assets.tlc.month_file import parse_file_name
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["alone", "look", "records_of"]

_FULL = (errno.ENOSPC, errno.EDQUOT)

Wanted = Collection[tuple[str, Month]]


def look(warehouse: Warehouse, pace: Pace = PATIENT, only: Wanted | None = None) -> list[Record]:
    """Look once.

    Args:
        warehouse: the lake whose landing folder is looked at.
        pace: how patiently.
        only: months by service; files of no other are taken. None for any.

    Returns:
        The rows of `arrivals` that this look wrote.

    Raises:
        TaxiError: another process has been looking for too long, or a folder cannot be written to.
    """
    settings = warehouse.settings
    with alone(settings, pace.lock_seconds):
        until = time.monotonic() + pace.budget_seconds
        _adopt(settings, records_of(warehouse))
        seen = survey(settings, pace, only)
        fault_points.reached("seen")
        changed = _judge(warehouse, _take_all(settings, seen), until)
        fault_points.reached("settled")
    return changed


def records_of(warehouse: Warehouse) -> list[Record]:
    """Every row of `arrivals`."""
    with warehouse.reading() as connection:
        return read_records(connection)


@contextmanager
def alone(settings: Settings, seconds: float) -> Iterator[None]:
    """Be the only process that moves files between landing folder, store and quarantine.

    Raises:
        TaxiError: another is at it for longer than that, or the folder cannot be written to.
    """
    try:
        settings.arrived.mkdir(parents=True, exist_ok=True)
        lock = FileLock(settings.arrived / "receive.lock")
        lock.acquire(timeout=seconds)
    except Timeout as error:
        raise TaxiError("another process is taking files in: try again when it is done") from error
    except OSError as error:
        raise TaxiError(f"cannot write to {settings.arrived} ({error.strerror}): make it writable") from error
    try:
        yield
    except OSError as error:
        where = file_paths.shown(str(error.filename or settings.root))
        raise TaxiError(
            f"cannot take files in ({error.strerror}: {where}): check permissions and free space"
        ) from error
    finally:
        lock.release()


def _adopt(settings: Settings, records: Sequence[Record]) -> None:
    """Take up again what no row knows: a kill came between row and move, or the lake was removed."""
    found = list(file_paths.orphans(settings, {record.path for record in records}))
    for path, name in sorted(found, key=lambda pair: pair[0].stat().st_mtime_ns):
        with suppress(OSError):  # one that cannot be read keeps no other, and is tried again at the next look
            # A file of the store that is not what its name says was damaged there, and is no new arrival.
            is_sound = path.is_relative_to(settings.quarantine) or sha256_of(path) == path.stem
            file_paths.take(settings, path, "new" if is_sound else "damaged", name, "" if is_sound else path.stem[:12])


def _take_all(settings: Settings, seen: Survey) -> Survey:
    """Take what is whole; one that cannot be taken keeps no other."""
    left = list(seen.unfinished)
    for path in seen.whole:
        try:
            file_paths.take(settings, path, "new")
        except FileNotFoundError:
            continue  # it was taken away
        except Exception as error:
            left.append(Unfinished(place_of(path), path.name, f"it cannot be taken ({describe_fault(error)})"))
        fault_points.reached("taken")
    return Survey((), left, seen.passed)


def _judge(warehouse: Warehouse, seen: Survey, until: float) -> list[Record]:
    """Examine what was taken, by this look or one that was cut off, and settle it."""
    settings = warehouse.settings
    founds, waiting = _examine_all(settings, until)
    records = records_of(warehouse)
    for found in list(founds):
        with suppress(OSError, StillWritten):  # the copy in the store cannot be read: the next look tries again
            damaged = _take_damaged(settings, twin_of(records, found.sha256))
            founds = [_examine(damaged, settings.data_kind), *founds] if damaged else founds
    fault_points.reached("examined")
    seen = Survey((), [*seen.unfinished, *waiting], seen.passed)
    settlement, changed = _record(warehouse, founds, seen)
    faults = [_place(settings, found, settlement.places[found]) for found in founds]
    for fault in (*faults, *_write_reasons(settings, settlement)):
        if fault:
            raise fault
    return changed


def _place(settings: Settings, found: Found, place: str) -> Exception | None:
    """Move a file to where its row says; one that cannot be moved keeps no other, and is tried again."""
    target = settings.root / place
    try:
        file_paths.move(found.at, target)
        if not any(found.at.parent.iterdir()):
            found.at.parent.rmdir()
        if target.is_relative_to(settings.arrived):
            target.chmod(0o444)
    except Exception as error:
        return error
    fault_points.reached("moved")
    return None


def _examine_all(settings: Settings, until: float) -> tuple[list[Found], list[Unfinished]]:
    founds: list[Found] = []
    waiting: list[Unfinished] = []
    for path in file_paths.incoming(settings):
        where = file_paths.shown(str(path.relative_to(settings.root)))
        if time.monotonic() > until:
            waiting.append(Unfinished(where, path.name, "it is taken, and read at the next look", is_taken=True))
            continue
        try:
            founds.append(_examine(path, settings.data_kind))
        except StillWritten as error:
            waiting.append(Unfinished(where, path.name, str(error), is_taken=True))
    # Damaged ones first, so that a good copy beside them is taken; then in the order they came.
    founds.sort(key=lambda found: (found.why != "damaged", os.fsencode(found.name)))
    return founds, waiting


def _examine(at: Path, kind: DataKind) -> Found:
    """Examine a file; whatever is wrong with it is its own fault, and put aside with it.

    Raises:
        StillWritten: it cannot be judged yet.
        OSError: the disk is full, which is no file's fault.
    """
    try:
        return examine(at, kind)
    except StillWritten:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise
        return Found(at, at.name, *file_paths.why_of(at), f"it cannot be examined ({describe_fault(error)})")


def _take_damaged(settings: Settings, record: Record | None) -> Path | None:
    """Take a file out of the store whose bytes are not those of its row any more."""
    path = settings.root / record.path if record else None
    if not record or not path or not path.is_file() or sha256_of(path) == record.sha256:
        return None
    return file_paths.take(settings, path, "damaged", record.file_name, short_of(record))


def _record(warehouse: Warehouse, founds: Sequence[Found], seen: Survey) -> tuple[Settlement, list[Record]]:
    """Bring the rows up to date, in one transaction, and only if anything is new."""
    root = warehouse.settings.root

    def decide(records: Sequence[Record]) -> Settlement:
        seen_before = [r for r in records if r.path not in seen.passed]
        done = settle(seen_before, founds, seen.unfinished, lambda r: os.path.lexists(root / r.path), utc_now())
        return Settlement({r.path: r for r in records if r.path in seen.passed} | dict(done.rows), done.places)

    before = records_of(warehouse)
    settlement = decide(before)
    if _changes(before, settlement) != ([], []):
        with warehouse.publishing("arrivals") as connection:
            before = read_records(connection)  # a month may have been published meanwhile
            settlement = decide(before)
            dropped, new = _changes(before, settlement)
            drop_records(connection, dropped)
            put_records(connection, new)
    fault_points.reached("recorded")
    return settlement, _changes(before, settlement)[1]


def _changes(before: Sequence[Record], settlement: Settlement) -> tuple[list[str], list[Record]]:
    former = {record.path: record for record in before}
    new = [record for path, record in settlement.rows.items() if former.get(path) != record]
    return [path for path in former if path not in settlement.rows], new


def _write_reasons(settings: Settings, settlement: Settlement) -> list[OSError]:
    """Have a readable reason beside every file in quarantine, and none beside what has left it; what went wrong."""
    faults: list[OSError] = []
    wanted = {row.path: row for row in settlement.rows.values() if row.path.startswith("quarantine/")}
    for path, row in wanted.items():
        try:
            _write_reason(settings.root / path, row)
        except OSError as error:
            faults.append(error)
    for note in settings.quarantine.glob("*.reason.txt"):
        subject = note.with_name(note.name.removesuffix(".reason.txt"))
        if not subject.exists() and not subject.is_symlink():
            note.unlink()
    return faults


def _write_reason(subject: Path, row: Record) -> None:
    note = subject.with_name(f"{subject.name}.reason.txt")
    can_retry = parse_file_name(row.file_name) is not None and not failed_checks(row)
    again = [f"Try again: taxi arrivals retry {shlex.quote(subject.name)}"] if can_retry else []
    text = "\n".join([shlex.quote(row.file_name), *row.reasons, *again, ""])
    if subject.exists() and not (note.is_file() and note.read_text() == text):
        note.write_text(text)

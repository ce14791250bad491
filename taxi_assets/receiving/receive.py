"""One look at the landing folder: what is whole is taken, judged, recorded, and put where it belongs.

Each step can be the last of a process that is killed. What is taken lies in `arrived/incoming` until it is where its
row says, and every look begins with what lies there: so it ends as if nobody had been disturbed.
"""

import os
import stat
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from taxi_assets import moments
from taxi_assets.errors import TaxiError
from taxi_assets.lake.ledger import Record, drop_records, now, put_records, read_records
from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.months import Month
from taxi_assets.receiving import places
from taxi_assets.receiving.examining import Found, StillWritten, examine
from taxi_assets.receiving.looks import (
    PATIENT,
    Look,
    Pace,
    is_open_for_writing,
    is_temporary,
    read_looks,
    signature_of,
    write_looks,
)
from taxi_assets.receiving.settling import Settlement, Unfinished, settle, short_of, twin_of
from taxi_assets.settings import Settings
from taxi_assets.sources.arrivals import is_synthetic_file, parse_file_name
from taxi_assets.sources.landing import sha256_of
from taxi_assets.sources.tlc import ZONE_FILE_NAMES

__all__ = ["alone", "look", "records_of"]

Wanted = Collection[tuple[str, Month]]


@dataclass(frozen=True)
class _Survey:
    """What a look at the landing folder finds: files that are whole, others with why not, what it passed over."""

    whole: Sequence[Path]
    unfinished: Sequence[Unfinished]
    passed: frozenset[str]


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
        survey = _survey(settings, pace, only)
        moments.reached("seen")
        changed = _judge(warehouse, _take_all(settings, survey), until)
        moments.reached("settled")
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
        where = places.shown(str(error.filename or settings.root))
        raise TaxiError(f"cannot take files in ({error.strerror}: {where}): check permissions and free space") from error
    finally:
        lock.release()


def _adopt(settings: Settings, records: Sequence[Record]) -> None:
    """Take up again what no row knows: a kill came between row and move, or the lake was removed."""
    found = list(places.orphans(settings, {record.path for record in records}))
    for path, name in sorted(found, key=lambda pair: pair[0].stat().st_mtime_ns):
        places.take(settings, path, "new", name)


def _survey(settings: Settings, pace: Pace, only: Wanted | None) -> _Survey:
    kept = settings.arrived / "looks.json"
    before, after = read_looks(kept), {}
    whole: list[Path] = []
    unfinished: list[Unfinished] = []
    passed: set[str] = set()
    for entry in _entries(settings.landing):
        try:
            signature = signature_of(entry.lstat())
        except FileNotFoundError:
            continue
        earlier = before.get(entry.name)
        if only is not None and parse_file_name(entry.name) not in only:
            passed.add(_place(entry))
            after |= {entry.name: earlier} if earlier else {}
            continue
        after[entry.name] = earlier.again(signature, pace) if earlier else Look.first(signature)
        reason = _why_not_yet(entry, after[entry.name], pace)
        if reason is None and len(whole) < pace.most_files:
            whole.append(entry)
        else:
            unfinished.append(Unfinished(_place(entry), entry.name, reason or "others are taken first"))
    if after != before:
        write_looks(kept, after)
    return _Survey(whole, unfinished, frozenset(passed))


def _place(entry: Path) -> str:
    return f"landing/{places.shown(entry.name)}"


def _take_all(settings: Settings, survey: _Survey) -> _Survey:
    """Take what is whole; one that cannot be taken keeps no other."""
    left = list(survey.unfinished)
    for path in survey.whole:
        try:
            places.take(settings, path, "new")
        except FileNotFoundError:
            continue  # it was taken away
        except (OSError, TaxiError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            left.append(Unfinished(_place(path), path.name, f"it cannot be taken ({why})"))
        moments.reached("taken")
    return _Survey((), left, survey.passed)


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


def _judge(warehouse: Warehouse, survey: _Survey, until: float) -> list[Record]:
    """Examine what was taken, by this look or one that was cut off, and settle it."""
    settings = warehouse.settings
    founds, waiting = _examine_all(settings, until)
    records = records_of(warehouse)
    for found in list(founds):
        damaged = _take_damaged(settings, twin_of(records, found.sha256))
        if damaged:
            founds.insert(0, examine(damaged, settings.data_kind))
    moments.reached("examined")
    survey = _Survey((), [*survey.unfinished, *waiting], survey.passed)
    settlement, changed = _record(warehouse, founds, survey)
    for found in founds:
        target = settings.root / settlement.places[found]
        places.move(found.at, target)
        if not any(found.at.parent.iterdir()):
            found.at.parent.rmdir()
        if target.is_relative_to(settings.arrived):
            target.chmod(0o444)
        moments.reached("moved")
    _write_reasons(settings, settlement)
    return changed


def _examine_all(settings: Settings, until: float) -> tuple[list[Found], list[Unfinished]]:
    founds: list[Found] = []
    waiting: list[Unfinished] = []
    for path in places.incoming(settings):
        where = places.shown(str(path.relative_to(settings.root)))
        if time.monotonic() > until:
            waiting.append(Unfinished(where, path.name, "it is taken, and read at the next look", is_taken=True))
            continue
        try:
            founds.append(examine(path, settings.data_kind))
        except StillWritten as error:
            waiting.append(Unfinished(where, path.name, str(error), is_taken=True))
    # Damaged ones first, so that a good copy beside them is taken; then in the order they came.
    founds.sort(key=lambda found: (found.why != "damaged", os.fsencode(found.name)))
    return founds, waiting


def _take_damaged(settings: Settings, record: Record | None) -> Path | None:
    """Take a file out of the store whose bytes are not those of its row any more."""
    path = settings.root / record.path if record else None
    if not record or not path or not path.is_file() or sha256_of(path) == record.sha256:
        return None
    return places.take(settings, path, "damaged", record.file_name, short_of(record))


def _record(warehouse: Warehouse, founds: Sequence[Found], survey: _Survey) -> tuple[Settlement, list[Record]]:
    """Bring the rows up to date, in one transaction, and only if anything is new."""

    root = warehouse.settings.root

    def decide(records: Sequence[Record]) -> Settlement:
        seen_before = [r for r in records if r.path not in survey.passed]
        done = settle(seen_before, founds, survey.unfinished, lambda r: (root / r.path).is_file(), now())
        return Settlement({r.path: r for r in records if r.path in survey.passed} | dict(done.rows), done.places)

    before = records_of(warehouse)
    settlement = decide(before)
    if _changes(before, settlement) != ([], []):
        with warehouse.publishing("arrivals") as connection:
            before = read_records(connection)  # a month may have been published meanwhile
            settlement = decide(before)
            dropped, new = _changes(before, settlement)
            drop_records(connection, dropped)
            put_records(connection, new)
    moments.reached("recorded")
    return settlement, _changes(before, settlement)[1]


def _changes(before: Sequence[Record], settlement: Settlement) -> tuple[list[str], list[Record]]:
    former = {record.path: record for record in before}
    new = [record for path, record in settlement.rows.items() if former.get(path) != record]
    return [path for path in former if path not in settlement.rows], new


def _write_reasons(settings: Settings, settlement: Settlement) -> None:
    """Have a readable reason beside every file in quarantine, and none beside what has left it."""
    wanted = {row.path: row for row in settlement.rows.values() if row.path.startswith("quarantine/")}
    for path, row in wanted.items():
        note = settings.root / f"{path}.reason.txt"
        text = "\n".join([f"{row.file_name}", *row.reasons, f"Try again: taxi arrivals retry {Path(path).name}", ""])
        if (settings.root / path).exists() and not (note.is_file() and note.read_text() == text):
            note.write_text(text)
    for note in settings.quarantine.glob("*.reason.txt"):
        subject = note.with_name(note.name.removesuffix(".reason.txt"))
        if not subject.exists() and not subject.is_symlink():
            note.unlink()

"""`taxi files retry`, `accept` and `dismiss`: a person decides on a refused file."""

from collections.abc import Sequence
from dataclasses import replace
from getpass import getuser
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import file_paths
from taxi_assets.ingestion.file_stability import IMMEDIATE
from taxi_assets.ingestion.file_state import (
    MISSING_FILE,
    find_original,
    is_resolved,
    mark_resolved,
    mark_superseded,
    was_unaccepted,
)
from taxi_assets.ingestion.scan_landing import file_moves_lock, list_source_files, scan_landing
from taxi_assets.ingestion.source_files import (
    SourceFile,
    next_request,
    of_month,
    read_source_files,
    utc_now,
    write_source_files,
)
from taxi_assets.tlc.month_file import parse_file_name
from taxi_assets.warehouse.connection import Warehouse

_SHORTEST_PREFIX = 4


def retry(warehouse: Warehouse, text: str) -> SourceFile:
    """Make a quarantined or superseded file wait again, or request a waiting file anew.

    Args:
        warehouse: where the rows are.
        text: its name as listed, its name in quarantine, or the start of its SHA-256.

    Returns:
        Its new row: waiting, or quarantined again with the current reason.

    Raises:
        TaxiError: no such file, several, or one that cannot be retried; the message says what to do.
    """
    scan_landing(warehouse, IMMEDIATE, ())
    record = _select_retryable(list_source_files(warehouse), text)
    if record.state in ("superseded", "waiting"):
        return _reinstate(warehouse, record)
    path = warehouse.settings.root / record.path
    if MISSING_FILE in record.reasons or not path.is_file():
        raise TaxiError(f"{record.file_name} no longer exists: put it into the landing folder again")
    if parse_file_name(record.file_name) is None:
        raise TaxiError(f"{record.file_name} cannot be retried under that name: {'; '.join(record.reasons)}")
    with file_moves_lock(warehouse.settings, IMMEDIATE.lock_seconds):
        file_paths.take(warehouse.settings, path, "again", record.file_name)
    scan_landing(warehouse, IMMEDIATE, ())
    after = list_source_files(warehouse)
    return next(r for r in after if r.sha256 == record.sha256 and r.file_name == record.file_name)


def accept(warehouse: Warehouse, text: str) -> SourceFile:
    """Make an unaccepted file wait for ingestion as it is; record who accepted it, and when.

    If no unaccepted file matches, a file that was unaccepted when another superseded it can be accepted.

    Args:
        warehouse: where the rows are.
        text: its name as listed, or the start of its SHA-256.

    Raises:
        TaxiError: no such file, several, or one that is not unaccepted.
    """
    scan_landing(warehouse, IMMEDIATE, ())
    matches = [record for record in list_source_files(warehouse) if _matches(record, text)]
    candidates = [r for r in matches if r.state == "unaccepted"] or [r for r in matches if was_unaccepted(r)]
    record = _require_single(candidates or _raise_no_candidate(matches, text, "nothing to accept"), text)
    return _reinstate(warehouse, record, accepted_by=getuser(), accepted_at=utc_now())


def dismiss(warehouse: Warehouse, text: str) -> SourceFile:
    """Mark a quarantined file as resolved: it stays in quarantine, and is no longer reported.

    Args:
        warehouse: where the rows are.
        text: its name as listed, its name in quarantine, or the start of its SHA-256.

    Raises:
        TaxiError: no such file, several, or one that is not quarantined.
    """
    scan_landing(warehouse, IMMEDIATE, ())
    with (
        file_moves_lock(warehouse.settings, IMMEDIATE.lock_seconds),
        warehouse.publishing("source_files") as connection,
    ):
        matches = [record for record in read_source_files(connection) if _matches(record, text)]
        quarantined = [record for record in matches if record.state == "quarantined"]
        candidates = [record for record in quarantined if not is_resolved(record)] or quarantined
        record = _require_single(candidates or _raise_no_candidate(matches, text, "nothing to dismiss"), text)
        if is_resolved(record):
            return record
        dismissed = mark_resolved(record, f"dismissed by {getuser()} on {utc_now():%Y-%m-%d}")
        write_source_files(connection, [dismissed])
    scan_landing(warehouse, IMMEDIATE, ())  # writes the reason beside the file
    return dismissed


def _select_retryable(records: Sequence[SourceFile], text: str) -> SourceFile:
    matches = [record for record in records if _matches(record, text)]
    quarantined = [record for record in matches if record.state == "quarantined"]
    quarantined = [record for record in quarantined if MISSING_FILE not in record.reasons] or quarantined
    candidates = _without_copies(records, quarantined) or [record for record in matches if record.state == "superseded"]
    candidates = candidates or [record for record in matches if record.state == "waiting" and record.is_stored]
    return _require_single(candidates or _raise_no_candidate(matches, text, "nothing to retry"), text)


def _raise_no_candidate(matches: Sequence[SourceFile], text: str, what: str) -> list[SourceFile]:
    if not matches:
        raise TaxiError(f"no file is called '{file_paths.escape_name(text)}': see `taxi files` for their names")
    listed = "; ".join(f"{record.label} is {record.state}" for record in matches)
    hint = "; `taxi files accept` ingests an unaccepted one" if any(r.state == "unaccepted" for r in matches) else ""
    raise TaxiError(f"{what}: {listed}{hint}")


def _require_single(candidates: Sequence[SourceFile], text: str) -> SourceFile:
    if len(candidates) > 1:
        listed = ", ".join((record.sha256 or record.path)[:16] for record in candidates)
        raise TaxiError(f"{len(candidates)} files match '{file_paths.escape_name(text)}': name one of {listed}")
    return candidates[0]


def _without_copies(records: Sequence[SourceFile], quarantined: Sequence[SourceFile]) -> list[SourceFile]:
    """Quarantined files without a stored original; a superseded original takes its copies' place."""
    found: list[SourceFile] = []
    for record in quarantined:
        original = find_original(records, record.sha256)
        if original is None:
            found.append(record)
        elif original.state == "superseded" and original not in found:
            found.append(original)
    return found


def _matches(record: SourceFile, text: str) -> bool:
    is_prefix = len(text) >= _SHORTEST_PREFIX and (record.sha256 or "").startswith(text.lower())
    return is_prefix or text in (record.file_name, record.path, record.path.rpartition("/")[2])


def _reinstate(warehouse: Warehouse, record: SourceFile, **changes: Any) -> SourceFile:
    """Make a stored file wait under a new request; supersede the month's other waiting files."""
    with (
        file_moves_lock(warehouse.settings, IMMEDIATE.lock_seconds),
        warehouse.publishing("source_files") as connection,
    ):
        records = read_source_files(connection)
        again = replace(record, state="waiting", reasons=(), request=next_request(records), **changes)
        candidates = of_month(records, record.service, record.month, "waiting", "unaccepted")
        superseded = [mark_superseded(each, again) for each in candidates if each.path != record.path]
        write_source_files(connection, [*superseded, again])
    return again

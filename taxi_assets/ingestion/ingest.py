"""Ingests one month: finds or fetches its file, then publishes its rows or quarantines the file."""

import shlex
from collections.abc import Sequence
from dataclasses import replace

from taxi_assets.errors import TaxiError, WarehouseUnavailable
from taxi_assets.ingestion import file_paths
from taxi_assets.ingestion.file_stability import IMMEDIATE
from taxi_assets.ingestion.file_state import (
    DAMAGED,
    MISSING_FILE,
    checksum_prefix,
    failed_checks,
    is_copy,
    is_resolved,
    mark_superseded,
)
from taxi_assets.ingestion.publish_month import (
    IncompleteMonth,
    MonthRefused,
    publish_month,
    stored_publication,
)
from taxi_assets.ingestion.published_months import MissingZones, Publication
from taxi_assets.ingestion.recorded_file import DamagedFile, ReplacedFile
from taxi_assets.ingestion.scan_landing import (
    file_moves_lock,
    list_after_scan,
    list_source_files,
    scan_landing,
    take_landed_file,
)
from taxi_assets.ingestion.shared_files import fetch_shared, is_available, share_file
from taxi_assets.ingestion.source_files import (
    SourceFile,
    State,
    delete_source_files,
    of_month,
    read_source_files,
    write_source_files,
)
from taxi_assets.months import Month
from taxi_assets.tlc import tlc_source
from taxi_assets.tlc.landing_writes import Progress
from taxi_assets.tlc.month_file import parse_file_name
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.connection import Warehouse


def ingest_month(warehouse: Warehouse, service: str, month: Month, run_id: str | None = None) -> Publication:
    """Publish a month from its waiting file, else again from its ingested file.

    If the ingested file is gone and no other is available, the published rows stay.

    Raises:
        IncompleteMonth: much of the month is missing. The file becomes unaccepted; the published rows stay.
        MonthRefused: the rows fail the suite. The file is quarantined unless it is already ingested.
        TaxiError: there is no file, or it is damaged or breaks the contract. Such a file is quarantined.
    """
    try:
        source_file = stored_month_file(warehouse, service, month)
    except TaxiError as error:
        records = list_source_files(warehouse)
        stored = next(iter(of_month(records, service, month, "ingested")), None)
        is_gone = stored and not is_available(warehouse.settings, stored)
        if not stored or not is_gone or of_month(records, service, month, "waiting"):
            raise
        notice = f"{service} {month} uses the published rows of {stored.label}, whose file is gone: {error}"
        return replace(stored_publication(warehouse, stored), refused=(notice,))
    fetch_shared(warehouse.settings, source_file)
    try:
        published = publish_month(warehouse, source_file, run_id)
    except DamagedFile:
        _take_damaged_file(warehouse, source_file)
        raise
    except ReplacedFile:
        return ingest_month(warehouse, service, month, run_id)
    except (MissingZones, WarehouseUnavailable):  # not the file's fault
        raise
    except IncompleteMonth as refusal:
        fault_points.fault_point("refused")
        remedy = f"take it as it is: taxi files accept {(source_file.sha256 or '')[:16]}"
        _update_waiting(warehouse, source_file, state="unaccepted", reasons=(*refusal.suite_result.summary(), remedy))
        raise
    except TaxiError as error:
        reasons = error.suite_result.summary() if isinstance(error, MonthRefused) else (str(error),)
        fault_points.fault_point("refused")
        _update_waiting(warehouse, source_file, state="quarantined", reasons=reasons)
        raise
    return replace(published, refused=newer_refusals(list_source_files(warehouse), service, month))


def stored_month_file(warehouse: Warehouse, service: str, month: Month) -> SourceFile:
    """The month's file in the file store, taken from the landing folder or fetched from the source.

    Raises:
        TaxiError: no complete file is available; the message says which files there are.
    """
    records = list_after_scan(warehouse, {(service, month)})
    if source_file := _stored_file(warehouse, records, service, month):
        return source_file
    land_month(warehouse, service, month)
    records = list_source_files(warehouse)
    if source_file := _stored_file(warehouse, records, service, month):
        return source_file
    raise TaxiError(_no_file_message(records, service, month))


def land_month(warehouse: Warehouse, service: str, month: Month, progress: Progress | None = None) -> str | None:
    """Fetch a month from the source and take its file, unless one of its files is waiting.

    Returns:
        A notice if the source has no such month and the stored file is used; otherwise None.

    Raises:
        TaxiError: the source has no such month, and no file is stored. If a file of the month is quarantined or
            unaccepted, the message says why.
    """
    settings, records = warehouse.settings, list_source_files(warehouse)
    stored, incomplete = _stored_file(warehouse, records, service, month), _incomplete_reason(records, service, month)
    if stored and (of_month(records, service, month, "waiting") or settings.tlc_source == str(settings.landing)):
        return None
    if incomplete:  # never replace a file that is still being written
        if stored:
            return f"{service} {month}: {stored.file_name} from the file store is used, since {incomplete}"
        raise TaxiError(incomplete)
    try:
        files = file_paths.stored_files(settings, service, month)
        fetched = tlc_source.fetch_month(settings.tlc_source, service, month, settings.landing, progress, stored=files)
    except TaxiError as error:
        if stored:
            return f"{service} {month}: {stored.file_name} from the file store is used, since {error}"
        refused = _refused_files(records, service, month)
        if refused:
            raise TaxiError(
                f"{_no_file_message(refused, service, month)}. No other file is available: {error}"
            ) from error
        raise
    take_landed_file(warehouse, fetched)
    return None


def newer_refusals(records: Sequence[SourceFile], service: str, month: Month) -> tuple[str, ...]:
    """One sentence for each refused file that is newer than the ingested one."""
    stored = next(iter(of_month(records, service, month, "ingested")), None)
    if stored is None:
        return ()
    newer = [
        r
        for r in _refused_files(records, service, month)
        if r.first_seen_at >= stored.first_seen_at
        and not is_resolved(r)
        and not "".join(r.reasons).startswith((DAMAGED, MISSING_FILE))
    ]
    return tuple(
        f"{service} {month} uses the earlier file {stored.label}: {r.label} is {r.state}: {'; '.join(r.reasons)}"
        for r in newer
    )


def _stored_file(warehouse: Warehouse, records: Sequence[SourceFile], service: str, month: Month) -> SourceFile | None:
    """The waiting file, else the ingested one; None if there is neither."""
    stored = [*of_month(records, service, month, "waiting"), *of_month(records, service, month, "ingested")]
    return next((r for r in stored if is_available(warehouse.settings, r)), None)


def _incomplete_reason(records: Sequence[SourceFile], service: str, month: Month) -> str | None:
    """The reason why the month's file in the landing folder cannot be taken yet; None if no file is there."""
    for record in records:
        if record.state == "arriving" and parse_file_name(record.file_name) == (service, month):
            return f"{record.file_name} is in the landing folder, but {'; '.join(record.reasons)}"
    return None


def _refused_files(records: Sequence[SourceFile], service: str, month: Month) -> list[SourceFile]:
    """The month's quarantined and unaccepted files, oldest first, without duplicates of other files."""
    return [r for r in of_month(records, service, month, "quarantined", "unaccepted") if not is_copy(r)]


def _no_file_message(records: Sequence[SourceFile], service: str, month: Month) -> str:
    """The reason and the remedy of the month's newest refused file."""
    refused = _refused_files(records, service, month)
    if not refused:
        return f"there is no file of {service} {month}: put it into the landing folder"
    newest = refused[-1]
    reasons = "; ".join(newest.reasons)
    if newest.state == "unaccepted":
        return f"{newest.label} waits to be accepted: {reasons}; or put the complete file into the landing folder"
    again = f", or try again: taxi files retry {shlex.quote(newest.path.rpartition('/')[2])}"
    remedy = "Put another file into the landing folder" + ("" if failed_checks(newest) else again)
    return f"{newest.label} is in quarantine: {reasons}. {remedy}"


def _update_waiting(warehouse: Warehouse, source_file: SourceFile, state: State, reasons: Sequence[str]) -> None:
    """Change the state of a waiting file. An ingested file keeps its state, since its rows stay published.

    A month has at most one unaccepted file: a later one supersedes this one.
    """
    refused_path = file_paths.quarantine_path(source_file.sha256, source_file.file_name, "")
    if state == "quarantined":
        share_file(warehouse.settings, warehouse.settings.root / source_file.path, refused_path)
    with (
        file_moves_lock(warehouse.settings, IMMEDIATE.lock_seconds),
        warehouse.publishing("source_files") as connection,
    ):
        records = read_source_files(connection)
        for record in records:
            if record.path == source_file.path and record.state == "waiting":
                to_quarantine = state == "quarantined"
                path = refused_path if to_quarantine else record.path
                delete_source_files(connection, [record.path])
                changed = replace(record, path=path, state=state, reasons=tuple(reasons))
                later = [] if to_quarantine else of_month(records, record.service, record.month, "unaccepted")
                write_source_files(connection, [mark_superseded(changed, later[0]) if later else changed])
    scan_landing(warehouse, IMMEDIATE, ())  # moves the file, which now has no row at its old path


def _take_damaged_file(warehouse: Warehouse, source_file: SourceFile) -> None:
    """Quarantine a stored file whose bytes have changed."""
    settings = warehouse.settings
    path = settings.root / source_file.path
    with file_moves_lock(settings, IMMEDIATE.lock_seconds):
        if path.is_file():
            file_paths.take(settings, path, "damaged", source_file.file_name, checksum_prefix(source_file))
    scan_landing(warehouse, IMMEDIATE, ())

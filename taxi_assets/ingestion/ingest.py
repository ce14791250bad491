"""A month's file from the store into the lake: found, fetched where it is missing, proved, published or put aside."""

import shlex
from collections.abc import Sequence
from dataclasses import replace

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import file_paths
from taxi_assets.ingestion.file_stability import IMPATIENT
from taxi_assets.ingestion.file_state import DAMAGED, GONE, failed_checks, is_copy, overtaken, short_of
from taxi_assets.ingestion.publishing import (
    DamagedFile,
    IncompleteMonth,
    MonthRefused,
    Publication,
    publish_raw,
    review_raw,
)
from taxi_assets.ingestion.scan_landing import alone, look, records_of
from taxi_assets.ingestion.source_files import Record, State, drop_records, put_records, read_records
from taxi_assets.months import Month
from taxi_assets.tlc import tlc_source
from taxi_assets.tlc.file_transfer import Progress
from taxi_assets.tlc.month_file import Arrival, parse_file_name
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["arrived_month", "fetch_month", "ingest_month", "refused_since"]


def ingest_month(warehouse: Warehouse, service: str, month: Month, run_id: str | None = None) -> Publication:
    """Publish `raw_trips` of a month from the file that waits, else anew from the one that is ingested.

    Where the file that is ingested is gone and no other is to be had, the rows held stay as they are.

    Raises:
        IncompleteMonth: much of the month is missing. The file is unaccepted, and what is held stays.
        MonthRefused: the rows fail the suite. The file is in quarantine, unless the lake holds it already.
        TaxiError: there is no file, or it is damaged or does not meet the contract, which puts it aside, too.
    """
    try:
        arrival = arrived_month(warehouse, service, month)
    except TaxiError as error:
        held = _ingested(records_of(warehouse), service, month)
        is_gone = held and not (warehouse.settings.root / held.path).is_file()
        if not held or not is_gone or _waits(warehouse, service, month):
            raise
        told = f"{service} {month} goes on with the rows held of {held.label()}, whose file is gone: {error}"
        return replace(review_raw(warehouse, _arrival_of(warehouse, held, month)), refused=(told,))
    try:
        published = publish_raw(warehouse, arrival, run_id)
    except DamagedFile:
        _take_out(warehouse, arrival)
        raise
    except IncompleteMonth as refusal:
        fault_points.reached("refused")
        remedy = f"take it as it is: taxi arrivals accept {arrival.sha256[:16]}"
        _change_waiting(warehouse, arrival, state="unaccepted", reasons=(*refusal.verdict.summary(), remedy))
        raise
    except TaxiError as error:
        reasons = error.verdict.summary() if isinstance(error, MonthRefused) else (str(error),)
        fault_points.reached("refused")
        _change_waiting(warehouse, arrival, state="quarantined", reasons=reasons)
        raise
    return replace(published, refused=refused_since(records_of(warehouse), service, month))


def arrived_month(warehouse: Warehouse, service: str, month: Month) -> Arrival:
    """The month's file in the store: taken from the landing folder, or fetched where there is none.

    Raises:
        TaxiError: no whole file is to be had; the sentence says what there is instead.
    """
    only = {(service, month)}
    look(warehouse, IMPATIENT, only)
    arrival = _of_store(warehouse, service, month)
    if arrival is None:
        fetch_month(warehouse, service, month)
        look(warehouse, IMPATIENT, only)
        arrival = _of_store(warehouse, service, month)
    if arrival is None:
        raise TaxiError(_why_none(records_of(warehouse), service, month))
    return arrival


def fetch_month(warehouse: Warehouse, service: str, month: Month, progress: Progress | None = None) -> str | None:
    """Have the source bring a month to the landing folder, unless a file of it waits already.

    Returns:
        A sentence where the source cannot give the month and the file that is held is used; None as a rule.

    Raises:
        TaxiError: the source cannot give the month, and none is held. If a file of the month was put aside, the
            sentence says why.
    """
    settings = warehouse.settings
    held, unfinished = _of_store(warehouse, service, month), _unfinished(warehouse, service, month)
    if held and (_waits(warehouse, service, month) or settings.tlc_source == str(settings.landing)):
        return None
    if unfinished:  # a file on its way is not replaced by one from elsewhere
        if held:
            return f"{service} {month}: {held.label} is held and used, since {unfinished}"
        raise TaxiError(unfinished)
    try:
        files = file_paths.held_files(settings, service, month)
        tlc_source.bring_month(settings.tlc_source, service, month, settings.landing, progress, held=files)
    except TaxiError as error:
        if held:
            return f"{service} {month}: {held.label} is held and used, since {error}"
        aside = _aside(records_of(warehouse), service, month)
        if aside:
            raise TaxiError(f"{_why_none(aside, service, month)}. No other is to be had: {error}") from error
        raise
    return None


def refused_since(records: Sequence[Record], service: str, month: Month) -> tuple[str, ...]:
    """A sentence for each file that came after the one that is ingested and was refused: the run goes on without it."""
    held = _ingested(records, service, month)
    if held is None:
        return ()
    newer = [
        r
        for r in _aside(records, service, month)
        if r.first_seen_at >= held.first_seen_at and not "".join(r.reasons).startswith((DAMAGED, GONE))
    ]
    return tuple(
        f"{service} {month} goes on with {held.label()}, held before: {r.label()} is {r.state}: {'; '.join(r.reasons)}"
        for r in newer
    )


def _ingested(records: Sequence[Record], service: str, month: Month) -> Record | None:
    return next((r for r in records if (r.service, r.month, r.state) == (service, month, "ingested")), None)


def _unaccepted(records: Sequence[Record], service: str, month: Month) -> Record | None:
    return next((r for r in records if (r.service, r.month, r.state) == (service, month, "unaccepted")), None)


def _arrival_of(warehouse: Warehouse, record: Record, month: Month) -> Arrival:
    path, sha256, size = warehouse.settings.root / record.path, str(record.sha256), int(record.bytes or 0)
    return Arrival(path, str(record.service), month, sha256, size, record.is_synthetic, record.file_name)


def _waits(warehouse: Warehouse, service: str, month: Month) -> bool:
    return any((r.service, r.month, r.state) == (service, month, "waiting") for r in records_of(warehouse))


def _of_store(warehouse: Warehouse, service: str, month: Month) -> Arrival | None:
    """The file that waits, else the one that is ingested; None where there is neither."""
    of_month = [r for r in records_of(warehouse) if (r.service, r.month) == (service, month) and r.is_taken]
    for state in ("waiting", "ingested"):
        for record in of_month:
            if record.state == state and (warehouse.settings.root / record.path).is_file():
                return _arrival_of(warehouse, record, month)
    return None


def _unfinished(warehouse: Warehouse, service: str, month: Month) -> str | None:
    """Why a file of the month in the landing folder cannot be taken yet; None where there is none."""
    for record in records_of(warehouse):
        if record.state == "arriving" and parse_file_name(record.file_name) == (service, month):
            return f"{record.file_name} is in the landing folder, but {'; '.join(record.reasons)}"
    return None


def _aside(records: Sequence[Record], service: str, month: Month) -> list[Record]:
    """The month's files that are quarantined or unaccepted, oldest first; copies of others are none."""
    of_month = [r for r in records if (r.service, r.month) == (service, month)]
    return [r for r in of_month if r.state in ("quarantined", "unaccepted") and not is_copy(r)]


def _why_none(records: Sequence[Record], service: str, month: Month) -> str:
    """The sentence of the newest file of that month which was put aside."""
    aside = _aside(records, service, month)
    if not aside:
        return f"no file of {service} {month} has arrived: put it into the landing folder"
    newest = aside[-1]
    reasons = "; ".join(newest.reasons)
    if newest.state == "unaccepted":
        return f"{newest.label()} waits to be accepted: {reasons}; or put the whole file into the landing folder"
    again = f", or try again: taxi arrivals retry {shlex.quote(newest.path.rpartition('/')[2])}"
    remedy = "Put another file into the landing folder" + ("" if failed_checks(newest) else again)
    return f"{newest.label()} is in quarantine: {reasons}. {remedy}"


def _change_waiting(warehouse: Warehouse, arrival: Arrival, state: State, reasons: Sequence[str]) -> None:
    """Change the state of a file that waited; one the lake holds stays, since what was published of it does.

    A month has one file that is unaccepted at most: where it has another, which came later, that replaces this one.
    """
    root = warehouse.settings.root
    with alone(warehouse.settings, IMPATIENT.lock_seconds), warehouse.publishing("arrivals") as connection:
        records = read_records(connection)
        for record in records:
            if root / record.path == arrival.path and record.state == "waiting":
                is_aside = state == "quarantined"
                place = file_paths.aside_path(record.sha256, record.file_name, "") if is_aside else record.path
                drop_records(connection, [record.path])
                changed = replace(record, path=place, state=state, reasons=tuple(reasons))
                later = None if is_aside else _unaccepted(records, arrival.service, arrival.month)
                put_records(connection, [overtaken(changed, later) if later else changed])
    look(warehouse, IMPATIENT, ())  # which finds a file in the store without a row, and moves it


def _take_out(warehouse: Warehouse, arrival: Arrival) -> None:
    """Put aside a file of the store whose bytes are not what they were."""
    root = warehouse.settings.root
    with alone(warehouse.settings, IMPATIENT.lock_seconds):
        for record in records_of(warehouse):
            if root / record.path == arrival.path and arrival.path.is_file():
                file_paths.take(warehouse.settings, arrival.path, "damaged", record.file_name, short_of(record))
    look(warehouse, IMPATIENT, ())

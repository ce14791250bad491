"""A month's file from the store into the lake: found, fetched where it is missing, proved, published or put aside."""

from collections.abc import Sequence
from dataclasses import replace

from taxi_assets import moments
from taxi_assets.errors import TaxiError
from taxi_assets.lake.ledger import Record, drop_records, put_records, read_records
from taxi_assets.lake.publishing import DamagedFile, MonthRefused, Publication, publish_raw
from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.months import Month
from taxi_assets.receiving import places
from taxi_assets.receiving.looks import IMPATIENT
from taxi_assets.receiving.receive import alone, look, records_of
from taxi_assets.receiving.settling import short_of
from taxi_assets.sources import tlc
from taxi_assets.sources.arrivals import Arrival, parse_file_name

__all__ = ["arrived_month", "ingest_month"]


def ingest_month(warehouse: Warehouse, service: str, month: Month, run_id: str | None = None) -> Publication:
    """Publish `raw_trips` of a month from the file that waits, else anew from the one that is ingested.

    Raises:
        MonthRefused: the rows fail the suite. The file is in quarantine, unless the lake holds it already.
        TaxiError: there is no file, or it is damaged or does not meet the contract, which puts it aside, too.
    """
    arrival = arrived_month(warehouse, service, month)
    try:
        return publish_raw(warehouse, arrival, run_id)
    except DamagedFile:
        _take_out(warehouse, arrival)
        raise
    except TaxiError as error:
        reasons = error.verdict.summary() if isinstance(error, MonthRefused) else (str(error),)
        moments.reached("refused")
        _put_aside(warehouse, arrival, reasons)
        raise


def arrived_month(warehouse: Warehouse, service: str, month: Month) -> Arrival:
    """The month's file in the store: taken from the landing folder, or fetched where there is none.

    Raises:
        TaxiError: no whole file is to be had; the sentence says what there is instead.
    """
    settings = warehouse.settings
    only = {(service, month)}
    look(warehouse, IMPATIENT, only)
    arrival = _of_store(warehouse, service, month)
    if arrival is None:
        _refuse_unfinished(warehouse, service, month)
        held = places.held_files(settings, service, month)
        tlc.bring_month(settings.tlc_source, service, month, settings.landing, held=held)
        look(warehouse, IMPATIENT, only)
        arrival = _of_store(warehouse, service, month)
    if arrival is None:
        raise TaxiError(_why_none(records_of(warehouse), service, month))
    return arrival


def _of_store(warehouse: Warehouse, service: str, month: Month) -> Arrival | None:
    """The file that waits, else the one that is ingested; None where there is neither."""
    of_month = [r for r in records_of(warehouse) if (r.service, r.month) == (service, month) and r.is_taken]
    for state in ("waiting", "ingested"):
        for record in of_month:
            path = warehouse.settings.root / record.path
            if record.state == state and path.is_file():
                sha256, size = str(record.sha256), int(record.bytes or 0)
                return Arrival(path, service, month, sha256, size, record.is_synthetic, record.file_name)
    return None


def _refuse_unfinished(warehouse: Warehouse, service: str, month: Month) -> None:
    """A file on its way is not replaced by one from elsewhere."""
    for record in records_of(warehouse):
        parsed = parse_file_name(record.file_name)
        if record.state == "waiting" and not record.is_taken and parsed == (service, month):
            raise TaxiError(f"{record.file_name} is in the landing folder, but {'; '.join(record.reasons)}")


def _why_none(records: Sequence[Record], service: str, month: Month) -> str:
    """The sentence of the newest file of that month which was put aside."""
    aside = [r for r in records if r.state == "quarantined" and (r.service, r.month) == (service, month)]
    if not aside:
        return f"no file of {service} {month} has arrived: put it into the landing folder"
    newest = aside[-1]
    return (
        f"{newest.named()} is in quarantine: {'; '.join(newest.reasons)}. Put another file into the landing folder, "
        "or try again with `taxi arrivals retry`"
    )


def _put_aside(warehouse: Warehouse, arrival: Arrival, reasons: Sequence[str]) -> None:
    """Quarantine a file that waited; one the lake holds stays, since what was published of it does."""
    root = warehouse.settings.root
    with alone(warehouse.settings, IMPATIENT.lock_seconds), warehouse.publishing("arrivals") as connection:
        for record in read_records(connection):
            if root / record.path == arrival.path and record.state == "waiting" and record.is_taken:
                aside = places.aside_path(record.sha256, record.file_name, "")
                drop_records(connection, [record.path])
                put_records(connection, [replace(record, path=aside, state="quarantined", reasons=tuple(reasons))])
    look(warehouse, IMPATIENT, ())  # which finds the file in the store without a row, and moves it


def _take_out(warehouse: Warehouse, arrival: Arrival) -> None:
    """Put aside a file of the store whose bytes are not what they were."""
    root = warehouse.settings.root
    with alone(warehouse.settings, IMPATIENT.lock_seconds):
        for record in records_of(warehouse):
            if root / record.path == arrival.path and arrival.path.is_file():
                places.take(warehouse.settings, arrival.path, "damaged", record.file_name, short_of(record))
    look(warehouse, IMPATIENT, ())

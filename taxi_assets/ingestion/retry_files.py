"""`taxi arrivals retry` and `accept`: a file that was put aside is ingested all the same, because a person says so."""

from collections.abc import Sequence
from dataclasses import replace
from getpass import getuser
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import file_paths
from taxi_assets.ingestion.file_stability import IMPATIENT
from taxi_assets.ingestion.file_state import GONE, overtaken, twin_of, was_refused
from taxi_assets.ingestion.scan_landing import alone, look, records_of
from taxi_assets.ingestion.source_files import Record, next_request, put_records, read_records, utc_now
from taxi_assets.tlc.month_file import parse_file_name
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["accept", "retry"]

_SHORTEST_PREFIX = 4


def retry(warehouse: Warehouse, text: str) -> Record:
    """Have a quarantined or superseded file wait again, or one that waits in vain be requested anew.

    Args:
        warehouse: the lake.
        text: its name as listed, its name in quarantine, or how its SHA-256 begins.

    Returns:
        Its row afterwards: waiting, or quarantined again for the reason it has now.

    Raises:
        TaxiError: no such file, several, or one that cannot be tried again; the sentence says what to do.
    """
    look(warehouse, IMPATIENT, ())
    record = _choose(records_of(warehouse), text)
    if record.state in ("superseded", "waiting"):
        return _reinstate(warehouse, record)
    path = warehouse.settings.root / record.path
    if record.reasons == (GONE,) or not path.is_file():
        raise TaxiError(f"{record.file_name} is not there any more: put it into the landing folder again")
    if parse_file_name(record.file_name) is None:
        raise TaxiError(f"{record.file_name} cannot be tried again under that name: {'; '.join(record.reasons)}")
    with alone(warehouse.settings, IMPATIENT.lock_seconds):
        file_paths.take(warehouse.settings, path, "again", record.file_name)
    look(warehouse, IMPATIENT, ())
    after = records_of(warehouse)
    return next(r for r in after if r.sha256 == record.sha256 and r.file_name == record.file_name)


def accept(warehouse: Warehouse, text: str) -> Record:
    """Have an unaccepted file wait, to be ingested as it is; who accepted it, and when, is kept in its row.

    One that was unaccepted when another replaced it can be accepted, too, where no other is meant.

    Args:
        warehouse: the lake.
        text: its name as listed, or how its SHA-256 begins.

    Raises:
        TaxiError: no such file, several, or one that is not unaccepted.
    """
    look(warehouse, IMPATIENT, ())
    matches = [record for record in records_of(warehouse) if _is_meant(record, text)]
    candidates = [r for r in matches if r.state == "unaccepted"] or [r for r in matches if was_refused(r)]
    record = _only(candidates or _refuse(matches, text, "nothing to accept"), text)
    return _reinstate(warehouse, record, accepted_by=getuser(), accepted_at=utc_now())


def _choose(records: Sequence[Record], text: str) -> Record:
    matches = [record for record in records if _is_meant(record, text)]
    aside = [record for record in matches if record.state == "quarantined"]
    aside = [record for record in aside if record.reasons != (GONE,)] or aside
    candidates = _without_copies(records, aside) or [record for record in matches if record.state == "superseded"]
    candidates = candidates or [record for record in matches if record.state == "waiting" and record.is_taken]
    return _only(candidates or _refuse(matches, text, "nothing to try again"), text)


def _refuse(matches: Sequence[Record], text: str, what: str) -> list[Record]:
    if not matches:
        raise TaxiError(f"no file is called '{file_paths.shown(text)}': see `taxi arrivals` for their names")
    told = "; ".join(f"{record.label()} is {record.state}" for record in matches)
    unaccepted = "; `taxi arrivals accept` takes an unaccepted one in" if _has_unaccepted(matches) else ""
    raise TaxiError(f"{what}: {told}{unaccepted}")


def _has_unaccepted(records: Sequence[Record]) -> bool:
    return any(record.state == "unaccepted" for record in records)


def _only(candidates: Sequence[Record], text: str) -> Record:
    if len(candidates) > 1:
        told = ", ".join((record.sha256 or record.path)[:16] for record in candidates)
        raise TaxiError(f"{len(candidates)} files are meant by '{file_paths.shown(text)}': name one of {told}")
    return candidates[0]


def _without_copies(records: Sequence[Record], aside: Sequence[Record]) -> list[Record]:
    """Those whose bytes are not in the store as well; of superseded bytes, the store's."""
    found: list[Record] = []
    for record in aside:
        twin = twin_of(records, record.sha256)
        if twin is None:
            found.append(record)
        elif twin.state == "superseded" and twin not in found:
            found.append(twin)
    return found


def _is_meant(record: Record, text: str) -> bool:
    is_prefix = len(text) >= _SHORTEST_PREFIX and (record.sha256 or "").startswith(text.lower())
    return is_prefix or text in (record.file_name, record.path, record.path.rpartition("/")[2])


def _reinstate(warehouse: Warehouse, record: Record, **changes: Any) -> Record:
    """Have a file of the store wait for another request; it will supersede what has superseded it."""
    with alone(warehouse.settings, IMPATIENT.lock_seconds), warehouse.publishing("arrivals") as connection:
        records = read_records(connection)
        again = replace(record, state="waiting", reasons=(), request=next_request(records), **changes)
        of_month = [r for r in records if r.is_taken and (r.service, r.month) == (record.service, record.month)]
        others = [r for r in of_month if r.state in ("waiting", "unaccepted") and r.path != record.path]
        put_records(connection, [*(overtaken(r, again) for r in others), again])
    return again

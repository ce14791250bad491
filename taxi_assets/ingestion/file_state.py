"""What becomes of a file, by what is known of the others. Plain values in and out: touches neither disk nor lake."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from taxi_assets.errors import describe_fault
from taxi_assets.ingestion.file_inspection import Found
from taxi_assets.ingestion.file_paths import aside_path, shown, store_path
from taxi_assets.ingestion.source_files import Record, next_request
from taxi_assets.quality.suites import SUITES

__all__ = [
    "DAMAGED",
    "GONE",
    "Settlement",
    "Unfinished",
    "failed_checks",
    "is_copy",
    "overtaken",
    "settle",
    "short_of",
    "twin_of",
    "was_refused",
]

_SAME_BYTES = "it has the same bytes as"
_BEFORE = "before it was ingested"
DAMAGED = "damaged in the store"
GONE = "its file is gone from the store: put it into the landing folder again"


@dataclass(frozen=True)
class Unfinished:
    """What is not taken, or not judged, yet: where it is, its name, and why."""

    path: str
    name: str
    reason: str
    is_taken: bool = False


@dataclass(frozen=True)
class Settlement:
    """The rows as they are to be, by path, and the place of each file that was found, by where it is now."""

    rows: Mapping[str, Record]
    places: Mapping[Found, str]


def settle(
    records: Iterable[Record],
    founds: Iterable[Found],
    unfinished: Iterable[Unfinished],
    is_kept: Callable[[Record], bool],
    at: datetime,
) -> Settlement:
    """Decide for each file, in the order they were found.

    Args:
        records: the rows of `arrivals`.
        founds: files that were taken.
        unfinished: files that are not.
        is_kept: whether the file of a row is where the row says.
        at: the time, for the rows of files seen first.
    """
    rows = {record.path: record for record in records}
    seen = {r.file_name: r.first_seen_at for r in rows.values() if r.state == "arriving"}
    for path in [path for path, row in rows.items() if row.state == "arriving"]:
        del rows[path]
    places = {found: _settle_or_refuse(rows, found, is_kept, seen.get(shown(found.name), at)) for found in founds}
    left = list(unfinished)
    if not any(each.is_taken for each in left):  # else the file may be one of these
        _note_gone(rows, set(places.values()), is_kept)
        _undo_overtaking(rows)
    for each in left:
        name = shown(each.name)
        rows[each.path] = Record(each.path, name, "arriving", seen.get(name, at), reasons=(each.reason,))
    return Settlement(rows, places)


def twin_of(rows: Iterable[Record], sha256: str | None) -> Record | None:
    """The row of the very same bytes, taken before."""
    taken = (row for row in rows if row.is_taken and row.state != "quarantined")
    return next((row for row in taken if row.sha256 == sha256), None) if sha256 else None


def _note_gone(rows: dict[str, Record], placed: Collection[str], is_kept: Callable[[Record], bool]) -> None:
    """A person has removed files: one that waited can come again, one that was put aside is forgotten."""
    for row in list(rows.values()):
        if row.path in placed or row.state in ("ingested", "superseded") or is_kept(row):
            continue
        if row.state in ("waiting", "unaccepted"):
            rows[row.path] = replace(row, state="quarantined", reasons=(GONE,))
        elif row.reasons != (GONE,):
            del rows[row.path]


def _settle_or_refuse(rows: dict[str, Record], found: Found, is_kept: Callable[[Record], bool], at: datetime) -> str:
    """Settle a file; whatever is wrong with it, the others are settled."""
    try:
        return _settle_one(rows, found, is_kept, at)
    except Exception as error:
        return _put_aside(rows, found, f"it cannot be settled ({describe_fault(error)})", at)


def _settle_one(rows: dict[str, Record], found: Found, is_kept: Callable[[Record], bool], at: datetime) -> str:
    request = next_request(rows.values())
    fault = _damage(rows, found) if found.why == "damaged" else found.fault
    if fault or found.service is None or found.month is None or found.sha256 is None:
        return _put_aside(rows, found, fault or "it is no month's file", at)
    twin = twin_of(_rivals(rows, found), found.sha256)
    if twin and is_kept(twin):
        return _put_aside(rows, found, _duplicate(twin), at)
    place = store_path(found.service, found.month, found.sha256, found.name)
    if twin and (twin.service, twin.month) == (found.service, found.month):
        del rows[twin.path]
        rows[place] = replace(twin, path=place, reasons=tuple(r for r in twin.reasons if not r.startswith("damaged")))
        return place
    aside = aside_path(found.sha256, found.name, found.token)
    former = rows.get(aside)
    if found.why == "again":
        rows.pop(aside, None)
    elif former and not is_copy(former):
        return aside
    before = rows.get(place)  # of a file that was gone: who accepted these bytes has accepted them
    taken = _taken(found, place, request, former.first_seen_at if former else at)
    rows[place] = replace(taken, accepted_by=before.accepted_by, accepted_at=before.accepted_at) if before else taken
    _overtake(rows, rows[place])
    return place


def _rivals(rows: Mapping[str, Record], found: Found) -> list[Record]:
    """Rows a file may be a copy of: its month's, and what is ingested; the same bytes under a wrong name are not."""
    month = (found.service, found.month)
    return [row for row in rows.values() if row.snapshot is not None or (row.service, row.month) == month]


def _taken(found: Found, place: str, request: int, at: datetime) -> Record:
    columns = found.columns
    return Record(
        path=place,
        file_name=shown(found.name),
        state="waiting",
        first_seen_at=at,
        service=found.service,
        month=found.month,
        bytes=found.bytes,
        sha256=found.sha256,
        rows=columns.rows if columns else None,
        schema_era=found.schema_era,
        is_synthetic=found.is_synthetic,
        request=request,
        columns=columns.names if columns else None,
    )


def _overtake(rows: dict[str, Record], new: Record) -> None:
    """Of files of one month that wait, only the last to arrive is ingested."""
    for row in list(rows.values()):
        is_same = (row.service, row.month) == (new.service, new.month) and row.path != new.path
        if is_same and row.state in ("waiting", "unaccepted"):
            rows[row.path] = overtaken(row, new)


def _undo_overtaking(rows: dict[str, Record]) -> None:
    """A file whose successor was refused, removed or not accepted before either was ingested waits again.

    One that was refused as incomplete itself is unaccepted again, unless its successor is.
    """
    taken = [row for row in rows.values() if row.is_taken and row.state != "quarantined"]
    for row in sorted(taken, key=lambda each: each.request or 0, reverse=True):
        of_month = [r for r in rows.values() if r.is_taken and (r.service, r.month) == (row.service, row.month)]
        if not _is_overtaken(row) or any(r.state == "waiting" for r in of_month):
            continue
        successor = _successor(of_month, row)
        if not was_refused(row) and (successor is None or successor.state == "unaccepted"):
            rows[row.path] = replace(row, state="waiting", reasons=(), request=next_request(rows.values()))
        elif successor is None and not any(r.state == "unaccepted" for r in of_month):
            rows[row.path] = replace(row, state="unaccepted", reasons=row.reasons[1:])


def _successor(of_month: Iterable[Record], row: Record) -> Record | None:
    """The file by which a row is replaced; of one that was refused and replaced in turn, its successor."""
    kept = [r for r in of_month if r.state != "quarantined"]
    successor = next((r for r in kept if row.reasons[0] == _overtaken_by(r)), None)
    return _successor(kept, successor) if successor and was_refused(successor) else successor


def overtaken(row: Record, by: Record) -> Record:
    """The row as superseded before it was ingested; why it was unaccepted, if it was, stays behind the reason."""
    return replace(row, state="superseded", reasons=(_overtaken_by(by), *row.reasons))


def failed_checks(row: Record) -> bool:
    """Its rows failed the suite of raw trips, as they would again: only another file helps."""
    suite = SUITES["raw_trips"]
    names = {check.name for check in (*suite.expectations, *suite.findings)}
    return bool(row.reasons) and {reason.partition(":")[0] for reason in row.reasons} <= names


def was_refused(row: Record) -> bool:
    """It was unaccepted when another replaced it."""
    return _is_overtaken(row) and len(row.reasons) > 1


def _is_overtaken(row: Record) -> bool:
    return row.state == "superseded" and row.snapshot is None and "".join(row.reasons[:1]).endswith(_BEFORE)


def _overtaken_by(row: Record) -> str:
    return f"replaced by {row.label()} {_BEFORE}"


def _put_aside(rows: dict[str, Record], found: Found, reason: str, at: datetime) -> str:
    place = aside_path(found.sha256, found.name, found.token)
    former = rows.get(place)
    if former is None:
        rows[place] = replace(
            _taken(found, place, 0, at), state="quarantined", reasons=(reason,), request=None, is_synthetic=None
        )
    elif found.why == "again" or former.reasons == (GONE,):
        rows[place] = replace(former, reasons=(reason,))
    return place


def is_copy(row: Record) -> bool:
    """It was put aside for no fault of its own; the one it is a copy of may be gone by now."""
    return any(reason.startswith(_SAME_BYTES) for reason in row.reasons)


def _duplicate(twin: Record) -> str:
    if twin.state == "unaccepted":
        return f"{_SAME_BYTES} {twin.label()}, which is unaccepted: `taxi arrivals accept` takes that in"
    back = "; `taxi arrivals retry` goes back to it" if twin.state == "superseded" else ""
    return f"{_SAME_BYTES} {twin.label()}, which is {twin.state}: nothing is to be done{back}"


def _damage(rows: dict[str, Record], found: Found) -> str:
    """Tell what a file of the store was before it was damaged; if it was waiting, it waits no more."""
    for row in list(rows.values()):
        if not row.is_taken or row.state == "quarantined" or not found.token.startswith(short_of(row)):
            continue
        if row.state in ("waiting", "unaccepted"):
            del rows[row.path]
        else:
            rows[row.path] = replace(row, reasons=(f"{DAMAGED}: bring a good copy of {row.label()}",))
    return f"{DAMAGED}: its bytes are not those that arrived; put a good copy into the landing folder"


def short_of(record: Record) -> str:
    """What names the bytes of a row in the folder of its damaged file."""
    return (record.sha256 or "")[:12]

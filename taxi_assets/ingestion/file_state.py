"""What becomes of a file, by what is known of the others. Plain values in and out: touches neither disk nor lake."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from taxi_assets.errors import describe_error
from taxi_assets.ingestion.file_inspection import InspectedFile
from taxi_assets.ingestion.file_paths import escape_name, quarantine_path, store_path
from taxi_assets.ingestion.source_files import SourceFile, next_request
from taxi_assets.quality.suites import SUITES

__all__ = [
    "DAMAGED",
    "MISSING_FILE",
    "IncompleteFile",
    "ResolvedStates",
    "checksum_prefix",
    "failed_checks",
    "find_original",
    "is_copy",
    "mark_superseded",
    "resolve_states",
    "was_unaccepted",
]

_SAME_BYTES = "it has the same bytes as"
_BEFORE = "before it was ingested"
DAMAGED = "damaged in the store"
MISSING_FILE = "its file is gone from the store: put it into the landing folder again"


@dataclass(frozen=True)
class IncompleteFile:
    """What is not taken, or not judged, yet: where it is, its name, and why."""

    path: str
    name: str
    reason: str
    is_stored: bool = False


@dataclass(frozen=True)
class ResolvedStates:
    """The rows as they are to be, by path, and the place of each file that was found, by where it is now."""

    rows: Mapping[str, SourceFile]
    target_paths: Mapping[InspectedFile, str]


def resolve_states(
    records: Iterable[SourceFile],
    inspected_files: Iterable[InspectedFile],
    incomplete: Iterable[IncompleteFile],
    file_exists: Callable[[SourceFile], bool],
    at: datetime,
) -> ResolvedStates:
    """Decide for each file, in the order they were found.

    Args:
        records: the rows of `source_files`.
        inspected_files: files that were taken.
        incomplete: files that are not.
        file_exists: whether the file of a row is where the row says.
        at: the time, for the rows of files seen first.
    """
    rows = {record.path: record for record in records}
    seen = {r.file_name: r.first_seen_at for r in rows.values() if r.state == "arriving"}
    for path in [path for path, row in rows.items() if row.state == "arriving"]:
        del rows[path]
    target_paths = {
        inspected_file: _resolve_or_quarantine(
            rows, inspected_file, file_exists, seen.get(escape_name(inspected_file.name), at)
        )
        for inspected_file in inspected_files
    }
    left = list(incomplete)
    if not any(each.is_stored for each in left):  # else the file may be one of these
        _mark_missing(rows, set(target_paths.values()), file_exists)
        _undo_superseding(rows)
    for each in left:
        name = escape_name(each.name)
        rows[each.path] = SourceFile(each.path, name, "arriving", seen.get(name, at), reasons=(each.reason,))
    return ResolvedStates(rows, target_paths)


def find_original(rows: Iterable[SourceFile], sha256: str | None) -> SourceFile | None:
    """The row of the very same bytes, taken before."""
    taken = (row for row in rows if row.is_stored and row.state != "quarantined")
    return next((row for row in taken if row.sha256 == sha256), None) if sha256 else None


def _mark_missing(
    rows: dict[str, SourceFile], placed: Collection[str], file_exists: Callable[[SourceFile], bool]
) -> None:
    """A person has removed files: one that waited can come again, one that was put aside is forgotten."""
    for row in list(rows.values()):
        if row.path in placed or row.state in ("ingested", "superseded") or file_exists(row):
            continue
        if row.state in ("waiting", "unaccepted"):
            rows[row.path] = replace(row, state="quarantined", reasons=(MISSING_FILE,))
        elif row.reasons != (MISSING_FILE,):
            del rows[row.path]


def _resolve_or_quarantine(
    rows: dict[str, SourceFile], inspected_file: InspectedFile, file_exists: Callable[[SourceFile], bool], at: datetime
) -> str:
    """Settle a file; whatever is wrong with it, the others are settled."""
    try:
        return _resolve_state(rows, inspected_file, file_exists, at)
    except Exception as error:
        return _quarantine(rows, inspected_file, f"it cannot be settled ({describe_error(error)})", at)


def _resolve_state(
    rows: dict[str, SourceFile], inspected_file: InspectedFile, file_exists: Callable[[SourceFile], bool], at: datetime
) -> str:
    request = next_request(rows.values())
    fault = _mark_damaged(rows, inspected_file) if inspected_file.take_reason == "damaged" else inspected_file.fault
    if fault or inspected_file.service is None or inspected_file.month is None or inspected_file.sha256 is None:
        return _quarantine(rows, inspected_file, fault or "it is no month's file", at)
    original = find_original(_possible_originals(rows, inspected_file), inspected_file.sha256)
    if original and file_exists(original):
        return _quarantine(rows, inspected_file, _duplicate_reason(original), at)
    target_path = store_path(inspected_file.service, inspected_file.month, inspected_file.sha256, inspected_file.name)
    if original and (original.service, original.month) == (inspected_file.service, inspected_file.month):
        del rows[original.path]
        rows[target_path] = replace(
            original, path=target_path, reasons=tuple(r for r in original.reasons if not r.startswith("damaged"))
        )
        return target_path
    aside = quarantine_path(inspected_file.sha256, inspected_file.name, inspected_file.token)
    earlier = rows.get(aside)
    if inspected_file.take_reason == "again":
        rows.pop(aside, None)
    elif earlier and not is_copy(earlier):
        return aside
    before = rows.get(target_path)  # of a file that was gone: who accepted these bytes has accepted them
    taken = _new_source_file(inspected_file, target_path, request, earlier.first_seen_at if earlier else at)
    rows[target_path] = (
        replace(taken, accepted_by=before.accepted_by, accepted_at=before.accepted_at) if before else taken
    )
    _supersede(rows, rows[target_path])
    return target_path


def _possible_originals(rows: Mapping[str, SourceFile], inspected_file: InspectedFile) -> list[SourceFile]:
    """Rows a file may be a copy of: its month's, and what is ingested; the same bytes under a wrong name are not."""
    month = (inspected_file.service, inspected_file.month)
    return [row for row in rows.values() if row.snapshot is not None or (row.service, row.month) == month]


def _new_source_file(inspected_file: InspectedFile, target_path: str, request: int, at: datetime) -> SourceFile:
    columns = inspected_file.columns
    return SourceFile(
        path=target_path,
        file_name=escape_name(inspected_file.name),
        state="waiting",
        first_seen_at=at,
        service=inspected_file.service,
        month=inspected_file.month,
        bytes=inspected_file.bytes,
        sha256=inspected_file.sha256,
        rows=columns.rows if columns else None,
        schema_era=inspected_file.schema_era,
        is_synthetic=inspected_file.is_synthetic,
        request=request,
        columns=columns.names if columns else None,
    )


def _supersede(rows: dict[str, SourceFile], new: SourceFile) -> None:
    """Of files of one month that wait, only the last to arrive is ingested."""
    for row in list(rows.values()):
        is_same = (row.service, row.month) == (new.service, new.month) and row.path != new.path
        if is_same and row.state in ("waiting", "unaccepted"):
            rows[row.path] = mark_superseded(row, new)


def _undo_superseding(rows: dict[str, SourceFile]) -> None:
    """A file whose successor was refused, removed or not accepted before either was ingested waits again.

    One that was refused as incomplete itself is unaccepted again, unless its successor is.
    """
    taken = [row for row in rows.values() if row.is_stored and row.state != "quarantined"]
    for row in sorted(taken, key=lambda each: each.request or 0, reverse=True):
        of_month = [r for r in rows.values() if r.is_stored and (r.service, r.month) == (row.service, row.month)]
        if not _is_superseded_before_ingestion(row) or any(r.state == "waiting" for r in of_month):
            continue
        successor = _successor(of_month, row)
        if not was_unaccepted(row) and (successor is None or successor.state == "unaccepted"):
            rows[row.path] = replace(row, state="waiting", reasons=(), request=next_request(rows.values()))
        elif successor is None and not any(r.state == "unaccepted" for r in of_month):
            rows[row.path] = replace(row, state="unaccepted", reasons=row.reasons[1:])


def _successor(of_month: Iterable[SourceFile], row: SourceFile) -> SourceFile | None:
    """The file by which a row is replaced; of one that was refused and replaced in turn, its successor."""
    kept = [r for r in of_month if r.state != "quarantined"]
    successor = next((r for r in kept if row.reasons[0] == _superseded_reason(r)), None)
    return _successor(kept, successor) if successor and was_unaccepted(successor) else successor


def mark_superseded(row: SourceFile, by: SourceFile) -> SourceFile:
    """The row as superseded before it was ingested; why it was unaccepted, if it was, stays behind the reason."""
    return replace(row, state="superseded", reasons=(_superseded_reason(by), *row.reasons))


def failed_checks(row: SourceFile) -> bool:
    """Its rows failed the suite of raw trips, as they would again: only another file helps."""
    suite = SUITES["raw_trips"]
    names = {*(each.name for each in suite.expectations), *(each.name for each in suite.table_checks)}
    return bool(row.reasons) and {reason.partition(":")[0] for reason in row.reasons} <= names


def was_unaccepted(row: SourceFile) -> bool:
    """It was unaccepted when another replaced it."""
    return _is_superseded_before_ingestion(row) and len(row.reasons) > 1


def _is_superseded_before_ingestion(row: SourceFile) -> bool:
    return row.state == "superseded" and row.snapshot is None and "".join(row.reasons[:1]).endswith(_BEFORE)


def _superseded_reason(row: SourceFile) -> str:
    return f"replaced by {row.label()} {_BEFORE}"


def _quarantine(rows: dict[str, SourceFile], inspected_file: InspectedFile, reason: str, at: datetime) -> str:
    target_path = quarantine_path(inspected_file.sha256, inspected_file.name, inspected_file.token)
    earlier = rows.get(target_path)
    if earlier is None:
        rows[target_path] = replace(
            _new_source_file(inspected_file, target_path, 0, at),
            state="quarantined",
            reasons=(reason,),
            request=None,
            is_synthetic=None,
        )
    elif inspected_file.take_reason == "again" or earlier.reasons == (MISSING_FILE,):
        rows[target_path] = replace(earlier, reasons=(reason,))
    return target_path


def is_copy(row: SourceFile) -> bool:
    """It was put aside for no fault of its own; the one it is a copy of may be gone by now."""
    return any(reason.startswith(_SAME_BYTES) for reason in row.reasons)


def _duplicate_reason(original: SourceFile) -> str:
    if original.state == "unaccepted":
        return f"{_SAME_BYTES} {original.label()}, which is unaccepted: `taxi files accept` takes that in"
    back = "; `taxi files retry` goes back to it" if original.state == "superseded" else ""
    return f"{_SAME_BYTES} {original.label()}, which is {original.state}: nothing is to be done{back}"


def _mark_damaged(rows: dict[str, SourceFile], inspected_file: InspectedFile) -> str:
    """Tell what a file of the store was before it was damaged; if it was waiting, it waits no more."""
    for row in list(rows.values()):
        if not row.is_stored or row.state == "quarantined" or not inspected_file.token.startswith(checksum_prefix(row)):
            continue
        if row.state in ("waiting", "unaccepted"):
            del rows[row.path]
        else:
            rows[row.path] = replace(row, reasons=(f"{DAMAGED}: bring a good copy of {row.label()}",))
    return f"{DAMAGED}: its bytes are not those that arrived; put a good copy into the landing folder"


def checksum_prefix(record: SourceFile) -> str:
    """What names the bytes of a row in the folder of its damaged file."""
    return (record.sha256 or "")[:12]

"""Pure state transitions of source files. Nothing here touches the disk or the warehouse."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from taxi_assets.errors import describe_error
from taxi_assets.ingestion.file_paths import quarantine_path, store_path, take_reason_of
from taxi_assets.ingestion.source_files import SourceFile, next_request, of_month
from taxi_assets.quality.suites import SUITES

_SAME_BYTES = "it has the same bytes as"
_BEFORE = "before it was ingested"
DAMAGED = "damaged in the file store"
_RESOLVED = "resolved: "
MISSING_FILE = "its file is gone from the file store: put it into the landing folder again"


@dataclass(frozen=True)
class ResolvedStates:
    """The new rows by path, and the target path of each inspected file by its path in `incoming`."""

    rows: Mapping[str, SourceFile]
    target_paths: Mapping[str, str]


def resolve_states(
    records: Iterable[SourceFile],
    inspected_files: Iterable[SourceFile],
    incomplete: Sequence[SourceFile],
    file_exists: Callable[[SourceFile], bool],
    at: datetime,
) -> ResolvedStates:
    """Decide the state and the target path of each file, in the given order.

    Args:
        records: the rows of `source_files`.
        inspected_files: files in `incoming`, with their faults as reasons.
        incomplete: files that are not taken or not inspected, with the reason.
        file_exists: true if a row's file is at its path.
        at: the time of the first sight of new files.
    """
    rows = {record.path: record for record in records}
    seen = {r.file_name: r.first_seen_at for r in rows.values() if r.state == "arriving"}
    for path in [path for path, row in rows.items() if row.state == "arriving"]:
        del rows[path]
    target_paths = {
        each.path: _resolve_or_quarantine(rows, replace(each, first_seen_at=seen.get(each.file_name, at)), file_exists)
        for each in inspected_files
    }
    # A missing file may be one that waits in `incoming`.
    if not any(each.path.startswith("files/") for each in incomplete):
        _mark_missing(rows, set(target_paths.values()), file_exists)
        _undo_superseding(rows)
    rows |= {each.path: replace(each, first_seen_at=seen.get(each.file_name, at)) for each in incomplete}
    return ResolvedStates(rows, target_paths)


def find_original(rows: Iterable[SourceFile], sha256: str | None) -> SourceFile | None:
    """The row of a stored file with the same SHA-256, if there is one."""
    taken = (row for row in rows if row.is_stored and row.state != "quarantined")
    return next((row for row in taken if row.sha256 == sha256), None) if sha256 else None


def _mark_missing(
    rows: dict[str, SourceFile], placed: Collection[str], file_exists: Callable[[SourceFile], bool]
) -> None:
    """Mark waiting and unaccepted files that a person removed; drop the rows of removed quarantined files."""
    for row in list(rows.values()):
        if row.path in placed or row.state in ("ingested", "superseded") or file_exists(row):
            continue
        if row.state in ("waiting", "unaccepted"):
            rows[row.path] = replace(row, state="quarantined", reasons=(MISSING_FILE,))
        elif MISSING_FILE not in row.reasons:
            del rows[row.path]


def _resolve_or_quarantine(
    rows: dict[str, SourceFile], inspected_file: SourceFile, file_exists: Callable[[SourceFile], bool]
) -> str:
    """Resolve one file. An error quarantines it and leaves the other files alone."""
    try:
        return _resolve_state(rows, inspected_file, file_exists)
    except Exception as error:
        return _quarantine(rows, inspected_file, f"its state cannot be decided ({describe_error(error)})")


def _resolve_state(
    rows: dict[str, SourceFile], inspected_file: SourceFile, file_exists: Callable[[SourceFile], bool]
) -> str:
    request, (take_reason, token) = next_request(rows.values()), take_reason_of(inspected_file.path)
    fault = _mark_damaged(rows, token) if take_reason == "damaged" else "; ".join(inspected_file.reasons)
    if fault or inspected_file.service is None or inspected_file.month is None or inspected_file.sha256 is None:
        return _quarantine(rows, inspected_file, fault or "it is not a month's file")
    original = find_original(_possible_originals(rows, inspected_file), inspected_file.sha256)
    if original and file_exists(original):
        return _quarantine(rows, inspected_file, _duplicate_reason(original))
    target_path = store_path(
        inspected_file.service, inspected_file.month, inspected_file.sha256, inspected_file.file_name
    )
    if original and (original.service, original.month) == (inspected_file.service, inspected_file.month):
        _resolve_damaged(rows, original)
        del rows[original.path]
        rows[target_path] = replace(
            original, path=target_path, reasons=tuple(r for r in original.reasons if not r.startswith("damaged"))
        )
        return target_path
    in_quarantine = _path_in_quarantine(inspected_file)
    earlier = rows.get(in_quarantine)
    if take_reason == "again":
        rows.pop(in_quarantine, None)
    elif earlier and not is_copy(earlier):
        return in_quarantine
    before = rows.get(target_path)  # the row of a removed file: an acceptance of these bytes still counts
    rows[target_path] = replace(
        inspected_file,
        path=target_path,
        state="waiting",
        first_seen_at=earlier.first_seen_at if earlier else inspected_file.first_seen_at,
        request=request,
        accepted_by=before.accepted_by if before else None,
        accepted_at=before.accepted_at if before else None,
    )
    _supersede(rows, rows[target_path])
    return target_path


def _path_in_quarantine(inspected_file: SourceFile) -> str:
    raw_name = Path(inspected_file.path).name  # escaping a name twice would change the path
    return quarantine_path(inspected_file.sha256, raw_name, take_reason_of(inspected_file.path)[1])


def _possible_originals(rows: Mapping[str, SourceFile], inspected_file: SourceFile) -> list[SourceFile]:
    """Rows that a file may duplicate: those of its month, and those that have been ingested.

    The same bytes under a wrong name do not count.
    """
    month = (inspected_file.service, inspected_file.month)
    return [row for row in rows.values() if row.snapshot is not None or (row.service, row.month) == month]


def _supersede(rows: dict[str, SourceFile], new: SourceFile) -> None:
    """Supersede the month's other waiting and unaccepted files: only the newest is ingested."""
    for row in of_month(rows.values(), new.service, new.month, "waiting", "unaccepted"):
        if row.path != new.path:
            rows[row.path] = mark_superseded(row, new)


def _undo_superseding(rows: dict[str, SourceFile]) -> None:
    """Let a superseded file wait again if its successor was quarantined, removed or unaccepted.

    Applies only if neither was ingested. A file that was unaccepted becomes unaccepted again, unless its
    successor is unaccepted.
    """
    taken = [row for row in rows.values() if row.is_stored and row.state != "quarantined"]
    for row in sorted(taken, key=lambda each: each.request or 0, reverse=True):
        candidates = [r for r in of_month(rows.values(), row.service, row.month) if r.is_stored]
        if not _is_superseded_before_ingestion(row) or any(r.state == "waiting" for r in candidates):
            continue
        successor = _successor(candidates, row)
        if not was_unaccepted(row) and (successor is None or successor.state == "unaccepted"):
            rows[row.path] = replace(row, state="waiting", reasons=(), request=next_request(rows.values()))
        elif successor is None and not any(r.state == "unaccepted" for r in candidates):
            rows[row.path] = replace(row, state="unaccepted", reasons=row.reasons[1:])


def _successor(candidates: Iterable[SourceFile], row: SourceFile) -> SourceFile | None:
    """The file that superseded a row; if that one was unaccepted and superseded in turn, its successor."""
    kept = [r for r in candidates if r.state != "quarantined"]
    successor = next((r for r in kept if row.reasons[0] == _superseded_reason(r)), None)
    return _successor(kept, successor) if successor and was_unaccepted(successor) else successor


def mark_superseded(row: SourceFile, by: SourceFile) -> SourceFile:
    """The row as superseded before ingestion; reasons of an unaccepted file stay after the new one."""
    return replace(row, state="superseded", reasons=(_superseded_reason(by), *row.reasons))


def failed_checks(row: SourceFile) -> bool:
    """True if the rows failed the suite of raw trips: the same file would fail again."""
    suite = SUITES["raw_trips"]
    names = {*(each.name for each in suite.expectations), *(each.name for each in suite.table_checks)}
    return bool(row.reasons) and {r.partition(":")[0] for r in row.reasons if not r.startswith(_RESOLVED)} <= names


def was_unaccepted(row: SourceFile) -> bool:
    """True if the file was unaccepted when another superseded it."""
    return _is_superseded_before_ingestion(row) and len(row.reasons) > 1


def _is_superseded_before_ingestion(row: SourceFile) -> bool:
    return row.state == "superseded" and row.snapshot is None and "".join(row.reasons[:1]).endswith(_BEFORE)


def _superseded_reason(row: SourceFile) -> str:
    return f"replaced by {row.label} {_BEFORE}"


def _quarantine(rows: dict[str, SourceFile], inspected_file: SourceFile, reason: str) -> str:
    target_path = _path_in_quarantine(inspected_file)
    earlier = rows.get(target_path)
    if earlier is None:
        rows[target_path] = replace(
            inspected_file, path=target_path, state="quarantined", reasons=(reason,), is_synthetic=None
        )
    elif take_reason_of(inspected_file.path)[0] == "again" or MISSING_FILE in earlier.reasons:
        rows[target_path] = replace(earlier, reasons=(reason,))
    return target_path


def is_copy(row: SourceFile) -> bool:
    """True if the file was quarantined as a duplicate; its original may be gone by now."""
    return any(reason.startswith(_SAME_BYTES) for reason in row.reasons)


def mark_resolved(row: SourceFile, how: str) -> SourceFile:
    """The row with a last reason that says why it needs no person any more; its state stays."""
    return replace(row, reasons=(*row.reasons, f"{_RESOLVED}{how}"))


def is_resolved(row: SourceFile) -> bool:
    """True if the row was marked as resolved."""
    return any(reason.startswith(_RESOLVED) for reason in row.reasons)


def _resolve_damaged(rows: dict[str, SourceFile], original: SourceFile) -> None:
    """Resolve the damaged files under a stored file's name, of which a good copy is back."""
    for row in list(rows.values()):
        is_damaged = row.state == "quarantined" and "".join(row.reasons).startswith(DAMAGED)
        if is_damaged and row.file_name == original.file_name and not is_resolved(row):
            rows[row.path] = mark_resolved(row, "a good copy of the file came")


def _duplicate_reason(original: SourceFile) -> str:
    if original.state == "unaccepted":
        return f"{_SAME_BYTES} {original.label}, which is unaccepted: `taxi files accept` ingests that one"
    back = "; `taxi files retry` returns to that one" if original.state == "superseded" else ""
    return f"{_SAME_BYTES} {original.label}, which is {original.state}: there is nothing to do{back}"


def _mark_damaged(rows: dict[str, SourceFile], token: str) -> str:
    """Note the damage in the row of the stored file; drop the row if the file was waiting or unaccepted."""
    for row in list(rows.values()):
        if not row.is_stored or row.state == "quarantined" or not token.startswith(checksum_prefix(row)):
            continue
        if row.state in ("waiting", "unaccepted"):
            del rows[row.path]
        else:
            rows[row.path] = replace(row, reasons=(f"{DAMAGED}: provide a good copy of {row.label}",))
    return f"{DAMAGED}: its bytes do not match its recorded SHA-256; put a good copy into the landing folder"


def checksum_prefix(record: SourceFile) -> str:
    """The start of the row's SHA-256, part of the folder name of its damaged file."""
    return (record.sha256 or "")[:12]

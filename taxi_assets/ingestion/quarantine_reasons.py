"""Writes the reason of each quarantined file beside it, with the commands that a person may run."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from taxi_assets.ingestion.file_state import failed_checks, is_copy, is_resolved
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.settings import Settings
from taxi_assets.tlc.month_file import parse_file_name


def write_reasons(settings: Settings, rows: Iterable[SourceFile]) -> list[OSError]:
    """Write a reason beside each quarantined file and remove stale ones; return the errors."""
    faults: list[OSError] = []
    wanted = {row.path: row for row in rows if row.path.startswith("quarantine/")}
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


def _write_reason(subject: Path, row: SourceFile) -> None:
    note = subject.with_name(f"{subject.name}.reason.txt")
    can_retry = parse_file_name(row.file_name) is not None and not failed_checks(row)
    again = [f"Try again: taxi files retry {shlex.quote(subject.name)}"] if can_retry else []
    needs_no_person = is_copy(row) or is_resolved(row)
    dismiss = [] if needs_no_person else [f"Stop reporting it: taxi files dismiss {shlex.quote(subject.name)}"]
    text = "\n".join([shlex.quote(row.file_name), *row.reasons, *dismiss, *again, ""])
    if subject.exists() and not (note.is_file() and note.read_text() == text):
        note.write_text(text)

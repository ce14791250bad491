"""Selects the refused files that a person should look at.

Commands, pages, checks and alerts report only these.
"""

from collections.abc import Iterable, Sequence

from taxi_assets.ingestion.file_state import is_copy, is_resolved
from taxi_assets.ingestion.source_files import SourceFile, of_month
from taxi_assets.tlc.month_file import parse_file_name


def unresolved_files(records: Iterable[SourceFile]) -> list[SourceFile]:
    """The quarantined files that still need a person.

    Copies of other files need no person. A file is resolved once a file of its month that came later is ingested, once
    the good copy of a damaged file is back, or when `taxi files dismiss` names it.
    """
    rows = list(records)
    quarantined = [row for row in rows if row.state == "quarantined" and not is_copy(row) and not is_resolved(row)]
    return [row for row in quarantined if not _is_replaced(row, rows)]


def without_resolved(records: Sequence[SourceFile]) -> list[SourceFile]:
    """The files, without those in quarantine that need no person."""
    return [*(each for each in records if each.state != "quarantined"), *unresolved_files(records)]


def _is_replaced(row: SourceFile, rows: Sequence[SourceFile]) -> bool:
    """True if the month was ingested from a file that came later."""
    named = (row.service, row.month) if row.month else parse_file_name(row.file_name)
    later = of_month(rows, *named, "ingested") if named else []
    return any(each.first_seen_at > row.first_seen_at for each in later)

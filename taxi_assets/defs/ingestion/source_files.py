"""Shows source files in Dagster, the same rows as `taxi files`. `ingestion` decides their states."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from taxi_assets.defs.checks import check_spec, table_metadata
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.ingestion.published_months import Publication
    from taxi_assets.ingestion.source_files import SourceFile

_NAME = "no_file_is_in_quarantine"
_MAX_ROWS = 500  # metadata is kept with every run

QUARANTINE_CHECK = check_spec(
    _NAME,
    "raw_trips",
    "No quarantined or unaccepted file needs a person: `taxi files` shows a remedy for each",
    "warning",
    is_monthly=False,
)


def quarantine_check(warehouse: Warehouse) -> dg.AssetCheckResult:
    """The check's result, as returned by a step."""
    from taxi_assets.ingestion.scan_landing import list_source_files

    return dg.AssetCheckResult(asset_key="raw_trips", check_name=_NAME, **_result(list_source_files(warehouse)))


def quarantine_event(records: Sequence["SourceFile"]) -> dg.AssetCheckEvaluation:
    """The check's result, as reported by a sensor outside any run."""
    return dg.AssetCheckEvaluation(asset_key=dg.AssetKey("raw_trips"), check_name=_NAME, **_result(records))


def listing_digest(records: Sequence["SourceFile"]) -> str:
    """A digest of the listing, which changes when there is anything new to show."""
    shown = [[record.path, record.state, record.reasons, record.request] for record in records]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()


def file_metadata(published: Sequence["Publication"]) -> dict[str, object]:
    """Source files of raw trips and the changes in a republished one."""
    files = [p.source_file for p in published]
    metadata: dict[str, object] = {
        "files": table_metadata(
            {"service": f.service, "file": f.file_name, "bytes": f.bytes, "sha256": f.sha256} for f in files
        )
    }
    refused = [sentence for p in published for sentence in p.refused]
    if refused:
        metadata["refused"] = dg.MetadataValue.md("\n".join(f"- {sentence}" for sentence in refused))
    changed = {p.service: p.difference for p in published if p.difference}
    if changed:
        metadata["republished"] = dg.MetadataValue.md("\n\n".join(map(_difference_text, changed, changed.values())))
        metadata["difference"] = dg.MetadataValue.json(changed)
    return metadata


def data_version(published: Sequence["Publication"]) -> dg.DataVersion | None:
    """The SHA-256 of a month's file, or a digest of several; None without a month."""
    hashes = [p.source_file.sha256 or "" for p in published]
    if not hashes:
        return None
    return dg.DataVersion(hashes[0] if len(hashes) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest())


def _result(records: Sequence["SourceFile"]) -> dict[str, Any]:
    from taxi_assets.ingestion.unresolved_files import unresolved_files

    blocked = [*unresolved_files(records), *(each for each in records if each.state == "unaccepted")]
    newest = sorted(records, key=lambda record: record.first_seen_at, reverse=True)[:_MAX_ROWS]
    return {
        "passed": not blocked,
        "severity": dg.AssetCheckSeverity.WARN,
        "description": f"{len(blocked)} of {len(records)} files are quarantined or unaccepted and need a person"
        if blocked
        else "nothing to do",
        "metadata": {"source_files": table_metadata(map(_row, newest))} if newest else {},
    }


def _row(record: "SourceFile") -> dict[str, str]:
    return {
        "file": record.file_name,
        "month": f"{record.service} {record.month}" if record.month else "",
        "state": record.state,
        "reasons": "; ".join(record.reasons),
        "sha256": (record.sha256 or "")[:16],
        "path": record.path,
        "run_id": record.run_id or "",
    }


def _difference_text(service: str, difference: Mapping[str, Any]) -> str:
    rows, columns = difference["rows"], difference["columns"]
    counts = f"{rows['added']:,} rows added, {rows['removed']:,} removed, {rows['changed']:,} changed"
    if "shared" in columns:
        counts += f" in the {columns['shared']} columns that both files have"
    sentences = [f"**{service}**: {counts}."]
    sentences += [f"Columns {what}: {', '.join(columns[what])}." for what in ("added", "removed") if columns[what]]
    lines = [" ".join(sentences), "", "| figure | before | after |", "|---|---:|---:|"]
    lines += [f"| {name} | {of['before']} | {of['after']} |" for name, of in difference["statistics"].items()]
    return "\n".join(lines)

"""State of a home in comparable form, and the invariants of any home at rest."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from sample_files import SLOTS, Slot

from taxi_assets.files import sha256_of
from taxi_assets.ingestion.scan_landing import list_source_files
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.schema import TABLES

Hashes = Mapping[str, Mapping[Any, tuple[int, str]]]
_HASH = "count(*), concat_ws('-', bit_xor(hash(t)), sum(hash(t)::HUGEINT))"
# Left out of comparisons: they keep a home's history, such as acceptances, which differs between equal homes.
_HISTORY = ("source_files", "published_months")


def row_hashes(warehouse: Warehouse, tables: Collection[str] = tuple(TABLES)) -> Hashes:
    """Row count and hash of tables, by service and month where they have them."""
    with warehouse.reading() as connection:
        found: dict[str, dict[Any, tuple[int, str]]] = {}
        for table in TABLES.values():
            if table.name in _HISTORY or table.name not in tables:
                continue
            key = "(service, strftime(month, '%Y-%m'))" if table.columns[0].name == "service" else "'all'"
            rows = connection.execute(f"SELECT {key}, {_HASH} FROM {table.name} AS t GROUP BY 1").fetchall()
            found[table.name] = {of: (count, digest) for of, count, digest in rows}
    return found


def raw_trips_hashes(warehouse: Warehouse) -> dict[tuple[str, str], tuple[int, str]]:
    """Row count and hash of raw trips, by service and month."""
    key = "(service, strftime(month, '%Y-%m'))"
    with warehouse.reading() as connection:
        rows = connection.execute(f"SELECT {key}, {_HASH} FROM raw_trips AS t GROUP BY 1").fetchall()
    return {of: (count, digest) for of, count, digest in rows}


def ingested_files(warehouse: Warehouse) -> list[tuple[object, ...]]:
    """The rows of `source_files` of ingested files, without columns that depend on the history."""
    return sorted(
        (str(r.service), str(r.month), r.path, r.file_name, r.bytes, r.sha256, r.rows, r.schema_era, r.columns)
        for r in list_source_files(warehouse)
        if r.state == "ingested"
    )


def ingestions(warehouse: Warehouse) -> dict[Slot, list[str]]:
    """The files whose rows each month has shown, in order, over all snapshots."""
    found: dict[Slot, list[str]] = {slot: [] for slot in SLOTS}
    with warehouse.reading() as connection:
        query = "SELECT snapshot_id FROM lake.snapshots() WHERE commit_message = $message ORDER BY 1"
        for service, month in SLOTS:
            message = {"message": f"{service} {month}"}
            for (snapshot,) in connection.execute(query, message).fetchall():
                shown = connection.execute(
                    f"SELECT sha256 FROM lake.source_files AT (VERSION => {int(snapshot)}) "
                    "WHERE state = 'ingested' AND service = $service AND month = $month",
                    {"service": service, "month": month.first_day},
                ).fetchall()
                assert len(shown) == 1, f"{len(shown)} files of {service} {month} are ingested at once"
                if found[service, month][-1:] != [shown[0][0]]:
                    found[service, month].append(shown[0][0])
    return found


def file_checksums(warehouse: Warehouse, *folders: Path) -> dict[Path, str]:
    """Files below the folders with their SHA-256, without notes and the platform's own small files."""
    settings = warehouse.settings
    found = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    own = {settings.file_store / name for name in ("observations.json", "receive.lock")}
    return {p: sha256_of(p) for p in found if p not in own and not p.name.endswith((".reason.txt", ".origin.json"))}


def assert_consistent(warehouse: Warehouse, removed: Collection[str] = ()) -> None:
    """Checks that `source_files` and the files on disk agree, and that no month has two files.

    Args:
        warehouse: the warehouse, after an undisturbed scan.
        removed: SHA-256 of files a person removed from the file store; their rows may remain.
    """
    settings, records = warehouse.settings, list_source_files(warehouse)
    files = file_checksums(warehouse, settings.file_store, settings.quarantine)
    rows = {settings.root / record.path: record for record in records if not record.path.startswith("landing/")}
    assert len(rows) == len([r for r in records if not r.path.startswith("landing/")]), "two rows of one place"
    assert set(files) <= set(rows), f"no row names {sorted(map(str, set(files) - set(rows)))}"
    for path, record in rows.items():
        _assert_file(path, record, files, removed)
    assert not any((settings.file_store / "incoming").glob("*/*")), "something is left in incoming"
    for path in settings.quarantine.glob("*"):
        if not path.name.endswith(".reason.txt"):
            assert os.path.lexists(f"{path}.reason.txt"), f"{path.name} has no reason beside it"
    for slot in {(r.service, r.month) for r in records if r.is_stored}:
        taken = [r.state for r in records if r.is_stored and (r.service, r.month) == slot]
        assert taken.count("ingested") <= 1
        assert taken.count("waiting") <= 1
        assert taken.count("unaccepted") <= 1


def _assert_file(path: Path, record: SourceFile, files: Mapping[Path, str], removed: Collection[str]) -> None:
    if path in files:
        assert files[path] == record.sha256, f"{record.path} has other bytes than its row says"
    else:
        assert record.sha256 in removed, f"{record.path} is {record.state} and has no file"

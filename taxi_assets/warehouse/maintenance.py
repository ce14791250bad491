"""Maintains the warehouse: merges small files, expires old snapshots, deletes unused files.

The newest snapshot and those that models were trained on stay, so that a model version can be reproduced. A file is
deleted one day after its last reference, since a reader may still use it. After a kill at any point, all files of
readable snapshots are on disk and the next call continues.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from duckdb import DuckDBPyConnection

from taxi_assets.settings import Settings
from taxi_assets.warehouse.catalogue import publish_lock, staging_lock
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.data_path import relative_path
from taxi_assets.warehouse.schema import TABLES

# Longer than any read, and than a month takes from its first file to its commit.
GRACE = timedelta(days=1)

# Tables of trips are not merged: each month is one file, which is dropped whole when the month is replaced.
_MERGED = tuple(name for name, table in TABLES.items() if "source_row" not in {c.name for c in table.columns})


@dataclass(frozen=True)
class Maintenance:
    """Actions done or planned; `merged` counts files by table; paths are relative to the warehouse."""

    expired_snapshots: tuple[int, ...]
    kept_for_models: tuple[int, ...]  # older than the setting, but a model was trained on them
    merged: dict[str, int]
    unused_files: tuple[str, ...]
    orphaned_files: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def maintain(
    warehouse: Warehouse, protected_snapshots: Collection[int], keep: timedelta, now: datetime, is_dry_run: bool = False
) -> Maintenance:
    """Deletes unused files, expires snapshots older than `keep` and merges the small files of a table.

    Files that this call makes unused are deleted by a later call, after `GRACE`.

    Args:
        warehouse: The warehouse; publishers wait meanwhile, readers do not.
        protected_snapshots: Snapshots that models were trained on; they stay.
        keep: Age up to which a snapshot stays; longer than any read.
        now: The time, with its zone.
        is_dry_run: Only returns the plan.
    """
    settings = warehouse.settings
    if is_dry_run:
        with warehouse.reading() as connection:
            return _plan(connection, settings, protected_snapshots, now - keep, now - GRACE)
    with warehouse.unlocked_connection() as connection, staging_lock(settings), publish_lock(settings):
        plan = _plan(connection, settings, protected_snapshots, now - keep, now - GRACE)
        _delete(connection, plan, now - GRACE)
    for table in plan.merged:
        _merge(warehouse, table)
    return plan


def _plan(
    connection: DuckDBPyConnection,
    settings: Settings,
    protected_snapshots: Collection[int],
    expires: datetime,
    unused: datetime,
) -> Maintenance:
    snapshots = connection.execute("SELECT snapshot_id, snapshot_time FROM lake.snapshots() ORDER BY 1").fetchall()
    old = [number for number, made_at in snapshots[:-1] if made_at < expires]
    files = connection.execute("SELECT table_name, file_count FROM ducklake_table_info('lake')").fetchall()
    return Maintenance(
        expired_snapshots=tuple(number for number in old if number not in protected_snapshots),
        kept_for_models=tuple(number for number in old if number in protected_snapshots),
        merged={table: count for table, count in sorted(files) if table in _MERGED and count > 1},
        unused_files=_files(connection, _UNUSED.format("true"), unused, settings),
        orphaned_files=_files(connection, _ORPHANED.format("true"), unused, settings),
    )


_UNUSED = "CALL ducklake_cleanup_old_files('lake', older_than => $before, dry_run => {})"
_ORPHANED = "CALL ducklake_delete_orphaned_files('lake', older_than => $before, dry_run => {})"


def _files(connection: DuckDBPyConnection, call: str, before: datetime, settings: Settings) -> tuple[str, ...]:
    paths = connection.execute(call, {"before": before}).fetchall()
    return tuple(sorted(relative_path(settings, path) for (path,) in paths))


def _delete(connection: DuckDBPyConnection, plan: Maintenance, unused: datetime) -> None:
    for call in (_UNUSED, _ORPHANED):
        connection.execute(call.format("false"), {"before": unused})
    if plan.expired_snapshots:
        expired = {"expired": list(plan.expired_snapshots)}
        connection.execute("CALL ducklake_expire_snapshots('lake', versions => $expired)", expired)


def _merge(warehouse: Warehouse, table: str) -> None:
    """Rewrites the table's rows in an ordinary transaction.

    DuckLake's own merge replaces the files of readable snapshots. `count(*)` on an older snapshot then counts the rows
    of later ones too, also in readers already running.
    """
    with warehouse.publishing(f"{table} in one file") as connection:
        connection.execute(f"CREATE TEMP TABLE merged AS FROM lake.{table}")
        connection.execute(f"DELETE FROM lake.{table}")
        connection.execute(f"INSERT INTO lake.{table} FROM merged")
        connection.execute("DROP TABLE temp.merged")

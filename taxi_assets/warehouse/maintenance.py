"""Tidies the lake: small files become one, old snapshots and files that nothing needs go. Knows no Dagster, no MLflow.

The newest snapshot stays, and so does each that a model learned from, whatever its age: a version can be made again.
A file goes a day after nothing refers to it, since someone may still be reading it. Killed at any moment, it leaves a
lake that the next call goes on with: what a snapshot names is on the disk, always.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.schema import TABLES

__all__ = ["Maintenance", "maintain"]

# Longer than anyone reads, and than a month takes from its first file to its commit.
GRACE = timedelta(days=1)

# A month of trips is a file of its own, which is dropped whole when the month is replaced: merged, it could not be.
_MERGED = tuple(name for name, table in TABLES.items() if "source_row" not in {c.name for c in table.columns})


@dataclass(frozen=True)
class Maintenance:
    """What is done, or would be: `merged` is files by table; files are named by their place in the lake's folder."""

    expired_snapshots: tuple[int, ...]
    kept_for_models: tuple[int, ...]  # older than the setting, but a model learned from them
    merged: dict[str, int]
    unused_files: tuple[str, ...]
    orphaned_files: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The facts as JSON knows values."""
        return asdict(self)


def maintain(
    warehouse: Warehouse, protected_snapshots: Collection[int], keep: timedelta, now: datetime, is_dry_run: bool = False
) -> Maintenance:
    """Delete files nothing needs, expire snapshots older than `keep`, put tables of many small files into one.

    What this call makes superfluous is deleted by a later one, after `GRACE`.

    Args:
        warehouse: The lake; publishers wait meanwhile, readers do not.
        protected_snapshots: Snapshots models learned from; they stay.
        keep: Age up to which a snapshot stays; longer than anyone reads.
        now: The time, with its zone.
        is_dry_run: Tell what would be done and do nothing.
    """
    folder = warehouse.settings.warehouse
    if is_dry_run:
        with warehouse.reading() as connection:
            return _plan(connection, folder, protected_snapshots, now - keep, now - GRACE)
    with warehouse.exclusive_connection() as connection:
        plan = _plan(connection, folder, protected_snapshots, now - keep, now - GRACE)
        _delete(connection, plan, now - GRACE)
    for table in plan.merged:
        _merge(warehouse, table)
    return plan


def _plan(
    connection: DuckDBPyConnection,
    folder: Path,
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
        unused_files=_files(connection, _UNUSED.format("true"), unused, folder),
        orphaned_files=_files(connection, _ORPHANED.format("true"), unused, folder),
    )


_UNUSED = "CALL ducklake_cleanup_old_files('lake', older_than => $before, dry_run => {})"
_ORPHANED = "CALL ducklake_delete_orphaned_files('lake', older_than => $before, dry_run => {})"


def _files(connection: DuckDBPyConnection, call: str, before: datetime, folder: Path) -> tuple[str, ...]:
    paths = [Path(path) for (path,) in connection.execute(call, {"before": before}).fetchall()]
    return tuple(sorted(path.relative_to(folder).as_posix() for path in paths))


def _delete(connection: DuckDBPyConnection, plan: Maintenance, unused: datetime) -> None:
    for call in (_UNUSED, _ORPHANED):
        connection.execute(call.format("false"), {"before": unused})
    if plan.expired_snapshots:
        expired = {"expired": list(plan.expired_snapshots)}
        connection.execute("CALL ducklake_expire_snapshots('lake', versions => $expired)", expired)


def _merge(warehouse: Warehouse, table: str) -> None:
    """Write the table's rows anew, as a publication like any other.

    DuckLake's own merging replaces the files of snapshots that are still read: `count(*)` then counts the rows of later
    ones too, in a reader under way and for good when an older snapshot is read.
    """
    with warehouse.publishing(f"{table} in one file") as connection:
        connection.execute(f"CREATE TEMP TABLE merged AS FROM lake.{table}")
        connection.execute(f"DELETE FROM lake.{table}")
        connection.execute(f"INSERT INTO lake.{table} FROM merged")
        connection.execute("DROP TABLE temp.merged")

"""Finds pending work: waiting files in the file store, and ingested months without features."""

from collections.abc import Sequence
from dataclasses import dataclass

from filelock import BaseFileLock, FileLock, Timeout

from taxi_assets.ingestion.source_files import SourceFile, read_source_files
from taxi_assets.months import newest_month
from taxi_assets.settings import Settings, run_lock
from taxi_assets.warehouse.available_months import available_months, features_snapshots
from taxi_assets.warehouse.connection import Warehouse

_LOCK_WAIT_SECONDS = 5


@dataclass(frozen=True)
class PendingWork:
    """Waiting files, and ingested files without current features; oldest month first."""

    waiting: tuple[SourceFile, ...]
    without_features: tuple[SourceFile, ...]


def find_pending(warehouse: Warehouse) -> PendingWork:
    """The pending work of the services in use. Reads only tables."""
    with warehouse.reading() as connection:
        records = read_source_files(connection)
        made = features_snapshots(connection)
    ours = sorted(
        (r for r in records if r.is_stored and r.service in warehouse.settings.services),
        key=lambda record: (str(record.month), str(record.service)),
    )
    ingested = [record for record in ours if record.state == "ingested" and record.snapshot is not None]
    behind = [r for r in ingested if r.month and made.get((str(r.service), r.month), -1) < (r.snapshot or 0)]
    return PendingWork(tuple(r for r in ours if r.state == "waiting"), tuple(behind))


def is_run_active(settings: Settings) -> bool:
    """True if a `taxi run` is active: it publishes the landed files itself."""
    return _is_busy(run_lock(settings), 0)


def is_publish_locked(settings: Settings) -> bool:
    """True if the publish lock stays busy for 5 seconds; sensors must not block."""
    return settings.warehouse.is_dir() and _is_busy(FileLock(settings.warehouse / "publish.lock"), _LOCK_WAIT_SECONDS)


def newest_trainable(warehouse: Warehouse, waiting: Sequence[SourceFile]) -> SourceFile | None:
    """The newest waiting file, if no later month is available and an earlier one is available or waiting."""
    waiting = [record for record in waiting if record.month and record.month <= newest_month()]
    if not waiting:
        return None
    newest = waiting[-1]
    with warehouse.reading() as connection:
        available = {str(month) for month in available_months(connection, warehouse.settings.services)}
    candidates = available | {str(record.month) for record in waiting}
    return newest if max(candidates) == str(newest.month) != min(candidates) else None


def _is_busy(lock: BaseFileLock, seconds: float) -> bool:
    try:
        with lock.acquire(timeout=seconds):
            return False
    except Timeout:
        return True

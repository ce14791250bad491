"""Finds pending work: waiting files in the file store."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from filelock import Timeout

from taxi_assets.ingestion.source_files import SourceFile, read_source_files
from taxi_assets.months import newest_month
from taxi_assets.settings import Settings, run_lock
from taxi_assets.warehouse.available_months import available_months
from taxi_assets.warehouse.catalogue import publish_lock, staging_lock
from taxi_assets.warehouse.connection import Warehouse

_LOCK_WAIT_SECONDS = 5


def find_pending(warehouse: Warehouse) -> tuple[SourceFile, ...]:
    """The waiting files of the services in use, oldest month first. Reads only tables."""
    with warehouse.reading() as connection:
        records = read_source_files(connection)
    waiting = (r for r in records if r.state == "waiting" and r.service in warehouse.settings.services)
    return tuple(sorted(waiting, key=lambda record: (str(record.month), str(record.service))))


def is_run_active(settings: Settings) -> bool:
    """True if a `taxi run` is active: it publishes the landed files itself."""
    lock = run_lock(settings)
    lock.timeout = 0
    return _is_busy(lock)


def is_publish_locked(settings: Settings) -> bool:
    """True if a lock of publishers stays busy for 5 seconds; sensors must not block."""
    if not settings.warehouse.is_dir():
        return False
    return _is_busy(staging_lock(settings, _LOCK_WAIT_SECONDS)) or _is_busy(publish_lock(settings, _LOCK_WAIT_SECONDS))


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


def _is_busy(lock: AbstractContextManager[object]) -> bool:
    try:
        with lock:
            return False
    except Timeout:
        return True

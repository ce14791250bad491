"""What there is to ingest: files that wait in the store, and months whose rows did not get as far as features."""

from collections.abc import Sequence
from dataclasses import dataclass

from filelock import FileLock, Timeout

from taxi_assets.ingestion.source_files import SourceFile, read_source_files
from taxi_assets.months import newest_month
from taxi_assets.settings import Settings, run_lock
from taxi_assets.warehouse.available_months import available_months, features_snapshots
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["PendingWork", "find_pending", "is_publish_locked", "is_run_active", "newest_trainable"]

_LOCK_WAIT_SECONDS = 5


@dataclass(frozen=True)
class PendingWork:
    """Rows of `source_files`, oldest month first: files to ingest; and ingested ones without features made of them."""

    waiting: tuple[SourceFile, ...]
    without_features: tuple[SourceFile, ...]


def find_pending(warehouse: Warehouse) -> PendingWork:
    """What there is to do for the services in use. Reads no file."""
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
    """A `taxi run` is taking files in by itself: what has landed is its to publish."""
    try:
        with run_lock(settings).acquire(timeout=0):
            return False
    except Timeout:
        return True


def is_publish_locked(settings: Settings) -> bool:
    """Somebody has been publishing for seconds: whoever must be done within a minute does not queue for the lake."""
    try:
        with FileLock(settings.warehouse / "publish.lock").acquire(timeout=_LOCK_WAIT_SECONDS):
            return False
    except Timeout:
        return True
    except FileNotFoundError:  # no lake yet
        return False


def newest_trainable(warehouse: Warehouse, waiting: Sequence[SourceFile]) -> SourceFile | None:
    """The newest of the files, if no later month is held, and an earlier one is, or waits with it, to learn from."""
    waiting = [record for record in waiting if record.month and record.month <= newest_month()]
    if not waiting:
        return None
    newest = waiting[-1]
    with warehouse.reading() as connection:
        available = {str(month) for month in available_months(connection, warehouse.settings.services)}
    candidates = available | {str(record.month) for record in waiting}
    return newest if max(candidates) == str(newest.month) != min(candidates) else None

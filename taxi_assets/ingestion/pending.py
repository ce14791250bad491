"""What there is to ingest: files that wait in the store, and months whose rows did not get as far as features."""

from collections.abc import Sequence
from dataclasses import dataclass

from filelock import FileLock, Timeout

from taxi_assets.ingestion.source_files import Record, read_records
from taxi_assets.months import newest_month
from taxi_assets.settings import Settings, run_lock
from taxi_assets.warehouse.available_months import features_snapshots, held_months
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["Work", "can_train", "find_work", "is_publishing", "is_run_at_work"]

_PATIENCE_SECONDS = 5


@dataclass(frozen=True)
class Work:
    """Rows of `arrivals`, oldest month first: files to ingest; and ingested ones without features made of them."""

    waiting: tuple[Record, ...]
    without_features: tuple[Record, ...]


def find_work(warehouse: Warehouse) -> Work:
    """What there is to do for the services in use. Reads no file."""
    with warehouse.reading() as connection:
        records = read_records(connection)
        made = features_snapshots(connection)
    ours = sorted(
        (r for r in records if r.is_taken and r.service in warehouse.settings.services),
        key=lambda record: (str(record.month), str(record.service)),
    )
    ingested = [record for record in ours if record.state == "ingested" and record.snapshot is not None]
    behind = [r for r in ingested if r.month and made.get((str(r.service), r.month), -1) < (r.snapshot or 0)]
    return Work(tuple(r for r in ours if r.state == "waiting"), tuple(behind))


def is_run_at_work(settings: Settings) -> bool:
    """A `taxi run` is taking files in by itself: what has landed is its to publish."""
    try:
        with run_lock(settings).acquire(timeout=0):
            return False
    except Timeout:
        return True


def is_publishing(settings: Settings) -> bool:
    """Somebody has been publishing for seconds: whoever must be done within a minute does not queue for the lake."""
    try:
        with FileLock(settings.warehouse / "publish.lock").acquire(timeout=_PATIENCE_SECONDS):
            return False
    except Timeout:
        return True
    except FileNotFoundError:  # no lake yet
        return False


def can_train(warehouse: Warehouse, waiting: Sequence[Record]) -> Record | None:
    """The newest of the files, if no later month is held, and an earlier one is, or waits with it, to learn from."""
    waiting = [record for record in waiting if record.month and record.month <= newest_month()]
    if not waiting:
        return None
    newest = waiting[-1]
    with warehouse.reading() as connection:
        held = {str(month) for month in held_months(connection, warehouse.settings.services)}
    known = held | {str(record.month) for record in waiting}
    return newest if max(known) == str(newest.month) != min(known) else None

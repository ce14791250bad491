"""The landing sensor and its runs, called in this process, with kills at fault points."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sample_files import publish_month

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import file_stability, scan_landing
from taxi_assets.ingestion.pending import find_pending
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.connection import Warehouse

TICK = file_stability.ScanPolicy(seconds_between=0)  # two scans complete a file, however soon
_MOST_ROUNDS = 6


class Killed(BaseException):
    """Simulates the end of the process; only the test catches it."""


@contextmanager
def killed_at(point_name: str, nth: int = 1) -> Iterator[None]:
    """Ends the process's work at the n-th time a fault point is reached; suppresses `Killed` only."""
    left, former = nth, fault_points.fault_point

    def fault_point(now: str) -> None:
        nonlocal left
        left -= now == point_name
        if now == point_name and left == 0:
            raise Killed

    fault_points.fault_point = fault_point
    try:
        with suppress(Killed):
            yield
    finally:
        fault_points.fault_point = former


def scan(warehouse: Warehouse) -> None:
    scan_landing.scan_landing(warehouse, TICK)


def publish_pending(warehouse: Warehouse) -> list[str]:
    """Runs ticks and the runs they request until none is requested; returns the errors of failed runs."""
    scan(warehouse)
    errors: list[str] = []
    for _ in range(_MOST_ROUNDS):
        slots = {(str(r.service), r.month) for r in find_pending(warehouse) if r.month}
        if not slots:
            return errors
        for slot in sorted(slots):
            try:
                publish_month(warehouse, slot)
            except TaxiError as error:
                errors.append(str(error))
    raise AssertionError(f"there is always more to do: {errors}")

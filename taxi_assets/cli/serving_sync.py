"""Keeps one home in step with the shared store: `python -m taxi_assets.cli.serving_sync ROLE`.

The role is `replica` or `source`. A replica follows the shared routing. The source is the home with the warehouse, and
shares its routing. Both exchange their logs.
"""

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable

from taxi_assets.errors import TaxiError, describe_error
from taxi_assets.serving.prediction_log.segments import request_seal
from taxi_assets.serving.replication.log_exchange import delete_ingested
from taxi_assets.serving.replication.replica import LOGS, Replica
from taxi_assets.serving.replication.shared_routing import share_routing
from taxi_assets.settings import Settings
from taxi_assets.settings.environment import isolate
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.shared_store import SharedStore

ROUTING_SECONDS, LOG_SECONDS, STATUS_SECONDS, SEAL_SECONDS = 1.0, 10.0, 30.0, 60.0
_LOGGER = logging.getLogger("serving_sync")


class Step:
    """Work that is done again and again.

    Args:
        name: Its name in messages.
        work: Returns a line for people, or nothing.
        seconds: Seconds between two beginnings.
    """

    def __init__(self, name: str, work: Callable[[], str | None], seconds: float) -> None:
        self._name, self._work, self._seconds = name, work, seconds
        self._due, self._failure = 0.0, ""

    def run_if_due(self, now: float) -> None:
        """Do the work if its time has come; a failure is logged once and tried again."""
        if now < self._due:
            return
        self._due = now + self._seconds
        try:
            line = self._work()
        except (TaxiError, OSError) as error:
            if describe_error(error) != self._failure:
                self._failure = describe_error(error)
                _LOGGER.error("%s: %s; it is tried again", self._name, self._failure)
            return
        if self._failure:
            _LOGGER.warning("%s: works again", self._name)
        self._failure = ""
        if line:
            _LOGGER.warning("%s: %s", self._name, line)


def replica_steps(settings: Settings) -> list[Step]:
    """The work of a machine that serves riders."""
    replica = Replica(settings, SharedStore(settings), retry_seconds=SEAL_SECONDS)
    return [
        Step("routing", lambda: _follow(replica), ROUTING_SECONDS),
        *_log_steps(settings, replica),
        Step("status", replica.report_alive, STATUS_SECONDS),
    ]


def source_steps(settings: Settings) -> list[Step]:
    """The work of the home with the warehouse."""
    store = SharedStore(settings)
    warehouse = Warehouse(settings)

    def share() -> str | None:
        shared = share_routing(settings, store)
        return f"revision {shared.revision.revision} is shared" if shared else None

    def delete() -> None:
        for log in LOGS:
            delete_ingested(store, warehouse, log.folder(settings), log.name)

    return [
        Step("routing", share, ROUTING_SECONDS),
        *_log_steps(settings, Replica(settings, store, removes_old=False)),
        Step("ingested logs", delete, 60 * SEAL_SECONDS),
    ]


def main() -> None:
    """Run the steps of the named role until SIGINT or SIGTERM."""
    isolate()
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.WARNING)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        steps = {"replica": replica_steps, "source": source_steps}[sys.argv[1]](Settings())
    except TaxiError as error:
        raise SystemExit(f"error: {error}") from error
    while not stopped.is_set():
        for step in steps:
            step.run_if_due(time.monotonic())
        stopped.wait(ROUTING_SECONDS / 5)
    for step in steps[1:2]:  # what was sealed meanwhile
        step.run_if_due(float("inf"))


def _follow(replica: Replica) -> str | None:
    before, now = replica.status(), replica.follow_routing()
    if now.problem and now.problem != before.problem:
        return f"the routing is not applied: {now.problem}"
    return f"follows revision {now.revision}" if now.adopted != before.adopted else None


def _log_steps(settings: Settings, replica: Replica) -> list[Step]:
    def exchange() -> None:
        replica.exchange_logs()

    def seal() -> None:
        for log in LOGS:
            request_seal(log.folder(settings))

    return [Step("logs", exchange, LOG_SECONDS), Step("segments", seal, SEAL_SECONDS)]


if __name__ == "__main__":
    main()

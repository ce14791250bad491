"""A whole server ends under load: each reply is complete and logged, and one retry suffices."""

import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest
from endpoint import RIDE
from loaded_bento import bento_with_workers, wait_until, workers_of

from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.serving.deployments.serving_state import STATE_VARIABLE
from taxi_assets.serving.prediction_log.ingest_log import ingest_log
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

CLIENTS = 8
WORKERS = 2
ANSWERS = 1_000
END_SECONDS = 20.0

pytestmark = pytest.mark.slow


class Server(NamedTuple):
    """A running Bento: its URL, BentoML's first process and the workers."""

    url: str
    first: psutil.Process
    workers: list[psutil.Process]


class Client(threading.Thread):
    """Sends rides over a kept connection; one whose connection breaks is sent once more.

    The second attempt and the later rides go to the other server.

    Attributes:
        answers: Request id and minutes of each complete reply.
        retried: Number of rides sent twice.
        faults: Rides that failed twice, and replies that were incomplete or refusals.
    """

    def __init__(self, urls: list[str], is_over: threading.Event) -> None:
        super().__init__()
        self._connections = [http.client.HTTPConnection(urlsplit(url).netloc, timeout=30) for url in urls]
        self._is_over = is_over
        self.answers: list[tuple[str, float]] = []
        self.retried = 0
        self.faults: list[str] = []

    def run(self) -> None:
        while not self._is_over.is_set() and not self.faults:
            if not self._ask():
                self._connections.reverse()
                self.retried += 1
                if not self._ask():
                    self.faults.append("both attempts broke")
        for connection in self._connections:
            connection.close()

    def _ask(self) -> bool:
        """Send a ride; False if the connection breaks before the first byte of the reply."""
        connection = self._connections[0]
        try:
            connection.request("POST", "/predict", json.dumps(RIDE), {"Content-Type": "application/json"})
            response = connection.getresponse()
        except OSError:
            connection.close()
            return False
        try:
            body = json.loads(response.read())
            self.answers.append((body["request_id"], body["duration_minutes"]))
        except (http.client.HTTPException, OSError, ValueError, KeyError) as error:
            self.faults.append(f"status {response.status}, then {error!r}")
        return True


@contextmanager
def asking(*urls: str) -> Iterator[list[Client]]:
    """Clients that ask during the block."""
    is_over = threading.Event()
    clients = [Client(list(urls), is_over) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        is_over.set()
        for client in clients:
            client.join()


def wait_for_answers(clients: list[Client], count: int) -> None:
    seen = sum(len(client.answers) for client in clients)
    wait_until(lambda: sum(len(client.answers) for client in clients) >= seen + count or bool(faults(clients)))


def faults(clients: list[Client]) -> list[str]:
    return [fault for client in clients for fault in client.faults]


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", data_kind="synthetic", memory_limit="1GB")


@pytest.fixture
def serve(built: Settings, home: Settings, tmp_path: Path) -> Callable[[], AbstractContextManager[Server]]:
    """Serves a Bento during a block, and logs in this test's home."""

    @contextmanager
    def serving() -> Iterator[Server]:
        program = bento_with_workers(built, WORKERS)
        port = program.endpoint.port if program.endpoint else 0
        own = {STATE_VARIABLE: str(home.serving_state), "BENTOML_HOME": str(tmp_path / f"bentoml_{port}")}
        opened = len(list(home.prediction_log.glob("*.open")))
        with running(replace(program, env={**program.env, **own}), tmp_path / f"{port}.log") as url:
            wait_until(lambda: len(list(home.prediction_log.glob("*.open"))) == opened + WORKERS)
            workers = workers_of(url)
            yield Server(url, psutil.Process(workers[0].ppid()), workers)

    return serving


def check_log(home: Settings, clients: list[Client]) -> None:
    """The log has exactly the answers that the clients have."""
    answers = [answer for client in clients for answer in client.answers]
    assert not list(home.prediction_log.glob("*.open"))
    result = ingest_log(Warehouse(home))
    with Warehouse(home).reading() as connection:
        rows = connection.execute("SELECT request_id, round(duration_minutes, 2) FROM predictions").fetchall()
    assert sorted(rows) == sorted(answers)
    assert (result.records, result.duplicates, result.overdue) == (len(answers), 0, ())


def test_sigterm_loses_no_ride_of_a_client_that_retries_once(
    serve: Callable[[], AbstractContextManager[Server]], home: Settings
) -> None:
    with serve() as ending, serve() as other, asking(ending.url, other.url) as clients:
        wait_for_answers(clients, ANSWERS)
        begun = time.monotonic()
        ending.first.terminate()
        _, left = psutil.wait_procs([ending.first, *ending.workers], timeout=END_SECONDS)
        sys.stdout.write(f"the server ended in {time.monotonic() - begun:.1f} s\n")
        wait_for_answers(clients, ANSWERS)
    assert (left, faults(clients)) == ([], [])
    assert {client.retried for client in clients} == {1}
    check_log(home, clients)


def test_workers_end_with_a_killed_server_and_seal_the_log(
    serve: Callable[[], AbstractContextManager[Server]], home: Settings
) -> None:
    with serve() as killed:
        with asking(killed.url, killed.url) as clients:
            wait_for_answers(clients, ANSWERS)
            killed.first.kill()
            _, left = psutil.wait_procs(killed.workers, timeout=END_SECONDS)
        assert left == []
        assert not list(home.prediction_log.glob("*.open"))  # sealed by the workers themselves
    assert set(faults(clients)) <= {"both attempts broke"}
    check_log(home, clients)

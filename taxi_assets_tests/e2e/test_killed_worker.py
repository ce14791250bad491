"""`kill -9` of a worker under load: each acknowledged answer is logged, and ingested, exactly once."""

import dataclasses
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from endpoint import RIDE

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import Program, bento_program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.serving.prediction_log.ingest_log import ingest_log
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

CLIENTS = 6
KILLS = 4
ANSWERS_BETWEEN = 300
DEADLINE_SECONDS = 120


class Clients:
    """Threads that ask for rides until they are stopped, and keep each answer."""

    def __init__(self, url: str) -> None:
        self.answers: list[tuple[str, float]] = []
        self.failed = 0
        self._url, self._is_over = url, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=[number]) for number in range(CLIENTS)]

    @contextmanager
    def asking(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in self._threads:
                thread.join()

    def wait_for(self, answers: int) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(self.answers) < answers:
            assert time.monotonic() < deadline, f"{len(self.answers)} answers, {self.failed} failures"
            self._is_over.wait(0.01)

    def _ask(self, number: int) -> None:
        ride, pickup = {**RIDE, "rider_key": f"rider {number}"}, 0
        while not self._is_over.is_set():
            pickup = pickup % 263 + 1
            # A new connection each time: a kept one stays with its worker.
            with suppress(httpx.HTTPError), httpx.Client(trust_env=False, timeout=10) as client:
                self.failed += 1
                response = client.post(f"{self._url}/predict", json={**ride, "pickup_zone_id": pickup})
                assert response.status_code == 200, response.text
                body = response.json()
                self.answers.append((body["request_id"], body["duration_minutes"]))
                self.failed -= 1


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", data_kind="synthetic", memory_limit="1GB")


@pytest.fixture
def two_workers(built: Settings, home: Settings) -> Program:
    """The Bento of the small model with two workers, which log in this test's home."""
    program = bento_program(built.model_copy(update={"bento_workers": 2, "bento_port": free_port("127.0.0.1")}))
    return dataclasses.replace(program, env={**program.env, "TAXI_SERVING_STATE": str(home.serving_state)})


def writers(log: Path) -> list[int]:
    """The processes that have an open segment of this log."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any(Path(each.path).parent == log for each in process.open_files()):
                found.append(process.pid)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("sync", ["process", "disk"])
def test_log_and_replies_agree_after_kills(two_workers: Program, home: Settings, tmp_path: Path, sync: str) -> None:
    program = dataclasses.replace(two_workers, env={**two_workers.env, "TAXI_PREDICTION_LOG_SYNC": sync})
    log, killed = home.prediction_log, set[int]()
    with running(program, tmp_path / "bento.log") as url:
        clients = Clients(url)
        with clients.asking():
            for number in range(1, KILLS + 1):
                clients.wait_for(number * ANSWERS_BETWEEN)
                victim = next(pid for pid in writers(log) if pid not in killed)
                os.kill(victim, signal.SIGKILL)
                killed.add(victim)
            clients.wait_for((KILLS + 1) * ANSWERS_BETWEEN)
    assert len(killed) == KILLS
    result = ingest_log(Warehouse(home))
    with Warehouse(home).reading() as connection:
        rows = connection.execute("SELECT request_id, round(duration_minutes, 2) FROM predictions").fetchall()
    logged = dict(rows)
    assert Counter(request_id for request_id, _ in clients.answers).most_common(1)[0][1] == 1
    assert {each: logged.get(each) for each, _ in clients.answers} == dict(clients.answers)
    # A request that failed may be in the log: its worker was killed between the record and the reply.
    assert len(clients.answers) <= len(logged) == len(rows) <= len(clients.answers) + clients.failed
    assert (result.records, result.duplicates, result.overdue) == (len(rows), 0, ())
    assert ingest_log(Warehouse(home)).segments == ()
    assert not list(log.glob("*.open"))

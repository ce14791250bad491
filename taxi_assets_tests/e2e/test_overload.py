"""Under overload and while workers end, the served Bento answers or says when to try again."""

import http.client
import json
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from endpoint import RIDE, post
from loaded_bento import bento_with_workers, wait_until, workers_of

from benchmarks.http_load import load
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.serving.deployments.serving_state import STATE_VARIABLE
from taxi_assets.serving.endpoint.admission import MAX_ADMITTED
from taxi_assets.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
OVERLOAD, SECONDS = 4 * MAX_ADMITTED, 5


def test_overload_is_refused_and_every_answer_is_logged(built: Settings, tmp_path: Path) -> None:
    home = Settings(home=tmp_path / "home", data_kind="synthetic")
    program = bento_with_workers(built, 1)
    program = replace(program, env={**program.env, STATE_VARIABLE: str(home.serving_state)})
    with running(program, tmp_path / "bento.log") as url:
        found = load(url, OVERLOAD, SECONDS)
    assert set(found.latencies) == {200, 503}
    assert "retry-after: 1" in found.heads[503].lower()
    records = sum(len(path.read_bytes().splitlines()) for path in home.prediction_log.glob("*.jsonl"))
    assert records == len(found.latencies[200])


class RetryingClient(threading.Thread):
    """Sends rides one after the other; each is sent once more if its connection breaks."""

    def __init__(self, url: str, ended: threading.Event) -> None:
        super().__init__()
        self._address = urlsplit(url).netloc
        self._ended = ended
        self.answered = self.retried = self.failed = 0

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=30)
        while not self._ended.is_set():
            for attempt in (1, 2):
                try:
                    connection.request("POST", "/predict", json.dumps(RIDE), {"Content-Type": "application/json"})
                    response = connection.getresponse()
                    response.read()
                    self.answered += response.status == 200
                    self.failed += response.status != 200
                    break
                except (OSError, http.client.HTTPException):
                    connection.close()
                    self.retried += attempt == 1
                    self.failed += attempt == 2
        connection.close()


def test_ended_worker_fails_no_request_of_a_client_that_retries_once(built: Settings, tmp_path: Path) -> None:
    with running(bento_with_workers(built, 2), tmp_path / "bento.log") as url:
        wait_until(lambda: len(workers_of(url)) == 2)
        ended = threading.Event()
        clients = [RetryingClient(url, ended) for _ in range(8)]
        for client in clients:
            client.start()
        try:
            for _ in range(3):
                before = {worker.pid for worker in workers_of(url)}
                workers_of(url)[0].terminate()
                wait_until(lambda before=before: len({worker.pid for worker in workers_of(url)} - before) == 1)
                answered = sum(client.answered for client in clients)
                # The new worker loads meanwhile.
                wait_until(lambda answered=answered: sum(client.answered for client in clients) > answered + 3_000)
        finally:
            ended.set()
            for client in clients:
                client.join()
    assert sum(client.failed for client in clients) == 0
    assert sum(client.answered for client in clients) > 1_000


@pytest.mark.parametrize("ended", ["worker", "server"])
def test_sigterm_lets_admitted_requests_finish(built: Settings, tmp_path: Path, ended: str) -> None:
    columns = {name: [value] * 10_000 for name, value in RIDE.items()}
    with running(bento_with_workers(built, 1), tmp_path / "bento.log") as url:
        answers: list[int] = []
        thread = threading.Thread(
            target=lambda: answers.append(post(url, "/predict_many", json=columns, timeout=30).status_code)
        )
        (worker,) = workers_of(url)
        thread.start()
        wait_until(lambda: (bool(worker.net_connections("tcp")) and worker.cpu_percent(0.01) > 20) or bool(answers))
        (worker if ended == "worker" else psutil.Process(worker.ppid())).terminate()
        thread.join()
    assert answers == [200]

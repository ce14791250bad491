"""Two machines that share nothing but S3 serve riders behind Traefik, as processes of their own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import model_store_samples
import pytest
import s3_server
import small_model
from s3_server import BUCKET, S3Server

from taxi_assets.cli.supervisor.ports import free_port, wait_until_ready
from taxi_assets.serving.deployments.deployment_changes import DeploymentChanges
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.packaging.bento_build import build_bento, model_store
from taxi_assets.serving.prediction_log.ingest_log import ingest_log
from taxi_assets.serving.prediction_log.segments import request_seal
from taxi_assets.serving.replication.replica import Replica, read_replicas
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.shared_store import SharedStore

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[3]
TRAEFIK = Path(sys.executable).with_name("traefik")
RIDE = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30:00"}
COOKIE = "taxi_endpoint"


def wait_until(is_true: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until
        threading.Event().wait(0.2)


@contextmanager
def process(log: Path, environment: Mapping[str, str], *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs a program, which SIGTERM ends; its output is in `log`."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("TAXI_")}
    with log.open("ab") as output:
        started = subprocess.Popen(command, env=outside | environment, stdout=output, stderr=output, cwd=ROOT)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(60)


@dataclass
class Rider:
    """Rides through the proxy in a thread: the ids of the answers, and everything else that happened."""

    url: str
    answered: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def ride(self) -> None:
        with httpx.Client(trust_env=False, timeout=20) as client:
            while not self.stopped.wait(0.01):
                response = client.post(f"{self.url}/predict", json=RIDE)
                if response.status_code == 200:
                    self.answered.append(response.json()["request_id"])
                else:
                    self.failed.append(f"{response.status_code} {response.text[:200]}")

    @contextmanager
    def riding(self) -> Iterator[None]:
        thread = threading.Thread(target=self.ride)
        thread.start()
        try:
            yield
        finally:
            self.stopped.set()
            thread.join()


@pytest.fixture
def s3_store(s3: S3Server, tmp_path: Path) -> str:
    if not TRAEFIK.is_file():
        pytest.skip("the proxy is missing: run `make env-scale`")
    return f"s3://{BUCKET}/{tmp_path.name}"


def environment_of(settings: Settings) -> dict[str, str]:
    return {
        "TAXI_HOME": str(settings.home),
        "TAXI_DATA_KIND": "synthetic",
        "TAXI_SERVING_STORE": str(settings.serving_store),
        "TAXI_BENTO_PORT": str(settings.bento_port),
    }


@contextmanager
def replica(settings: Settings, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    command = (sys.executable, "-m", "taxi_assets", "replica")
    with process(log, environment_of(settings), *command) as started:
        assert wait_until_ready(f"http://{HOST}:{settings.bento_port}/readyz", 120), log.read_text()
        yield started


@contextmanager
def proxy(tmp_path: Path, endpoints: list[str]) -> Iterator[str]:
    """The configuration of `deploy/traefik` on a port of its own."""
    port = free_port()
    content = (ROOT / "deploy" / "traefik" / "traefik.yaml").read_text()
    assert "127.0.0.1:3080" in content
    configuration = tmp_path / "traefik.yaml"
    configuration.write_text(content.replace("127.0.0.1:3080", f"{HOST}:{port}"))
    environment = {"RIDE_ENDPOINTS": ",".join(endpoints)}
    with process(tmp_path / "traefik.log", environment, str(TRAEFIK), f"--configFile={configuration}"):
        url = f"http://{HOST}:{port}"
        assert wait_until_ready(f"{url}/readyz", 60), (tmp_path / "traefik.log").read_text()
        yield url


def predict(url: str, **fields: object) -> httpx.Response:
    return httpx.post(f"{url}/predict", json={**RIDE, **fields}, trust_env=False, timeout=20)


def require_sticky_endpoints(url: str) -> None:
    """Both machines answer, and an app stays with one of them."""
    cookies = [predict(url).cookies[COOKIE] for _ in range(20)]
    assert len(set(cookies)) == 2
    with httpx.Client(trust_env=False, cookies={COOKIE: cookies[0]}) as client:
        assert all(COOKIE not in client.post(f"{url}/predict", json=RIDE).cookies for _ in range(10))
    for path in ("/metrics", "/routing", "/deployments", "/routing/champion"):
        assert httpx.get(url + path, trust_env=False).status_code == 404


def change_the_routing(changes: DeploymentChanges, source: Settings, urls: list[str]) -> None:
    """Every machine follows a split, each rider with one version, then a new champion."""
    changes.set_routing({"champion": 11, "challengers": [{"version": 3, "share": 0.5}]})
    wait_until(lambda: all(status.revision == 2 for status in read_replicas(SharedStore(source))))
    for number in range(9):
        assert len({predict(url, rider_key=f"rider {number}").json()["model_version"] for url in urls}) == 1
    changes.make_champion(11)
    wait_until(lambda: all(predict(url).json()["model_version"] == 11 for url in urls))


def give_feedback_elsewhere(urls: list[str], homes: tuple[Settings, Settings]) -> None:
    """The second machine takes feedback on an answer of the first once they have exchanged their logs."""
    body = {"request_id": predict(urls[0]).json()["request_id"], "actual_minutes": 12.0}
    for settings in homes:
        request_seal(settings.prediction_log)
    wait_until(lambda: httpx.post(f"{urls[1]}/feedback", json=body, trust_env=False).status_code == 200)


def ingested(source: Settings) -> Counter[str]:
    """The number of records in the warehouse by request id."""
    warehouse = Warehouse(source)
    ingest_log(warehouse)
    with warehouse.reading() as connection:
        return Counter(each for (each,) in connection.execute("SELECT request_id FROM predictions").fetchall())


@pytest.fixture
def source(s3_store: str, tmp_path: Path) -> Settings:
    """The home with a Bento of version 3, which is the champion, and a model of version 11."""
    settings = Settings(home=tmp_path / "source", data_kind="synthetic", serving_store=s3_store, threads=1)
    build_bento(settings, small_model.write(tmp_path / "model"), {"version": "3"}, small_model.drawn_city())
    model_store_samples.add_version(model_store(settings), 11)
    return settings


def test_riders_are_served_through_changes_and_a_killed_machine(source: Settings, tmp_path: Path) -> None:
    changes = DeploymentChanges(ServingState(source.serving_state), model_store(source), "a test", timeout=120)
    changes.make_champion(3)
    one, two = (
        source.model_copy(update={"home": tmp_path / name, "bento_port": free_port()}) for name in ("one", "two")
    )
    urls = [f"http://{HOST}:{settings.bento_port}" for settings in (one, two)]
    sync = (sys.executable, "-m", "taxi_assets.cli.serving_sync", "source")
    with (
        process(tmp_path / "source.log", environment_of(source), *sync),
        replica(two, tmp_path / "two.log"),
        replica(one, tmp_path / "one.log") as first,
        proxy(tmp_path, urls) as url,
    ):
        require_sticky_endpoints(url)
        riders = Rider(url)
        with riders.riding():
            change_the_routing(changes, source, urls)
            give_feedback_elsewhere(urls, (one, two))
            first.send_signal(signal.SIGKILL)
            first.wait()
            wait_until(lambda: not wait_until_ready(f"{urls[0]}/readyz", 0.1))
            before = len(riders.answered)
            wait_until(lambda: len(riders.answered) > before + 100)
        assert riders.failed == []
    for settings in (one, two, source):  # the next start uploads what the killed machine logged
        Replica(settings, SharedStore(settings)).exchange_logs()
    logged = ingested(source)
    assert set(logged.values()) == {1}
    assert set(riders.answered) <= set(logged)
    assert s3_server.SECRET_KEY not in (tmp_path / "one.log").read_text()

"""`taxi up --cluster`: PostgreSQL, S3, Redis, two workers, and two endpoints behind a proxy."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
import small_model
from endpoint import RIDE

from taxi_assets import synthetic
from taxi_assets.cli.supervisor import local_services
from taxi_assets.cli.supervisor.home import is_supervised
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.defs.run_processes import WORKER_TAG
from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.serving.packaging.bento_build import build_bento
from taxi_assets.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MONTHS = tuple(map(Month.parse, ("2023-01", "2023-02", "2023-03")))
PORTS = ("dagster_port", "bento_port", "proxy_port", "data_docs_port", "mlflow_port")


def wait_until(is_true: Callable[[], bool], log: Path, seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.2)


@pytest.fixture
def settings(model: Path) -> Iterator[Settings]:
    """A home with a Bento, in a folder that PostgreSQL's user can reach."""
    if missing := local_services.missing_parts():
        pytest.skip("; ".join(missing))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        ports = {name: free_port("127.0.0.1") for name in PORTS}
        settings = Settings(home=Path(folder) / "home", data_kind="synthetic", **ports)
        build_bento(settings, model, {"version": "3"}, small_model.drawn_city())
        yield settings


@contextmanager
def cluster(settings: Settings, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("TAXI_")}
    ports = {f"TAXI_{name.upper()}": str(getattr(settings, name)) for name in PORTS}
    # The newest month would train at the home of `taxi up`, beside everything else.
    own = {"TAXI_HOME": str(settings.home), "TAXI_DATA_KIND": "synthetic", "TAXI_RETRAIN": "never", **ports}
    with log.open("ab") as output:
        command = (sys.executable, "-m", "taxi_assets", "up", "--cluster")
        started = subprocess.Popen(command, env=outside | own, stdout=output, stderr=output)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(60)


def answers(port: int) -> bool:
    try:
        return httpx.post(f"http://127.0.0.1:{port}/predict", json=RIDE, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def programs_in(folder: Path) -> list[str]:
    """The programs whose working folder is below this one."""
    found = psutil.process_iter(["name", "cwd"])
    return [each.info["name"] for each in found if (each.info["cwd"] or "").startswith(str(folder))]


def months_of_workers(settings: Settings) -> set[str]:
    """The months whose runs have ended well on a worker, as Dagster's server tells them."""
    query = "{runsOrError(filter: {statuses: [SUCCESS]}) {... on Runs {results {tags {key value}}}}}"
    url = f"http://127.0.0.1:{settings.dagster_port}/graphql"
    try:
        reply = httpx.post(url, json={"query": query}, trust_env=False, timeout=30).json()
    except httpx.TransportError:
        return set()
    runs = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in reply["data"]["runsOrError"]["results"]]
    return {run["dagster/partition"] for run in runs if WORKER_TAG in run}


def land_months(settings: Settings) -> None:
    settings.landing.mkdir(parents=True)
    synthetic.write_zones(settings.landing, 7)
    for month in MONTHS:
        synthetic.write_month(settings.landing, "green", month, 1_000, 7)


def test_the_cluster_ingests_and_serves_and_leaves_nothing_behind(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "up.log"
    land_months(settings)
    endpoints = (settings.bento_port + 11, settings.bento_port + 12)
    with cluster(settings, log) as started:
        wait_until(lambda: all(map(answers, (settings.bento_port, *endpoints, settings.proxy_port))), log)
        variables = settings.home / "cluster" / "environment"
        assert stat.S_IMODE(variables.stat().st_mode) == 0o600
        shown = subprocess.run(
            ["sh", "-c", f". {variables} && exec {sys.executable} -m taxi_assets replica --list --json -"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.count('"follows": true') == 2
        by_workers = {str(month) for month in MONTHS[:-1]}
        wait_until(lambda: months_of_workers(settings) >= by_workers, log)
        homes = (settings.home / "cluster").glob("worker-*/synthetic/files/green")
        assert {month.name for home in homes for month in home.iterdir()} == by_workers
        started.send_signal(signal.SIGKILL)
        started.wait()
        wait_until(lambda: not is_supervised(settings.home), log)
    with cluster(settings, log):  # PostgreSQL recovers
        wait_until(lambda: all(map(answers, (settings.proxy_port, *endpoints))), log)
    assert not is_supervised(settings.home)
    assert not programs_in(settings.home)
    secrets = [(settings.home / "cluster" / name).read_text() for name in ("password", "s3_key", "redis_password")]
    logs = (log, *(settings.logs / "up").glob("*.log"), *(settings.home / "cluster").glob("*.log"))
    written = "".join(path.read_text() for path in logs)
    assert not any(secret in written for secret in secrets)


def test_what_is_missing_is_named_in_a_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local_services, "_POSTGRESQL", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(TaxiError, match="PostgreSQL is missing: `apt-get install postgresql`"),
        local_services.local_services(settings, "tag"),
    ):
        pytest.fail("it has started")
    assert not (settings.home / "cluster").exists()

"""`make up` in a real terminal with the real servers, stopped by one Ctrl-C."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.settings import Settings

HOST = "127.0.0.1"
CHECKOUT = Path(__file__).parents[2]
# Use the environment of these tests: `-o env` keeps make from renewing it.
MAKE_UP = ["make", "-o", "env", f"VENV={sys.prefix}", "up"]
# Runs a program in a new terminal, and types its standard input there.
TERMINAL = f"import pty; pty.spawn({MAKE_UP!r})"
LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError { __typename ... on PythonError { message } } } } } }"""
CTRL_C = b"\x03"
SECONDS = 150


@dataclass
class Session:
    """`make up` in its own terminal; `text` is its output so far."""

    process: subprocess.Popen[bytes]
    settings: Settings
    seen: list[bytes] = field(default_factory=list)

    @property
    def text(self) -> str:
        return b"".join(self.seen).decode(errors="replace")

    def read(self) -> None:
        assert self.process.stdout
        while chunk := self.process.stdout.read1():  # type: ignore[attr-defined]
            self.seen.append(chunk)

    def press(self, keys: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(keys)
        self.process.stdin.flush()

    def wait_for(self, pattern: str) -> None:
        wait_until(lambda: re.search(pattern, self.text) is not None or self.process.poll() is not None)
        assert re.search(pattern, self.text), self.text


def wait_until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(0.1)


def processes_of(home: Path) -> list[str]:
    """The command lines of the processes that use this home."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TAXI_HOME") == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


@pytest.fixture
def up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    ports = {name: free_port(HOST) for name in ("dagster", "bento", "data_docs", "mlflow")}
    moved = settings.model_copy(update={f"{name}_port": port for name, port in ports.items()})
    variables = {f"TAXI_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    environment = {**os.environ, **variables, "TAXI_HOME": str(settings.home), "TAXI_DATA_KIND": "synthetic"}
    with subprocess.Popen(
        [sys.executable, "-c", TERMINAL],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        session = Session(process, moved)
        reader = threading.Thread(target=session.read)
        reader.start()
        yield session
        process.kill()
        reader.join()
    wait_until(lambda: not processes_of(settings.home))


def asked(url: str, **query: object) -> httpx.Response:
    if query:
        return httpx.post(url, json=query, trust_env=False, timeout=60)
    return httpx.get(url, trust_env=False, timeout=60)


@pytest.mark.slow
def test_all_servers_respond_and_one_ctrl_c_stops_them(up: Session) -> None:
    up.wait_for("Ctrl-C stops all of them")
    settings = up.settings
    for port in (settings.dagster_port, settings.mlflow_port, settings.data_docs_port):
        assert settings.url(port) in up.text
        assert asked(settings.url(port)).status_code == 200
    assert "no Bento yet" in up.text  # the table may wrap the text after it

    response = asked(f"{settings.url(settings.dagster_port)}/graphql", query=LOCATIONS).json()
    (location,) = response["data"]["workspaceOrError"]["locationEntries"]
    assert location == {"name": "taxi_assets", "locationOrLoadError": {"__typename": "RepositoryLocation"}}
    assert len(processes_of(settings.home)) >= 5

    up.press(CTRL_C)
    up.wait_for("all stopped")
    wait_until(lambda: up.process.poll() is not None)
    assert processes_of(settings.home) == []
    assert "Traceback" not in up.text

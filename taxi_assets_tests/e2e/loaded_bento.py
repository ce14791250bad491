"""A Bento with some workers for tests of load, and its worker processes."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import psutil

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import Program, bento_beside
from taxi_assets.serving.packaging.bento_build import latest
from taxi_assets.settings import Settings

WORKER = "_bentoml_impl.worker.service"


def bento_with_workers(built: Settings, workers: int) -> Program:
    """The newest Bento with so many workers, on a port of its own."""
    bento = latest(built)
    assert bento
    settings = built.model_copy(update={"bento_workers": workers})
    return bento_beside(settings, bento.tag, free_port(built.host), f"overload_{workers}")


def workers_of(url: str) -> list[psutil.Process]:
    """The workers that serve this URL."""
    port = urlsplit(url).port
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if any(f"--port {port}" in " ".join(each.cmdline()) for each in process.parents()) and WORKER in command:
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)

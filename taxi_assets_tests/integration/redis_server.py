"""A Redis server on loopback for tests, without files."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec

from taxi_assets.cli.supervisor.ports import free_port

PASSWORD = "planted-password-11"  # noqa: S105 - of a server that only a test uses


def missing() -> str:
    """Names in one line what this machine lacks; empty if nothing."""
    if not shutil.which("redis-server"):
        return "redis-server is not in PATH: install Debian's package"
    if not (find_spec("dagster_celery") and find_spec("redis")):
        return "the packages for workers are missing: run `make env-scale`"
    return ""


@contextmanager
def redis_server() -> Iterator[str]:
    """Runs the server; gives its address with the password."""
    port = free_port()
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD)
    with subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL) as process:
        try:
            while not _accepts(port):
                assert process.poll() is None
            yield f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
        finally:
            process.terminate()


def _accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False

"""Ports: free, taken, or of another machine; and the readiness of a server."""

import http.server
import os
import random
import socket
import threading
from collections.abc import Iterator

import pytest

from taxi_assets.cli.supervisor.ports import free_port, require_free, wait_until_ready
from taxi_assets.errors import TaxiError

HOST = "127.0.0.1"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0)) as server:
        yield server


@pytest.fixture
def answering() -> Iterator[str]:
    """A server that responds 200 at `/ok` and 503 elsewhere."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ok" else 503)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_free_port_is_accepted() -> None:
    port = free_port(HOST)
    require_free(HOST, port, "TAXI_DAGSTER_PORT")
    with socket.create_server((HOST, port)) as server:
        assert server.getsockname()[1] == port


def test_a_free_port_is_below_those_of_outgoing_connections() -> None:
    assert all(20_000 <= free_port(HOST) < 32_768 for _ in range(20))


def test_processes_with_the_same_seed_are_given_different_free_ports() -> None:
    state = random.getstate()
    first = [free_port(HOST) for _ in range(5)]
    random.setstate(state)
    assert [free_port(HOST) for _ in range(5)] != first


def test_a_port_is_free_again_right_after_its_server_ended(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with socket.create_connection((HOST, port)), listener.accept()[0]:
        listener.close()
    require_free(HOST, port, "TAXI_DAGSTER_PORT")
    with socket.create_server((HOST, port)) as server:
        assert server.getsockname()[1] == port


def test_a_taken_port_is_reported_with_its_process_and_the_remedy(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(TaxiError) as error:
        require_free(HOST, port, "TAXI_DAGSTER_PORT")
    message = str(error.value)
    assert message.startswith(f"port {port} is taken by ")
    assert f"(process {os.getpid()})" in message
    assert "set TAXI_DAGSTER_PORT to a free port" in message
    assert "\n" not in message


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(TaxiError, match="set TAXI_HOST to an address of this machine"):
        require_free(host, 0, "TAXI_DAGSTER_PORT")


def test_readiness_ignores_the_proxy(answering: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert wait_until_ready(f"{answering}/ok", timeout=30)


def test_error_status_is_not_ready(answering: str) -> None:
    assert not wait_until_ready(f"{answering}/starting", timeout=0.3)


def test_a_silent_server_times_out() -> None:
    assert not wait_until_ready(f"http://{HOST}:{free_port(HOST)}/", timeout=0.3)


def test_a_dead_server_is_not_waited_for() -> None:
    assert not wait_until_ready(f"http://{HOST}:{free_port(HOST)}/", timeout=3600, alive=lambda: False)

"""The client passes on the endpoint's response, or reports in one line what is wrong and the remedy."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from taxi_assets import cli
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.errors import TaxiError
from taxi_assets.serving import client

RIDE = client.Ride(74, 75, "2023-03-01T08:30")
Serve = Callable[[int, bytes], str]


@pytest.fixture
def requests() -> list[Any]:
    """The paths and bodies the server received."""
    return []


@pytest.fixture
def serve(requests: list[Any]) -> Iterator[Serve]:
    """Serves one response to every request; returns the server's URL."""
    servers = []

    def start(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                requests.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                self.do_GET()

            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def failure(url: str) -> str:
    with pytest.raises(TaxiError) as caught:
        client.predict(url, RIDE)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_response_is_returned_unchanged(serve: Serve, requests: list[Any]) -> None:
    url = serve(200, b'{"duration_minutes": 9.8, "model_version": 3}')
    assert client.predict(url, RIDE) == {"duration_minutes": 9.8, "model_version": 3}
    ride = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30"}
    unknown = dict.fromkeys(("service", "passenger_count", "vendor_id", "rider_key"))
    assert requests == [("/predict", {**ride, **unknown})]


def test_taxi_predict_sends_each_option_that_is_given(
    serve: Serve, requests: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = serve(200, b'{"duration_minutes": 1}').rpartition(":")[2]
    monkeypatch.setenv("TAXI_HOME", str(tmp_path))
    monkeypatch.setenv("TAXI_BENTO_PORT", port)
    arguments = ("predict", "--pickup=74", "--dropoff=75", "--at=2023-03-01T08:30", "--json=-")
    assert CliRunner().invoke(cli.app, [*arguments, "--service=green", "--vendor=2", "--rider-key=anna"]).exit_code == 0
    ((_, sent),) = requests
    assert {name: value for name, value in sent.items() if value is not None} == {
        "pickup_zone_id": 74,
        "dropoff_zone_id": 75,
        "pickup_at": "2023-03-01T08:30",
        "service": "green",
        "vendor_id": 2,
        "rider_key": "anna",
    }


def test_taxi_predict_prints_the_warnings_of_the_response(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = {"duration_minutes": 9.84, "interval_90": [6.1, 16.4], "warnings": ["it is read as the first; [sic]"]}
    response |= {"model_version": 3, "variant": "champion", "request_id": "9f86"}
    port = serve(200, json.dumps(response).encode()).rpartition(":")[2]
    monkeypatch.setenv("TAXI_HOME", str(tmp_path))
    monkeypatch.setenv("TAXI_BENTO_PORT", port)
    arguments = ("predict", "--pickup", "74", "--dropoff", "75", "--at", "2023-11-05T01:30")
    done = CliRunner().invoke(cli.app, [*arguments])
    assert done.stdout.splitlines() == [
        "9.8 minutes; nine rides in ten take 6.1 to 16.4",
        "by version 3, champion; request 9f86",
    ]
    assert done.stderr == "warning: it is read as the first; [sic]\n"
    to_json = CliRunner().invoke(cli.app, [*arguments, "--json", "-"])
    assert json.loads(to_json.stdout) == response


def test_taxi_predict_sends_zones_by_id_or_name(
    serve: Serve, requests: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = {"duration_minutes": 9.84, "interval_90": [6.1, 16.4], "model_version": 3, "variant": "champion"}
    port = serve(200, json.dumps({**response, "request_id": "9f86"}).encode()).rpartition(":")[2]
    monkeypatch.setenv("TAXI_HOME", str(tmp_path))
    monkeypatch.setenv("TAXI_BENTO_PORT", port)
    for pickup, dropoff in (("74", "JFK Airport"), ("-1", "264.5")):
        CliRunner().invoke(cli.app, ["predict", f"--pickup={pickup}", f"--dropoff={dropoff}", "--at=2023-11-05T01:30"])
    zones = [(body["pickup_zone_id"], body["dropoff_zone_id"]) for _, body in requests]
    assert zones == [(74, "JFK Airport"), (-1, "264.5")]


def test_local_addresses_bypass_the_proxy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port('127.0.0.1')}")
    assert client.predict(serve(200, b'{"duration_minutes": 1}'), RIDE)


def test_a_closed_port_is_reported_with_the_command_to_start_it() -> None:
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    remedy = "start it with `make up`, after `make run` has built a Bento, or set TAXI_BENTO_PORT to its port"
    assert failure(url) == f"no endpoint at {url}: {remedy}"


def test_refusal_shows_the_endpoints_message(serve: Serve) -> None:
    assert failure(serve(422, b'{"detail": "pickup_zone_id is 999: give a TLC zone"}')) == (
        "the endpoint refuses the ride: pickup_zone_id is 999: give a TLC zone"
    )


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>"), (200, b"[]"), (200, b"{}"), (404, b"Not Found"), (405, b"{}"), (302, b"")]
)
def test_another_server_on_the_port_is_detected(serve: Serve, status: int, body: bytes) -> None:
    assert "another program listens there" in failure(serve(status, body))


@pytest.mark.parametrize("body", [b"", b'{"error": "An unexpected error has occurred"}'])
def test_failing_endpoint_is_distinguished(serve: Serve, body: bytes) -> None:
    assert "with status 500" in failure(serve(500, body))


def test_a_silent_endpoint_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "REQUEST_TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "does not answer" in failure(f"http://127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"version": 3}'])
def test_another_server_has_no_version(serve: Serve, body: bytes) -> None:
    assert client.get_served_version(serve(200, body)) is None


def test_a_closed_port_has_no_version() -> None:
    assert client.get_served_version(f"http://127.0.0.1:{free_port('127.0.0.1')}") is None
    assert client.get_served_version("http://no such host:1") is None

"""A webhook on this machine with planned answers: it accepts, refuses, stalls, closes or redirects."""

import json
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pydantic import HttpUrl, Secret

from taxi_assets.warehouse.connection import Warehouse

PATH = "T0/B0/a-secret-of-the-path"


class Handler(BaseHTTPRequestHandler):
    server: "Webhook"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.paths.append(self.path)
        if self.server.faults:
            self.server.faults.popleft()(self)
            return
        self.server.accepted.append(body)
        self.respond(200)

    def respond(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Prints nothing."""


Fault = Callable[[Handler], None]


class Webhook(ThreadingHTTPServer):
    """The server; `faults` replace answers, in order. `accepted` has the bodies that got a 200."""

    daemon_threads = True

    def __init__(self, certificate: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults: deque[Fault] = deque()
        self.accepted: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.released = threading.Event()
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server_port}/{PATH}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores the connections that the tests break."""

    def ids(self) -> list[str]:
        """The id of each accepted alert."""
        fields = [body["attachments"][0]["fields"] for body in self.accepted]
        return [field["value"] for each in fields for field in each if field["title"] == "id"]


def status(code: int, **headers: str) -> Fault:
    return lambda handler: handler.respond(code, **headers)


def stall(handler: Handler) -> None:
    handler.server.released.wait()


def drip(handler: Handler) -> None:
    """Sends a header's bytes one by one, without an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.server.released.wait(0.02):
        handler.wfile.write(b"x")


def close(handler: Handler) -> None:
    handler.connection.close()


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Webhook]:
    """A running webhook, with a certificate over HTTPS."""
    webhook = Webhook(certificate)
    thread = threading.Thread(target=webhook.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield webhook
    finally:
        webhook.released.set()
        webhook.shutdown()
        thread.join()
        webhook.server_close()


def posting_to(warehouse: Warehouse, url: str) -> Warehouse:
    """The warehouse with the setting of a webhook."""
    return Warehouse(warehouse.settings.model_copy(update={"alert_webhook": Secret(HttpUrl(url))}))

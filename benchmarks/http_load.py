"""Loads an endpoint over many connections with as little client cost as possible.

An HTTP library would take as long as the endpoint. So a request's bytes are made once, and only the status and the
length of a response are parsed.
"""

import json
import selectors
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np

RIDE = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30", "service": "green"}
_WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class LoadResult:
    """Latencies of the responses by status, seconds; `heads` has one response's head by status."""

    seconds: float
    latencies: Mapping[int, list[float]]
    heads: Mapping[int, str]

    @property
    def per_second(self) -> float:
        """Successful responses a second."""
        return len(self.latencies.get(200, [])) / self.seconds

    def quantile_ms(self, share: float) -> float:
        """A quantile of the latencies of successful responses, milliseconds."""
        return 1000 * float(np.quantile(self.latencies[200], share))

    def require_success(self) -> "LoadResult":
        """This result.

        Raises:
            RuntimeError: a response has another status than 200.
        """
        if set(self.latencies) != {200}:
            raise RuntimeError(f"the endpoint returned {sorted(self.latencies)}")
        return self


def load(
    url: str, connections: int, seconds: float, path: str = "/predict", body: Mapping[str, object] = RIDE
) -> LoadResult:
    """Posts the body over each connection, one request after the other, for so many seconds.

    Raises:
        RuntimeError: the endpoint closes a connection, or does not answer for ten seconds.
    """
    address = urlsplit(url)
    request = _request(address.netloc, path, json.dumps(body).encode())
    with selectors.DefaultSelector() as selector:
        clients = [_Client(address.hostname or "", address.port or 80, request) for _ in range(connections)]
        for client in clients:
            selector.register(client.connection, selectors.EVENT_READ, client)
        try:
            return _run(selector, clients, seconds)
        finally:
            for client in clients:
                client.connection.close()


def _run(selector: selectors.BaseSelector, clients: list["_Client"], seconds: float) -> LoadResult:
    latencies: dict[int, list[float]] = {}
    heads: dict[int, str] = {}
    begun = time.perf_counter()
    end = begun + seconds
    for client in clients:
        client.send()
    waiting = len(clients)
    while waiting:
        ready = selector.select(_WAIT_SECONDS)
        if not ready:
            raise RuntimeError(f"the endpoint did not answer for {_WAIT_SECONDS:g} s")
        for key, _ in ready:
            for status, head in key.data.receive():
                now = time.perf_counter()
                latencies.setdefault(status, []).append(now - key.data.sent_at)
                heads.setdefault(status, head)
                if now < end:
                    _send_again(selector, key.data, head)
                else:
                    selector.unregister(key.data.connection)
                    key.data.connection.close()
                    waiting -= 1
    return LoadResult(time.perf_counter() - begun, latencies, heads)


def _send_again(selector: selectors.BaseSelector, client: "_Client", head: str) -> None:
    if "connection: close" in head.lower():  # gunicorn's plain workers answer one request a connection
        selector.unregister(client.connection)
        client.connection.close()
        client.connect()
        selector.register(client.connection, selectors.EVENT_READ, client)
    client.send()


@dataclass
class _Client:
    """One connection."""

    host: str
    port: int
    request: bytes
    sent_at: float = 0.0
    received: bytes = b""
    connection: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.connect()

    def connect(self) -> None:
        self.connection = socket.create_connection((self.host, self.port), timeout=_WAIT_SECONDS)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> None:
        self.sent_at = time.perf_counter()
        self.connection.sendall(self.request)

    def receive(self) -> Iterator[tuple[int, str]]:
        """Reads what came; yields the status and the head of a response that is complete."""
        part = self.connection.recv(65536)
        if not part:
            raise RuntimeError("the endpoint closed the connection")
        self.received += part
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].split(None, 1)[0]):
            return
        self.received = b""
        yield int(head[9:12]), head.decode("latin-1")


def _request(host: str, path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body

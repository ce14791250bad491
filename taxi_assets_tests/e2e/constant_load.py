"""Sends rides at a constant rate from a process of its own; keeps each reply's status and version.

A latency is counted from the time at which the request was due, so that a slow endpoint cannot hide behind fewer
requests. A reply that breaks its connection is sent once more.
"""

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

RIDE = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30", "service": "green"}
MAX_SECONDS = 900.0
CONNECTIONS = 8
# Then a new one is opened, which another worker may accept.
REQUESTS_OF_A_CONNECTION = 50
_FIRST_ATTEMPTS = 2
_VERSION = b'"model_version":'


class Reply(NamedTuple):
    """A reply; times are of the monotonic clock, which all processes share.

    Attributes:
        due: When it was due to be sent.
        sent: When it was sent.
        received: When it was complete.
        status: Its status, 0 if both attempts broke.
        version: Model version that answered, 0 if the body has none.
        attempts: 2 if the first connection broke.
    """

    due: float
    sent: float
    received: float
    status: int
    version: int
    attempts: int


@dataclass
class ConstantLoad:
    """A running load; `replies` are complete after the block of `loading`."""

    replies: list[Reply]

    def between(self, begun: float, ended: float) -> list[Reply]:
        """Replies to the requests that were due between two times."""
        return [reply for reply in self.replies if begun <= reply.due < ended]


def quantile_ms(replies: list[Reply], share: float) -> float:
    """A quantile of the latencies, milliseconds."""
    return 1000 * float(np.quantile([reply.received - reply.due for reply in replies], share))


@contextmanager
def loading(url: str, per_second: float, record: Path) -> Iterator[ConstantLoad]:
    """Send rides during the block.

    Args:
        url: The endpoint.
        per_second: Number of requests a second.
        record: File for the replies.
    """
    load = ConstantLoad([])
    command = [sys.executable, __file__, url, str(per_second), str(record)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        yield load
    finally:
        process.communicate()  # closes its input, which ends it
    load.replies += [Reply(*each) for each in json.loads(record.read_text())]


class _Connection:
    """One connection with at most one request at a time."""

    def __init__(self, url: str, request: bytes) -> None:
        self._address, self._request = urlsplit(url), request
        self._requests, self._received = 0, b""
        self._due = self._sent = 0.0
        self._attempts = 0
        self.socket: socket.socket | None = None

    def send(self, due: float, attempts: int = 1) -> None:
        self._due, self._attempts, self._received = due, attempts, b""
        if self.socket is None or self._requests >= REQUESTS_OF_A_CONNECTION:
            self.close()
            self.socket = socket.create_connection((self._address.hostname or "", self._address.port or 80), 10)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests += 1
        self._sent = time.monotonic()
        self.socket.sendall(self._request)

    def receive(self) -> Reply | None:
        """The reply once it is complete."""
        assert self.socket
        part = self.socket.recv(65_536)
        if not part:
            raise ConnectionResetError
        self._received += part
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].split(None, 1)[0]):
            return None
        if b"connection: close" in head.lower():
            self.close()
        digits = body.partition(_VERSION)[2].partition(b",")[0]
        version = int(digits) if digits.isdigit() else 0
        return Reply(self._due, self._sent, time.monotonic(), int(head[9:12]), version, self._attempts)

    def broken(self) -> Reply | None:
        """Send the request again; after the second attempt, a reply of status 0."""
        self.close()
        if self._attempts < _FIRST_ATTEMPTS:
            try:
                self.send(self._due, self._attempts + 1)
            except OSError:
                self.close()
            else:
                return None
        return Reply(self._due, self._sent, time.monotonic(), 0, 0, self._attempts)

    def close(self) -> None:
        if self.socket:
            self.socket.close()
        self.socket, self._requests = None, 0


def run(url: str, per_second: float, record: Path) -> None:
    """Send rides until the standard input ends."""
    body = json.dumps(RIDE).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nContent-Type: application/json\r\n"
    request = head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    idle = [_Connection(url, request) for _ in range(CONNECTIONS)]
    replies: list[Reply] = []
    begun = time.monotonic()
    due, end, is_over = begun, begun + MAX_SECONDS, False
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        while not (is_over and len(idle) == CONNECTIONS):
            while not is_over and idle and due <= time.monotonic():
                _send(selector, idle, replies, due)
                due += 1 / per_second
            wait = max(due - time.monotonic(), 0) if idle and not is_over else 1.0
            for key, _ in selector.select(wait):
                if key.fileobj is sys.stdin:
                    is_over = True
                    selector.unregister(sys.stdin)
                else:
                    _receive(selector, key.data, idle, replies)
            is_over = is_over or time.monotonic() > end
    record.write_text(json.dumps(replies))


def _send(selector: selectors.BaseSelector, idle: list[_Connection], replies: list[Reply], due: float) -> None:
    connection = idle.pop(0)
    try:
        connection.send(due)
    except OSError:
        _again(selector, connection, idle, replies)
    else:
        selector.register(connection.socket, selectors.EVENT_READ, connection)  # type: ignore[arg-type]


def _receive(
    selector: selectors.BaseSelector, connection: _Connection, idle: list[_Connection], replies: list[Reply]
) -> None:
    before = connection.socket
    assert before
    try:
        reply = connection.receive()
    except OSError:
        selector.unregister(before)
        _again(selector, connection, idle, replies)
        return
    if reply:
        selector.unregister(before)
        replies.append(reply)
        idle.append(connection)


def _again(
    selector: selectors.BaseSelector, connection: _Connection, idle: list[_Connection], replies: list[Reply]
) -> None:
    failed = connection.broken()
    if failed:
        replies.append(failed)
        idle.append(connection)
    else:
        selector.register(connection.socket, selectors.EVENT_READ, connection)  # type: ignore[arg-type]


if __name__ == "__main__":
    run(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]))

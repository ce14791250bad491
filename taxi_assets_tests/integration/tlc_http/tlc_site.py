"""A local copy of TLC's site with injectable faults, and a client that never sleeps."""

import io
import ssl
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.tlc import tlc_source
from taxi_assets.tlc.download import RetryPolicy
from taxi_assets.tlc.landing_writes import Progress

JANUARY = Month(2023, 1)
NAME = "green_tripdata_2023-01.parquet"
PATH = f"/trip-data/{NAME}"


@cache
def parquet(seed: int = 1, rows: int = 60_000) -> bytes:
    """A Parquet file of about half a megabyte of incompressible data."""
    file = io.BytesIO()
    pq.write_table(pa.table({"fare": np.random.default_rng(seed).random(rows)}), file)
    return file.getvalue()


class Handler(BaseHTTPRequestHandler):
    server: "Site"
    etag: str

    def do_GET(self) -> None:
        self.server.requests.append({"path": self.path, **self.headers})
        body = self.server.files.get(self.path.partition("?")[0])
        if self.server.faults:
            self.server.faults.popleft()(self, body or b"")
        elif body is None:
            self.respond(self.server.absent)  # TLC's status for a missing file
        else:
            self.send_file(body)

    def respond(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, body: bytes, end: float = 1.0) -> None:
        """Sends the requested range of the file, up to the share `end`."""
        etag = f'"{sha256(body).hexdigest()}"'
        if self.headers["If-None-Match"] == etag:
            self.respond(304, ETag=etag)
            return
        start, ranges = 0, {}
        if self.headers["Range"] and self.headers["If-Range"] == etag:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            ranges = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        due = body[start:]
        sent = due[: int(len(due) * end)]
        self.server.sent += len(sent)
        self.respond(206 if ranges else 200, sent, Content_Length=str(len(due)), ETag=etag, **ranges)

    def log_message(self, *args: object) -> None:
        """Prints nothing."""


Fault = Callable[[Handler, bytes], None]


class Site(ThreadingHTTPServer):
    """A site with the layout of TLC's; each of `faults` replaces one response, in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scheme, self.absent, self.sent = "http", 403, 0
        self.files = {PATH: parquet()}
        self.faults: deque[Fault] = deque()
        self.requests: list[dict[str, str]] = []
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores closed connections and rejected certificates, which the tests cause; prints other errors."""
        if not isinstance(sys.exception(), ConnectionError | ssl.SSLError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"


def cut(handler: Handler, body: bytes) -> None:
    handler.send_file(body, end=0.5)


def stall(handler: Handler, body: bytes) -> None:
    handler.send_file(body, end=0.5)
    handler.server.released.wait()


def silent(handler: Handler, body: bytes) -> None:
    handler.server.released.wait()


def status(code: int, **headers: str) -> Fault:
    return lambda handler, _: handler.respond(code, b"<html>busy</html>", **headers)


@dataclass
class Client:
    """A client of the site, with a sleep that only records the seconds."""

    site: Site
    landing: Path
    slept: list[float] = field(default_factory=list)

    @property
    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy(connect_seconds=5, read_seconds=5, probe_seconds=5, sleep=self.slept.append)

    def fetch(self, progress: Progress | None = None, **waits: float) -> Path:
        retry_policy = replace(self.retry_policy, **waits)
        return tlc_source.fetch_month(self.site.url, "green", JANUARY, self.landing, progress, retry_policy)

    def refuse(self, wording: str) -> TaxiError:
        """Fetches, which must fail with one line that matches the wording."""
        with pytest.raises(TaxiError, match=wording) as caught:
            self.fetch()
        assert "\n" not in str(caught.value)
        return caught.value

    def check(self, **waits: float) -> None:
        tlc_source.check_reachable(self.site.url, replace(self.retry_policy, **waits))

    def left_over(self) -> set[str]:
        return {path.name for path in self.landing.glob(".*part*")}


def serve(site: Site) -> Iterator[Site]:
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.released.set()
    site.shutdown()
    thread.join()
    site.server_close()

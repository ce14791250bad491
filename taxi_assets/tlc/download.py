"""Downloads one file over HTTP: resumes broken transfers and retries busy servers.

The caller checks the content and adds the remedy to errors.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.tlc.landing_writes import Origin, Progress, begin_part, end_part, length_of, resumable_origin

if TYPE_CHECKING:
    import httpx

_LOG = logging.getLogger(__name__)
# 403 too: TLC's files are on Amazon S3, which answers 403 for a missing object without list permission.
ABSENT_STATUSES = frozenset({403, 404, 410})
RETRY_STATUSES = frozenset({408, 425, 429})
_CONTINUES = re.compile(r"bytes (\d+)-\d+/(\d+)")


class UnreachableError(Exception):
    """No attempt got a complete response; the message is the last reason."""


class NotFoundError(Exception):
    """The server has no such file."""


class RefusedError(Exception):
    """The server's response will not change on a retry."""


class _BrokenOffError(Exception):
    """Retryable failure; `pause` is the delay in seconds the server asked for, if any."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True)
class RetryPolicy:
    """Timeouts in seconds, and the number of attempts in a row without new bytes."""

    attempts: int = 6
    connect_seconds: float = 5
    read_seconds: float = 30
    probe_seconds: float = 8
    longest_pause_seconds: float = 60
    sleep: Callable[[float], None] = time.sleep

    def pause(self, failures: int, requested: float | None) -> float:
        """Seconds before the next attempt: as the server asked, else doubling from one."""
        return min(self.longest_pause_seconds, 2.0 ** (failures - 1) if requested is None else requested)


def probe(url: str, retry_policy: RetryPolicy) -> None:
    """Checks within `retry_policy.probe_seconds` that a server answers at this address.

    Raises:
        UnreachableError: nothing answers, or only a gateway that cannot reach the server.
    """
    # A thread enforces the limit, and may outlive it: name resolution has no timeout, and connecting applies its
    # timeout to each of the server's addresses.
    outcome: Future[None] = Future()

    def resolve() -> None:
        try:
            _probe(url, retry_policy)
            outcome.set_result(None)
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=resolve, daemon=True).start()
    try:
        outcome.result(timeout=retry_policy.probe_seconds)
    except TimeoutError as error:
        raise UnreachableError(f"no answer within {retry_policy.probe_seconds:g} s") from error


def download(
    url: str, part: Path, known_origin: Origin | None, progress: Progress, retry_policy: RetryPolicy
) -> Origin | None:
    """Downloads `url` to `part`, resuming from the bytes of an earlier attempt or process.

    Args:
        url: address of the file.
        part: path of the partial file; complete on return, kept on an error.
        known_origin: origin of the caller's copy; None if it has none.
        progress: called after every chunk.
        retry_policy: timeouts and attempts.

    Returns:
        The origin of the file at `part`; None if the caller's copy is still current.

    Raises:
        UnreachableError: all attempts in a row got no new bytes.
        NotFoundError: the server has no such file.
        RefusedError: any other response that is not a file.
    """
    import httpx

    failures, furthest = 0, length_of(part)
    with client(retry_policy) as caller:
        while True:
            try:
                origin = _receive(caller, url, part, known_origin, progress)
                end_part(part)
                return origin
            except (httpx.TransportError, _BrokenOffError) as error:
                reason, requested_pause = one_line(error), getattr(error, "pause", None)
            except httpx.HTTPError as error:
                raise RefusedError(one_line(error)) from error
            length = length_of(part)
            failures = 1 if length > furthest else failures + 1
            furthest = max(length, furthest)
            if failures >= retry_policy.attempts:
                raise UnreachableError(f"{reason}, {failures} times in a row")
            pause = retry_policy.pause(failures, requested_pause)
            _LOG.warning("%s: %s; trying again in %g s", redact_url(url), reason, pause)
            retry_policy.sleep(pause)


def redact_url(url: str) -> str:
    """Removes the password and the query, which may hold a token, from an address."""
    import httpx

    return str(httpx.URL(url).copy_with(userinfo=b"", query=None, fragment=None))


def client(retry_policy: RetryPolicy) -> httpx.Client:
    """An HTTP client with the platform's user agent; follows redirects and asks for no compression."""
    import httpx

    # With identity encoding, ranges and lengths count the file's own bytes.
    headers = {"User-Agent": "taxi-assets", "Accept-Encoding": "identity"}
    timeout = httpx.Timeout(retry_policy.read_seconds, connect=retry_policy.connect_seconds)
    return httpx.Client(headers=headers, timeout=timeout, follow_redirects=True)


def _probe(url: str, retry_policy: RetryPolicy) -> None:
    import httpx

    status, seconds = 0, retry_policy.connect_seconds
    try:
        for pause in (0, 1, 2):
            retry_policy.sleep(pause)
            # GET without reading the body: some servers do not support HEAD.
            with client(retry_policy) as caller, caller.stream("GET", url, timeout=seconds) as response:
                status = response.status_code
            if status < 500 and status != 407:
                return
    except httpx.HTTPError as error:
        raise UnreachableError(one_line(error)) from error
    raise UnreachableError(f"it answers {status}")


def _receive(
    caller: httpx.Client, url: str, part: Path, known_origin: Origin | None, progress: Progress
) -> Origin | None:
    partial = resumable_origin(part, redact_url(url))
    with caller.stream("GET", url, headers=_conditions(part, partial, known_origin)) as response:
        if response.status_code == 304 and known_origin and not partial:
            return None
        _check_response(response, part)
        if partial and response.status_code == 206:
            _write(response, part, "ab", _check_continues(response, part, partial), progress)
            return partial
        if response.status_code != 200:
            raise RefusedError(f"it answers {response.status_code}, which does not fit the request")
        origin = Origin(redact_url(url), response.headers.get("ETag"), response.headers.get("Last-Modified"))
        begin_part(part, origin)
        length = response.headers.get("Content-Length")
        _write(response, part, "wb", None if length is None else int(length), progress)
        return origin


def _conditions(part: Path, partial: Origin | None, known_origin: Origin | None) -> dict[str, str]:
    if partial and partial.validator:
        return {"Range": f"bytes={length_of(part)}-", "If-Range": partial.validator}
    if known_origin and known_origin.etag:
        return {"If-None-Match": known_origin.etag}
    return {"If-Modified-Since": known_origin.modified} if known_origin and known_origin.modified else {}


def _check_response(response: httpx.Response, part: Path) -> None:
    status = response.status_code
    if status in ABSENT_STATUSES:
        raise NotFoundError(f"it answers {status}")
    if status in RETRY_STATUSES or status >= 500:
        raise _BrokenOffError(f"it answers {status}", retry_after(response))
    if status == 416:
        part.unlink(missing_ok=True)
        raise _BrokenOffError("it has fewer bytes than were received")
    if status not in (200, 206, 304):
        raise RefusedError(f"it answers {status}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RefusedError("it sends the file in another encoding than requested")
    hops = [*response.history, response]
    if hops[0].url.scheme == "https" and any(hop.url.scheme != "https" for hop in hops):
        raise RefusedError("it redirects from HTTPS to another protocol")


def _check_continues(response: httpx.Response, part: Path, partial: Origin) -> int:
    """The length of the whole file, if the response continues exactly at the end of the part."""
    match = _CONTINUES.fullmatch(response.headers.get("Content-Range", ""))
    etag = response.headers.get("ETag", partial.etag)
    if not match or int(match[1]) != length_of(part) or etag != partial.etag:
        part.unlink(missing_ok=True)
        raise _BrokenOffError("it answered with another range than requested")
    return int(match[2])


def _write(response: httpx.Response, part: Path, mode: str, expected: int | None, progress: Progress) -> None:
    done = length_of(part) if mode == "ab" else 0
    with part.open(mode) as file:
        for chunk in response.iter_raw():
            file.write(chunk)
            done += len(chunk)
            progress(done, expected)
    if expected is not None and done != expected:
        if done > expected:
            part.unlink()
        raise _BrokenOffError(f"{done:,} bytes received instead of {expected:,}")


def retry_after(response: httpx.Response) -> float | None:
    """The delay in seconds of the Retry-After header; None if there is none."""
    text = response.headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def one_line(error: Exception) -> str:
    """The error's message in one line, or its class name if it has none."""
    return " ".join(str(error).split()) or type(error).__name__

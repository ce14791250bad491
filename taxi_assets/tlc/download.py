"""One file over HTTP, patiently: broken lines are taken up where they broke, busy servers are asked again.

Knows the protocol, not what the file means: the caller checks the content and words the remedy.
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

from taxi_assets.tlc.file_transfer import Origin, Progress, begin_part, end_part, length_of, resumable_origin

if TYPE_CHECKING:
    import httpx

__all__ = [
    "ABSENT_STATUSES",
    "RETRY_STATUSES",
    "NotFoundError",
    "RefusedError",
    "RetryPolicy",
    "UnreachableError",
    "client",
    "download",
    "one_line",
    "probe",
    "redact_url",
    "retry_after",
]

_LOG = logging.getLogger(__name__)
# 403 too: Amazon's store, where TLC's files are, does not tell strangers whether it lacks an object.
ABSENT_STATUSES = frozenset({403, 404, 410})
RETRY_STATUSES = frozenset({408, 425, 429})
_CONTINUES = re.compile(r"bytes (\d+)-\d+/(\d+)")


class UnreachableError(Exception):
    """No whole answer could be had; the message is the last reason."""


class NotFoundError(Exception):
    """The server answers, but has no such file."""


class RefusedError(Exception):
    """The server answers what asking again will not mend."""


class _BrokenOffError(Exception):
    """Worth another try, after `pause` seconds where the server asked for them."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait for a server: seconds for each step, tries in a row that bring nothing, the sleep."""

    attempts: int = 6
    connect_seconds: float = 5
    read_seconds: float = 30
    probe_seconds: float = 8
    longest_pause_seconds: float = 60
    sleep: Callable[[float], None] = time.sleep

    def pause(self, failures: int, asked: float | None) -> float:
        """Seconds before the next try: as the server asked, else doubling from one."""
        return min(self.longest_pause_seconds, 2.0 ** (failures - 1) if asked is None else asked)


def probe(url: str, retry_policy: RetryPolicy) -> None:
    """Find out within `retry_policy.probe_seconds` in all whether a server answers at this address.

    Raises:
        UnreachableError: nobody answers, or only a gateway that cannot reach the server.
    """
    # The limit is kept from outside, on a thread that may be left behind: looking up a name has no timeout of
    # its own, and connecting takes its timeout once for each of the server's addresses.
    outcome: Future[None] = Future()
    threading.Thread(target=_resolve, args=(outcome, lambda: _probe(url, retry_policy)), daemon=True).start()
    try:
        outcome.result(timeout=retry_policy.probe_seconds)
    except TimeoutError as error:
        raise UnreachableError(f"no answer within {retry_policy.probe_seconds:g} s") from error


def download(
    url: str, part: Path, known_origin: Origin | None, progress: Progress, retry_policy: RetryPolicy
) -> Origin | None:
    """Bring the file at `url` to `part`, going on with what an earlier try, or process, left there.

    Args:
        url: address of the file.
        part: where the bytes gather; complete when this returns, kept when it raises.
        known_origin: origin of a copy the caller holds, None where it holds none.
        progress: told after every piece.
        retry_policy: waits and tries.

    Returns:
        The origin of the file now at `part`; None where the copy the caller holds is still the server's.

    Raises:
        UnreachableError: try after try brought nothing more.
        NotFoundError: the server has no such file.
        RefusedError: another answer that is no file.
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
                reason, asked = one_line(error), getattr(error, "pause", None)
            except httpx.HTTPError as error:
                raise RefusedError(one_line(error)) from error
            length = length_of(part)
            failures = 1 if length > furthest else failures + 1
            furthest = max(length, furthest)
            if failures >= retry_policy.attempts:
                raise UnreachableError(f"{reason}, {failures} times in a row")
            pause = retry_policy.pause(failures, asked)
            _LOG.warning("%s: %s; trying again in %g s", redact_url(url), reason, pause)
            retry_policy.sleep(pause)


def redact_url(url: str) -> str:
    """The address as it may be shown and kept: no password, no query that may hold a token."""
    import httpx

    return str(httpx.URL(url).copy_with(userinfo=b"", query=None, fragment=None))


def client(retry_policy: RetryPolicy) -> httpx.Client:
    """Asks as the platform does: under its name, following redirections, for the files' own bytes."""
    import httpx

    # Identity: ranges and lengths then count the bytes of the file itself.
    headers = {"User-Agent": "taxi-assets", "Accept-Encoding": "identity"}
    timeout = httpx.Timeout(retry_policy.read_seconds, connect=retry_policy.connect_seconds)
    return httpx.Client(headers=headers, timeout=timeout, follow_redirects=True)


def _resolve(outcome: Future[None], ask: Callable[[], None]) -> None:
    try:
        ask()
        outcome.set_result(None)
    except Exception as error:
        outcome.set_exception(error)


def _probe(url: str, retry_policy: RetryPolicy) -> None:
    import httpx

    status = 0
    try:
        for pause in (0, 1, 2):
            retry_policy.sleep(pause)
            status = _status(url, retry_policy)
            if status < 500 and status != 407:
                return
    except httpx.HTTPError as error:
        raise UnreachableError(one_line(error)) from error
    raise UnreachableError(f"it answers {status}")


def _status(url: str, retry_policy: RetryPolicy) -> int:
    # GET, its body left unread: some servers know no HEAD.
    with client(retry_policy) as caller, caller.stream("GET", url, timeout=retry_policy.connect_seconds) as response:
        return response.status_code


def _receive(
    caller: httpx.Client, url: str, part: Path, known_origin: Origin | None, progress: Progress
) -> Origin | None:
    begun = resumable_origin(part, redact_url(url))
    with caller.stream("GET", url, headers=_conditions(part, begun, known_origin)) as response:
        if response.status_code == 304 and known_origin and not begun:
            return None
        _check_response(response, part)
        if begun and response.status_code == 206:
            _write(response, part, "ab", _check_continues(response, part, begun), progress)
            return begun
        if response.status_code != 200:
            raise RefusedError(f"it answers {response.status_code}, which was not asked for")
        origin = Origin(redact_url(url), response.headers.get("ETag"), response.headers.get("Last-Modified"))
        begin_part(part, origin)
        length = response.headers.get("Content-Length")
        _write(response, part, "wb", None if length is None else int(length), progress)
        return origin


def _conditions(part: Path, begun: Origin | None, known_origin: Origin | None) -> dict[str, str]:
    if begun and begun.validator:
        return {"Range": f"bytes={length_of(part)}-", "If-Range": begun.validator}
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
        raise RefusedError("it sends the file in another encoding, though asked for its own bytes")
    hops = [*response.history, response]
    if hops[0].url.scheme == "https" and any(hop.url.scheme != "https" for hop in hops):
        raise RefusedError("it leads away from HTTPS")


def _check_continues(response: httpx.Response, part: Path, begun: Origin) -> int:
    """The length of the whole file, where the answer goes on exactly at the end of the part."""
    match = _CONTINUES.fullmatch(response.headers.get("Content-Range", ""))
    etag = response.headers.get("ETag", begun.etag)
    if not match or int(match[1]) != length_of(part) or etag != begun.etag:
        part.unlink(missing_ok=True)
        raise _BrokenOffError("it answered with another range than asked for")
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
        raise _BrokenOffError(f"{done:,} bytes came instead of {expected:,}")


def retry_after(response: httpx.Response) -> float | None:
    """Seconds for which the server asks to be left alone; None where it does not say."""
    text = response.headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def one_line(error: Exception) -> str:
    """The error's words, or its name where it has none."""
    return " ".join(str(error).split()) or type(error).__name__

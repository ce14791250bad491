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

from taxi_assets.tlc.file_transfer import Origin, Progress, begin_part, begun_part, end_part, length_of

if TYPE_CHECKING:
    import httpx

__all__ = [
    "ABSENT",
    "TRY_AGAIN",
    "NotFoundError",
    "Patience",
    "RefusedError",
    "UnreachableError",
    "client",
    "download",
    "one_line",
    "probe",
    "retry_after",
    "without_secrets",
]

_LOG = logging.getLogger(__name__)
# 403 too: Amazon's store, where TLC's files are, does not tell strangers whether it lacks an object.
ABSENT = frozenset({403, 404, 410})
TRY_AGAIN = frozenset({408, 425, 429})
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
class Patience:
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


def probe(url: str, patience: Patience) -> None:
    """Find out within `patience.probe_seconds` in all whether a server answers at this address.

    Raises:
        UnreachableError: nobody answers, or only a gateway that cannot reach the server.
    """
    # The limit is kept from outside, on a thread that may be left behind: looking up a name has no timeout of
    # its own, and connecting takes its timeout once for each of the server's addresses.
    answer: Future[None] = Future()
    threading.Thread(target=_settle, args=(answer, lambda: _ask(url, patience)), daemon=True).start()
    try:
        answer.result(timeout=patience.probe_seconds)
    except TimeoutError as error:
        raise UnreachableError(f"no answer within {patience.probe_seconds:g} s") from error


def download(url: str, part: Path, known: Origin | None, progress: Progress, patience: Patience) -> Origin | None:
    """Bring the file at `url` to `part`, going on with what an earlier try, or process, left there.

    Args:
        url: address of the file.
        part: where the bytes gather; complete when this returns, kept when it raises.
        known: origin of a copy the caller holds, None where it holds none.
        progress: told after every piece.
        patience: waits and tries.

    Returns:
        The origin of the file now at `part`; None where the copy the caller holds is still the server's.

    Raises:
        UnreachableError: try after try brought nothing more.
        NotFoundError: the server has no such file.
        RefusedError: another answer that is no file.
    """
    import httpx

    failures, furthest = 0, length_of(part)
    with client(patience) as caller:
        while True:
            try:
                origin = _receive(caller, url, part, known, progress)
                end_part(part)
                return origin
            except (httpx.TransportError, _BrokenOffError) as error:
                reason, asked = one_line(error), getattr(error, "pause", None)
            except httpx.HTTPError as error:
                raise RefusedError(one_line(error)) from error
            length = length_of(part)
            failures = 1 if length > furthest else failures + 1
            furthest = max(length, furthest)
            if failures >= patience.attempts:
                raise UnreachableError(f"{reason}, {failures} times in a row")
            pause = patience.pause(failures, asked)
            _LOG.warning("%s: %s; trying again in %g s", without_secrets(url), reason, pause)
            patience.sleep(pause)


def without_secrets(url: str) -> str:
    """The address as it may be shown and kept: no password, no query that may hold a token."""
    import httpx

    return str(httpx.URL(url).copy_with(userinfo=b"", query=None, fragment=None))


def client(patience: Patience) -> httpx.Client:
    """Asks as the platform does: under its name, following redirections, for the files' own bytes."""
    import httpx

    # Identity: ranges and lengths then count the bytes of the file itself.
    headers = {"User-Agent": "taxi-assets", "Accept-Encoding": "identity"}
    timeout = httpx.Timeout(patience.read_seconds, connect=patience.connect_seconds)
    return httpx.Client(headers=headers, timeout=timeout, follow_redirects=True)


def _settle(answer: Future[None], ask: Callable[[], None]) -> None:
    try:
        ask()
        answer.set_result(None)
    except Exception as error:
        answer.set_exception(error)


def _ask(url: str, patience: Patience) -> None:
    import httpx

    status = 0
    try:
        for pause in (0, 1, 2):
            patience.sleep(pause)
            status = _status(url, patience)
            if status < 500 and status != 407:
                return
    except httpx.HTTPError as error:
        raise UnreachableError(one_line(error)) from error
    raise UnreachableError(f"it answers {status}")


def _status(url: str, patience: Patience) -> int:
    # GET, its body left unread: some servers know no HEAD.
    with client(patience) as caller, caller.stream("GET", url, timeout=patience.connect_seconds) as response:
        return response.status_code


def _receive(caller: httpx.Client, url: str, part: Path, known: Origin | None, progress: Progress) -> Origin | None:
    begun = begun_part(part, without_secrets(url))
    with caller.stream("GET", url, headers=_conditions(part, begun, known)) as response:
        if response.status_code == 304 and known and not begun:
            return None
        _check_answer(response, part)
        if begun and response.status_code == 206:
            _write(response, part, "ab", _check_continues(response, part, begun), progress)
            return begun
        if response.status_code != 200:
            raise RefusedError(f"it answers {response.status_code}, which was not asked for")
        origin = Origin(without_secrets(url), response.headers.get("ETag"), response.headers.get("Last-Modified"))
        begin_part(part, origin)
        length = response.headers.get("Content-Length")
        _write(response, part, "wb", None if length is None else int(length), progress)
        return origin


def _conditions(part: Path, begun: Origin | None, known: Origin | None) -> dict[str, str]:
    if begun and begun.validator:
        return {"Range": f"bytes={length_of(part)}-", "If-Range": begun.validator}
    if known and known.etag:
        return {"If-None-Match": known.etag}
    return {"If-Modified-Since": known.modified} if known and known.modified else {}


def _check_answer(response: httpx.Response, part: Path) -> None:
    status = response.status_code
    if status in ABSENT:
        raise NotFoundError(f"it answers {status}")
    if status in TRY_AGAIN or status >= 500:
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

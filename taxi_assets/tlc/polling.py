"""Asks a source whether a month's file is there, and brings a new one to the landing folder, within a tick's time.

What to ask and when is decided in `watch_plan.py`; what a file in the landing folder is for is not known here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.errors import TaxiError
from taxi_assets.tlc import download, tlc_source
from taxi_assets.tlc.download import Patience
from taxi_assets.tlc.file_transfer import Progress
from taxi_assets.tlc.polling_plan import Answer, AtSource, Held, Question, Watch, learn, questions

if TYPE_CHECKING:
    import httpx

__all__ = ["Fetch", "Seen", "ask", "watch_once"]

# One try a question: the next tick asks again, later each time.
_PATIENCE = Patience(attempts=1, connect_seconds=5, read_seconds=10, probe_seconds=5)
TICK_SECONDS = 40  # a sensor's tick is ended after sixty

Fetch = Callable[[Question, Progress, Patience], object]
"""Brings the month of a question to the landing folder."""


class _OutOfTimeError(Exception):
    """The tick is over; what has come is kept, and the next goes on with it."""


@dataclass(frozen=True)
class Seen:
    """What one look at the source found: what to remember, and a sentence on each question."""

    watch: Watch
    sentences: tuple[str, ...]


def watch_once(
    source: str,
    held: Mapping[str, Sequence[Held]],
    watch: Watch,
    fetch: Fetch,
    now: float,
    patience: Patience = _PATIENCE,
) -> Seen:
    """Ask what is due, oldest need first, and fetch what is there; stops at the first sign that the source is busy.

    Args:
        source: TLC's site or a folder.
        held: months held, of each service in use.
        watch: what is remembered.
        fetch: brings a month to the landing folder.
        now: seconds since 1970.
        patience: waits for one answer.
    """
    deadline = time.monotonic() + TICK_SECONDS
    sentences = []
    for question in questions(watch, held, now):
        if time.monotonic() > deadline:
            break
        answer = ask(source, question, patience)
        if answer.kind == "there":
            answer = _bring(question, answer, fetch, deadline, patience)
        sentences.append(f"{question.name}: {answer.why}")
        if answer.kind == "there" and not answer.length:  # out of time: nothing is learned, so it is asked again
            break
        watch = learn(watch, question, answer, now)
        if answer.kind == "busy":
            break
    return Seen(watch, tuple(sentences))


def ask(source: str, question: Question, patience: Patience) -> Answer:
    """Is there another file than the one that is known? Nothing but its first byte is fetched.

    Raises:
        TaxiError: the source is neither a web address nor a folder's path.
    """
    try:
        place = tlc_source.place_of(source, question.service, question.month)
    except tlc_source.SourceUnreachable as error:
        return Answer("busy", str(error))
    answer = _look(place) if isinstance(place, Path) else _ask_site(place, question.known, patience)
    if answer.kind == "there" and _is_known(answer, question):
        return Answer("unchanged", "unchanged", answer.etag, answer.modified, answer.length)
    return answer


def _is_known(answer: Answer, question: Question) -> bool:
    known = question.known
    if known.was_seen:
        return (answer.etag, answer.modified, answer.length) == (known.etag, known.modified, known.length)
    return question.held_bytes is not None and answer.length == question.held_bytes


def _look(path: Path) -> Answer:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return Answer("absent", "not there")
    return Answer("there", "there", f"{stat.st_size}-{stat.st_mtime_ns}", None, stat.st_size)


def _ask_site(url: str, known: AtSource, patience: Patience) -> Answer:
    import httpx

    headers = {"Range": "bytes=0-0"}
    if known.etag:
        headers["If-None-Match"] = known.etag
    elif known.modified:
        headers["If-Modified-Since"] = known.modified
    try:
        with download.client(patience) as client, client.stream("GET", url, headers=headers) as response:
            return _answer(response)
    except httpx.HTTPError as error:
        return Answer("busy", f"no answer ({download.one_line(error)})")


def _answer(response: httpx.Response) -> Answer:
    status, etag, modified = response.status_code, response.headers.get("ETag"), response.headers.get("Last-Modified")
    if status == 304:
        return Answer("unchanged", "unchanged", etag, modified)
    if status in download.ABSENT:
        return Answer("absent", f"not there (it answers {status})")
    if status in download.TRY_AGAIN or status >= 500:
        return Answer("busy", f"the source is busy (it answers {status})", pause=download.retry_after(response))
    if status not in (200, 206):
        return Answer("refused", f"the source refuses (it answers {status})")
    total = response.headers.get("Content-Range", "").rpartition("/")[2] or response.headers.get("Content-Length", "")
    return Answer("there", "there", etag, modified, int(total) if total.isdecimal() else 1)


def _bring(question: Question, answer: Answer, fetch: Fetch, deadline: float, patience: Patience) -> Answer:
    def within_the_tick(done: int, total: int | None) -> None:
        if time.monotonic() > deadline and done != total:
            raise _OutOfTimeError

    try:
        fetch(question, within_the_tick, patience)
    except _OutOfTimeError:
        return Answer("there", "more of it came; the rest in the next tick")
    except tlc_source.SourceUnreachable as error:
        return Answer("busy", str(error))
    except TaxiError as error:
        return Answer("refused", str(error))
    return Answer("there", "fetched into the landing folder", answer.etag, answer.modified, answer.length)

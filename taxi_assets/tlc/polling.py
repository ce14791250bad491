"""Polls a source for month's files and fetches new ones to the landing folder, within a sensor tick.

`polling_schedule.py` decides what to poll and when.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.errors import TaxiError
from taxi_assets.tlc import download, tlc_source
from taxi_assets.tlc.download import RetryPolicy
from taxi_assets.tlc.landing_writes import Progress
from taxi_assets.tlc.polling_schedule import (
    AvailableMonth,
    MonthPoll,
    PollingState,
    PollResponse,
    RemoteFileState,
    due_polls,
    record_response,
)

if TYPE_CHECKING:
    import httpx

__all__ = ["Fetch", "PollResult", "poll_month", "poll_once"]

# One attempt a poll: the next tick polls again, with a growing delay.
_ONE_ATTEMPT = RetryPolicy(attempts=1, connect_seconds=5, read_seconds=10, probe_seconds=5)
TICK_SECONDS = 40  # Dagster ends a sensor's tick after 60

Fetch = Callable[[MonthPoll, Progress, RetryPolicy], object]
"""Fetches the month of a poll to the landing folder."""


class _OutOfTimeError(Exception):
    """The tick's time is over; the next tick resumes the partial download."""


@dataclass(frozen=True)
class PollResult:
    """The polling state after a tick, and one message for each poll."""

    polling_state: PollingState
    messages: tuple[str, ...]


def poll_once(
    source: str,
    available: Mapping[str, Sequence[AvailableMonth]],
    polling_state: PollingState,
    fetch: Fetch,
    now: float,
    retry_policy: RetryPolicy = _ONE_ATTEMPT,
) -> PollResult:
    """Polls the due months, most urgent first, and fetches new files; stops if the source is busy.

    Args:
        source: TLC's site or a folder.
        available: months in the warehouse, by service in use.
        polling_state: the state after the last tick.
        fetch: fetches a month to the landing folder.
        now: seconds since 1970.
        retry_policy: timeouts of one poll.
    """
    deadline = time.monotonic() + TICK_SECONDS
    messages = []
    for month_poll in due_polls(polling_state, available, now):
        if time.monotonic() > deadline:
            break
        poll_response = poll_month(source, month_poll, retry_policy)
        if poll_response.kind == "there":
            poll_response = _fetch(month_poll, poll_response, fetch, deadline, retry_policy)
        messages.append(f"{month_poll.name}: {poll_response.message}")
        if poll_response.kind == "there" and not poll_response.length:
            break  # out of time: the state stays, so the next tick polls this month again
        polling_state = record_response(polling_state, month_poll, poll_response, now)
        if poll_response.kind == "busy":
            break
    return PollResult(polling_state, tuple(messages))


def poll_month(source: str, month_poll: MonthPoll, retry_policy: RetryPolicy) -> PollResponse:
    """Asks the source whether a month's file is new or changed; fetches at most its first byte.

    Raises:
        TaxiError: the source is neither a web address nor a folder's path.
    """
    try:
        location = tlc_source.month_location(source, month_poll.service, month_poll.month)
    except tlc_source.SourceUnreachable as error:
        return PollResponse("busy", str(error))
    poll_response = (
        _stat_file(location)
        if isinstance(location, Path)
        else _poll_site(location, month_poll.remote_state, retry_policy)
    )
    if poll_response.kind == "there" and _is_unchanged(poll_response, month_poll):
        return PollResponse("unchanged", "unchanged", poll_response.etag, poll_response.modified, poll_response.length)
    return poll_response


def _is_unchanged(poll_response: PollResponse, month_poll: MonthPoll) -> bool:
    remote_state = month_poll.remote_state
    if remote_state.was_seen:
        return (poll_response.etag, poll_response.modified, poll_response.length) == (
            remote_state.etag,
            remote_state.modified,
            remote_state.length,
        )
    return month_poll.available_bytes is not None and poll_response.length == month_poll.available_bytes


def _stat_file(path: Path) -> PollResponse:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return PollResponse("absent", "not published")
    return PollResponse("there", "published", f"{stat.st_size}-{stat.st_mtime_ns}", None, stat.st_size)


def _poll_site(url: str, remote_state: RemoteFileState, retry_policy: RetryPolicy) -> PollResponse:
    import httpx

    headers = {"Range": "bytes=0-0"}
    if remote_state.etag:
        headers["If-None-Match"] = remote_state.etag
    elif remote_state.modified:
        headers["If-Modified-Since"] = remote_state.modified
    try:
        with download.client(retry_policy) as client, client.stream("GET", url, headers=headers) as response:
            return _to_poll_response(response)
    except httpx.HTTPError as error:
        return PollResponse("busy", f"no answer ({download.one_line(error)})")


def _to_poll_response(response: httpx.Response) -> PollResponse:
    status, etag, modified = response.status_code, response.headers.get("ETag"), response.headers.get("Last-Modified")
    if status == 304:
        return PollResponse("unchanged", "unchanged", etag, modified)
    if status in download.ABSENT_STATUSES:
        return PollResponse("absent", f"not published (it answers {status})")
    if status in download.RETRY_STATUSES or status >= 500:
        return PollResponse("busy", f"the source is busy (it answers {status})", pause=download.retry_after(response))
    if status not in (200, 206):
        return PollResponse("refused", f"the source refuses (it answers {status})")
    total = response.headers.get("Content-Range", "").rpartition("/")[2] or response.headers.get("Content-Length", "")
    return PollResponse("there", "published", etag, modified, int(total) if total.isdecimal() else 1)


def _fetch(
    month_poll: MonthPoll, poll_response: PollResponse, fetch: Fetch, deadline: float, retry_policy: RetryPolicy
) -> PollResponse:
    def check_deadline(done: int, total: int | None) -> None:
        if time.monotonic() > deadline and done != total:
            raise _OutOfTimeError

    try:
        fetch(month_poll, check_deadline, retry_policy)
    except _OutOfTimeError:
        return PollResponse("there", "partly downloaded; the next tick resumes it")
    except tlc_source.SourceUnreachable as error:
        return PollResponse("busy", str(error))
    except TaxiError as error:
        return PollResponse("refused", str(error))
    return PollResponse(
        "there", "fetched into the landing folder", poll_response.etag, poll_response.modified, poll_response.length
    )

"""Polls a source for new and republished months, and fetches them, within a sensor tick.

TLC publishes a month about two months after its end, and has republished old ones. The month after the newest one at
the source is polled from one month after its end, with a growing delay. Each known month is polled once a week by a
conditional GET of one byte.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated

from pydantic import StringConstraints, TypeAdapter

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.tlc import download, tlc_source
from taxi_assets.tlc.download import RetryPolicy
from taxi_assets.tlc.landing_writes import Progress

_HOUR, _DAY = 3600, 86_400
MIN_ABSENT_SECONDS, MAX_ABSENT_SECONDS = 12 * _HOUR, 4 * _DAY
MIN_BUSY_SECONDS, MAX_BUSY_SECONDS = 15 * 60, _DAY
RECHECK_SECONDS = 7 * _DAY
MAX_POLLS, MAX_RECHECKS = 4, 2  # in one tick
TICK_SECONDS = 40  # Dagster ends a sensor's tick after 60
_LOOK_BACK_MONTHS = 3  # without any month, fetch the newest published one, not the history
# One attempt a poll: a later tick polls again.
_ONE_ATTEMPT = RetryPolicy(attempts=1, connect_seconds=5, read_seconds=10, probe_seconds=5)

Fetch = Callable[[str, Month, Progress, RetryPolicy], object]
"""Fetches a service's month to the landing folder."""
Version = tuple[str | None, str | None, int]
"""ETag, Last-Modified and length of a file at the source."""
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z]+ \d{4}-(0[1-9]|1[0-2])$")]


class _BusyError(tlc_source.SourceUnreachable):
    """The source has to be polled again after `pause` seconds, or after a growing delay."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True)
class RemoteFile:
    """One month's file at the source: its last version, the time of its next poll, and absences in a row."""

    next_at: float = 0
    absences: int = 0
    version: Version | None = None

    def after_absence(self, now: float, is_known: bool) -> RemoteFile:
        """The state after the source had no file. A known month stays in the warehouse and is polled weekly."""
        pause = RECHECK_SECONDS if is_known else _backoff(MIN_ABSENT_SECONDS, self.absences, MAX_ABSENT_SECONDS)
        return replace(self, next_at=now + pause, absences=self.absences + 1)


@dataclass(frozen=True)
class PollingState:
    """State kept between ticks: `files` by service and month, such as `green 2023-01`; times since 1970."""

    files: Mapping[_Name, RemoteFile] = field(default_factory=dict)
    quiet_until: float = 0
    failures: int = 0

    def as_text(self) -> str:
        return _STATE.dump_json(self).decode()

    @classmethod
    def from_text(cls, text: str | None) -> PollingState:
        """Reads a state written by `as_text`; a new one if there is none or it cannot be read."""
        try:
            return _STATE.validate_json(text or "{}")
        except ValueError:
            return cls()

    def file(self, service: str, month: Month) -> RemoteFile:
        return self.files.get(f"{service} {month}", RemoteFile())

    def months_at_source(self, service: str) -> set[Month]:
        names = [name.split() for name, file in self.files.items() if file.version]
        return {Month(*map(int, month.split("-"))) for of, month in names if of == service}

    def after_response(self, service: str, month: Month, file: RemoteFile) -> PollingState:
        """The state after the source has responded about a month's file."""
        return PollingState({**self.files, f"{service} {month}": file})

    def after_busy(self, now: float, pause: float | None) -> PollingState:
        """The state after the source was busy and asked for a pause in seconds, if any."""
        seconds = _backoff(MIN_BUSY_SECONDS, self.failures, MAX_BUSY_SECONDS) if pause is None else pause
        return replace(self, quiet_until=now + min(seconds, MAX_BUSY_SECONDS), failures=self.failures + 1)


_STATE = TypeAdapter(PollingState)


def newest_expected_month(now: float) -> Month:
    """The newest month that can be published: it ended at least a month ago."""
    today = datetime.fromtimestamp(now, UTC)
    return Month(today.year, today.month).plus(-2)


def due_months(
    state: PollingState, available: Mapping[str, Mapping[Month, int]], now: float
) -> list[tuple[str, Month]]:
    """Services and months to poll now, most urgent first; none while the source asks to wait."""

    def is_due(one: tuple[str, Month]) -> bool:
        return not _is_ahead(state.file(*one).next_at, now, RECHECK_SECONDS)

    if _is_ahead(state.quiet_until, now, MAX_BUSY_SECONDS):
        return []
    newest = newest_expected_month(now)
    new: list[tuple[str, Month]] = []
    known: list[tuple[str, Month]] = []
    for service, lengths in available.items():
        at_source = {*lengths, *state.months_at_source(service)}
        wanted = [max(at_source).plus(1)] if at_source else [newest.plus(-back) for back in range(_LOOK_BACK_MONTHS)]
        new += [one for month in wanted if month <= newest and is_due(one := (service, month))][:1]
        known += [one for month in at_source if is_due(one := (service, month))]
    known.sort(key=lambda one: (-state.file(*one).next_at, one[1]), reverse=True)
    return [*new, *known[:MAX_RECHECKS]][:MAX_POLLS]


def poll_once(
    source: str,
    available: Mapping[str, Mapping[Month, int]],
    state: PollingState,
    fetch: Fetch,
    now: float,
    retry_policy: RetryPolicy = _ONE_ATTEMPT,
) -> tuple[PollingState, list[str]]:
    """Polls the due months, most urgent first, and fetches new files; stops if the source is busy.

    Args:
        source: TLC's site or a folder.
        available: length of the file of each month in the warehouse, by service in use.
        state: the state after the last tick.
        fetch: fetches a month to the landing folder.
        now: seconds since 1970.
        retry_policy: timeouts of one poll.

    Returns:
        The new state, and one message for each poll.
    """
    deadline, messages = time.monotonic() + TICK_SECONDS, list[str]()

    def check_deadline(done: int, total: int | None) -> None:
        if time.monotonic() > deadline and done != total:
            raise _BusyError("partly downloaded; the next tick resumes it", pause=0)

    for service, month in due_months(state, available, now):
        if time.monotonic() > deadline:
            break
        file, length = state.file(service, month), available[service].get(month)
        try:
            version = _version_at(source, service, month, file.version, retry_policy)
            is_unchanged = version == file.version if file.version else version[2] == length
            if not is_unchanged:
                fetch(service, month, check_deadline, retry_policy)
            message = "unchanged" if is_unchanged else "fetched into the landing folder"
            state = state.after_response(service, month, RemoteFile(now + RECHECK_SECONDS, 0, version))
        except tlc_source.SourceUnreachable as error:
            return state.after_busy(now, getattr(error, "pause", None)), [*messages, f"{service} {month}: {error}"]
        except TaxiError as error:
            message = str(error)
            state = state.after_response(service, month, file.after_absence(now, is_known=length is not None))
        messages.append(f"{service} {month}: {message}")
    return state, messages


def _version_at(source: str, service: str, month: Month, known: Version | None, retry_policy: RetryPolicy) -> Version:
    """The version of a month's file at the source; fetches at most its first byte."""
    location = tlc_source.month_location(source, service, month)
    if isinstance(location, str):
        return _version_at_site(location, known, retry_policy)
    try:
        stat = location.stat()
    except FileNotFoundError:
        raise TaxiError("not published") from None
    return f"{stat.st_size}-{stat.st_mtime_ns}", None, stat.st_size


def _version_at_site(url: str, known: Version | None, retry_policy: RetryPolicy) -> Version:
    import httpx

    etag, modified, _ = known or (None, None, 0)
    conditions = {"If-None-Match": etag} if etag else {"If-Modified-Since": modified} if modified else {}
    try:
        with (
            download.client(retry_policy) as client,
            client.stream("GET", url, headers={"Range": "bytes=0-0", **conditions}) as response,
        ):
            status, headers = response.status_code, response.headers
    except httpx.HTTPError as error:
        raise _BusyError(f"no answer ({download.one_line(error)})") from error
    if status == 304 and known:
        return known
    if status in download.ABSENT_STATUSES:
        raise TaxiError(f"not published (it answers {status})")
    if status in download.RETRY_STATUSES or status >= 500:
        raise _BusyError(f"the source is busy (it answers {status})", download.retry_after(response))
    if status not in (200, 206):
        raise TaxiError(f"the source refuses (it answers {status})")
    total = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    return headers.get("ETag"), headers.get("Last-Modified"), int(total) if total.isdecimal() else 1


def _is_ahead(at: float, now: float, maximum: float) -> bool:
    """True if `at` is in the future; beyond the longest delay, the clock was changed."""
    return now < at <= now + maximum


def _backoff(first: float, times: int, maximum: float) -> float:
    return float(min(maximum, first * 2 ** min(times, 20)))

"""Decides which months to poll at TLC's site, and when. No I/O.

TLC publishes a month about two months after its end, and has republished old ones. The month after the newest
available one is polled from one month after its end, with a growing delay. Each available month is polled once a
week by a conditional GET, so that an unchanged file costs a few bytes.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Literal

from taxi_assets.months import Month

__all__ = [
    "AvailableMonth",
    "MonthPoll",
    "PollResponse",
    "PollingState",
    "RemoteFileState",
    "due_polls",
    "newest_expected_month",
    "record_response",
]

_HOUR, _DAY = 3600, 86_400
MIN_ABSENT_BACKOFF_SECONDS, MAX_ABSENT_BACKOFF_SECONDS = 12 * _HOUR, 4 * _DAY
MIN_BUSY_BACKOFF_SECONDS, MAX_BUSY_BACKOFF_SECONDS = 15 * 60, _DAY
RECHECK_SECONDS = 7 * _DAY
MAX_POLLS, MAX_RECHECKS = 4, 2  # in one tick
_LOOK_BACK_MONTHS = 3  # without any month, fetch the newest published one, not the history

Kind = Literal["absent", "busy", "refused", "unchanged", "there"]


@dataclass(frozen=True)
class RemoteFileState:
    """Last known state of one month's file at the source; times in seconds since 1970."""

    next_at: float = 0
    absences: int = 0
    etag: str | None = None
    modified: str | None = None
    length: int | None = None

    @property
    def was_seen(self) -> bool:
        return self.length is not None


@dataclass(frozen=True)
class PollingState:
    """State kept between ticks; `months` by service and month, such as `green 2023-01`."""

    months: Mapping[str, RemoteFileState] = field(default_factory=dict)
    quiet_until: float = 0
    failures: int = 0

    def as_text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str | None) -> "PollingState":
        """Reads a state written by `as_text`; a new one if there is none or it cannot be read."""
        try:
            stored = json.loads(text or "{}")
            months = {name: RemoteFileState(**remote_state) for name, remote_state in stored.pop("months", {}).items()}
            return cls(months, **stored)
        except (ValueError, TypeError, AttributeError):
            return cls()


@dataclass(frozen=True)
class AvailableMonth:
    """A month in the warehouse and the size of its file, bytes."""

    month: Month
    bytes: int


@dataclass(frozen=True)
class MonthPoll:
    """A question to the source: is there a new or changed file of this month?"""

    service: str
    month: Month
    remote_state: RemoteFileState
    available_bytes: int | None = None

    @property
    def name(self) -> str:
        return f"{self.service} {self.month}"


@dataclass(frozen=True)
class PollResponse:
    """The source's response; `pause` is its Retry-After, seconds; `message` is for people."""

    kind: Kind
    message: str = ""
    etag: str | None = None
    modified: str | None = None
    length: int | None = None
    pause: float | None = None


def newest_expected_month(now: float) -> Month:
    """The newest month that can be published: it ended at least a month ago."""
    today: date = datetime.fromtimestamp(now, UTC).date()
    return Month(today.year, today.month).plus(-2)


def due_polls(
    polling_state: PollingState, available: Mapping[str, Sequence[AvailableMonth]], now: float
) -> tuple[MonthPoll, ...]:
    """Months to poll now, most urgent first; none while the source asks to wait.

    Args:
        polling_state: the state after the last tick.
        available: months in the warehouse, by service in use.
        now: seconds since 1970.
    """
    if _is_ahead(polling_state.quiet_until, now, MAX_BUSY_BACKOFF_SECONDS):
        return ()
    new = [
        poll for service, months in available.items() for poll in _new_month_polls(polling_state, service, months, now)
    ]
    rechecks = [
        poll for service, months in available.items() for poll in _recheck_polls(polling_state, service, months, now)
    ]
    rechecks.sort(key=lambda poll: (poll.remote_state.next_at, -poll.month.year, -poll.month.number))
    return (*new, *rechecks[:MAX_RECHECKS])[:MAX_POLLS]


def record_response(
    polling_state: PollingState, month_poll: MonthPoll, poll_response: PollResponse, now: float
) -> PollingState:
    """The state after a response; record the response `there` only after fetching the file."""
    remote_state = month_poll.remote_state
    if poll_response.kind == "busy":
        pause = (
            _exponential_backoff(MIN_BUSY_BACKOFF_SECONDS, polling_state.failures, MAX_BUSY_BACKOFF_SECONDS)
            if poll_response.pause is None
            else poll_response.pause
        )
        return replace(
            polling_state, quiet_until=now + min(pause, MAX_BUSY_BACKOFF_SECONDS), failures=polling_state.failures + 1
        )
    if poll_response.kind in ("absent", "refused"):
        pause = _exponential_backoff(MIN_ABSENT_BACKOFF_SECONDS, remote_state.absences, MAX_ABSENT_BACKOFF_SECONDS)
        if month_poll.available_bytes is not None:
            pause = RECHECK_SECONDS  # TLC removed the file; the warehouse keeps its month
        new_state = replace(remote_state, next_at=now + pause, absences=remote_state.absences + 1)
    else:
        new_state = RemoteFileState(
            now + RECHECK_SECONDS,
            0,
            poll_response.etag or remote_state.etag,
            poll_response.modified or remote_state.modified,
            remote_state.length if poll_response.length is None else poll_response.length,
        )
    return replace(
        polling_state, months={**polling_state.months, month_poll.name: new_state}, quiet_until=0, failures=0
    )


def _new_month_polls(
    polling_state: PollingState, service: str, available: Sequence[AvailableMonth], now: float
) -> Iterator[MonthPoll]:
    """Polls for the month after the newest one, and for months fetched but not in the warehouse."""
    newest = newest_expected_month(now)
    months_at_source = {one.month for one in available} | {
        month for month in _months_at_source(polling_state, service) if month <= newest
    }
    wanted = (
        [max(months_at_source).plus(1)]
        if months_at_source
        else [newest.plus(-back) for back in range(_LOOK_BACK_MONTHS)]
    )
    for month in wanted:
        remote_state = polling_state.months.get(f"{service} {month}", RemoteFileState())
        if month > newest:
            continue
        if not _is_ahead(remote_state.next_at, now, RECHECK_SECONDS):
            yield MonthPoll(service, month, remote_state)
            return
    # Fetched, but not in the warehouse: TLC may have published a better file.
    for month in sorted(_months_at_source(polling_state, service) - {one.month for one in available}):
        remote_state = polling_state.months[f"{service} {month}"]
        if not _is_ahead(remote_state.next_at, now, RECHECK_SECONDS):
            yield MonthPoll(service, month, remote_state)


def _recheck_polls(
    polling_state: PollingState, service: str, available: Sequence[AvailableMonth], now: float
) -> Iterator[MonthPoll]:
    for one in available:
        remote_state = polling_state.months.get(f"{service} {one.month}", RemoteFileState())
        if not _is_ahead(remote_state.next_at, now, RECHECK_SECONDS):
            yield MonthPoll(service, one.month, remote_state, one.bytes)


def _months_at_source(polling_state: PollingState, service: str) -> set[Month]:
    names = (name.split(" ") for name, remote_state in polling_state.months.items() if remote_state.was_seen)
    return {Month.parse(month) for of, month in names if of == service}


def _is_ahead(at: float, now: float, maximum: float) -> bool:
    """True if `at` is in the future; beyond the longest delay, the clock was changed."""
    return now < at <= now + maximum


def _exponential_backoff(first: float, times: int, maximum: float) -> float:
    return float(min(maximum, first * 2 ** min(times, 20)))

"""What to ask TLC's site for next, and when: decided from what is held, what was answered, and the clock. No I/O.

TLC publishes a month about two months after its end, and has republished history. So the month after the newest held is
asked for from one month after its end on, seldom while it is absent; and each held month every week, with a condition,
so that an unchanged file costs both sides a few bytes.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Literal

from taxi_assets.months import Month

__all__ = ["Answer", "AtSource", "Held", "Question", "Watch", "learn", "newest_expected", "questions"]

_HOUR, _DAY = 3600, 86_400
FIRST_ABSENCE_SECONDS, LONGEST_ABSENCE_SECONDS = 12 * _HOUR, 4 * _DAY
FIRST_BUSY_SECONDS, LONGEST_BUSY_SECONDS = 15 * 60, _DAY
HELD_AGAIN_SECONDS = 7 * _DAY
MOST_QUESTIONS, MOST_HELD_QUESTIONS = 4, 2  # a tick
_LOOK_BACK_MONTHS = 3  # where nothing is held, the newest that is there is wanted, not the history

Kind = Literal["absent", "busy", "refused", "unchanged", "there"]


@dataclass(frozen=True)
class AtSource:
    """What is known of one month's file at the source; times in seconds since 1970."""

    next_at: float = 0
    absences: int = 0
    etag: str | None = None
    modified: str | None = None
    length: int | None = None

    @property
    def was_seen(self) -> bool:
        return self.length is not None


@dataclass(frozen=True)
class Watch:
    """All that is remembered from tick to tick; `months` by service and month, such as `green 2023-01`."""

    months: Mapping[str, AtSource] = field(default_factory=dict)
    quiet_until: float = 0
    failures: int = 0

    def as_text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str | None) -> "Watch":
        """The watch that was written; a new one where there is none, or none of this kind."""
        try:
            found = json.loads(text or "{}")
            months = {name: AtSource(**known) for name, known in found.pop("months", {}).items()}
            return cls(months, **found)
        except (ValueError, TypeError, AttributeError):
            return cls()


@dataclass(frozen=True)
class Held:
    """A month the lake holds, and how long its file is, bytes."""

    month: Month
    bytes: int


@dataclass(frozen=True)
class Question:
    """Is there a file of this month, other than the one that is known?"""

    service: str
    month: Month
    known: AtSource
    held_bytes: int | None = None

    @property
    def name(self) -> str:
        return f"{self.service} {self.month}"


@dataclass(frozen=True)
class Answer:
    """What the source said: `pause` is how long it asks to be left alone, seconds; `why` is for people."""

    kind: Kind
    why: str = ""
    etag: str | None = None
    modified: str | None = None
    length: int | None = None
    pause: float | None = None


def newest_expected(now: float) -> Month:
    """The newest month that can be there: it ended a month ago."""
    today: date = datetime.fromtimestamp(now, UTC).date()
    return Month(today.year, today.month).plus(-2)


def questions(watch: Watch, held: Mapping[str, Sequence[Held]], now: float) -> tuple[Question, ...]:
    """What to ask now, in this order; nothing while the source wants to be left alone.

    Args:
        watch: what is remembered.
        held: months held, of each service in use.
        now: seconds since 1970.
    """
    if _is_ahead(watch.quiet_until, now, LONGEST_BUSY_SECONDS):
        return ()
    new = [q for service, months in held.items() for q in _of_new(watch, service, months, now)]
    again = [q for service, months in held.items() for q in _of_held(watch, service, months, now)]
    again.sort(key=lambda question: (question.known.next_at, -question.month.year, -question.month.number))
    return (*new, *again[:MOST_HELD_QUESTIONS])[:MOST_QUESTIONS]


def learn(watch: Watch, question: Question, answer: Answer, now: float) -> Watch:
    """What is remembered after an answer; an answer `there` counts once the file has been fetched."""
    known = question.known
    if answer.kind == "busy":
        pause = (
            _doubling(FIRST_BUSY_SECONDS, watch.failures, LONGEST_BUSY_SECONDS)
            if answer.pause is None
            else answer.pause
        )
        return replace(watch, quiet_until=now + min(pause, LONGEST_BUSY_SECONDS), failures=watch.failures + 1)
    if answer.kind in ("absent", "refused"):
        pause = _doubling(FIRST_ABSENCE_SECONDS, known.absences, LONGEST_ABSENCE_SECONDS)
        if question.held_bytes is not None:
            pause = HELD_AGAIN_SECONDS  # TLC has taken it away; it is kept here
        learned = replace(known, next_at=now + pause, absences=known.absences + 1)
    else:
        learned = AtSource(
            now + HELD_AGAIN_SECONDS,
            0,
            answer.etag or known.etag,
            answer.modified or known.modified,
            known.length if answer.length is None else answer.length,
        )
    return replace(watch, months={**watch.months, question.name: learned}, quiet_until=0, failures=0)


def _of_new(watch: Watch, service: str, held: Sequence[Held], now: float) -> Iterator[Question]:
    """The month after the newest that is held or was fetched; where there is none, the newest there may be."""
    newest = newest_expected(now)
    there = {one.month for one in held} | {month for month in _seen(watch, service) if month <= newest}
    wanted = [max(there).plus(1)] if there else [newest.plus(-back) for back in range(_LOOK_BACK_MONTHS)]
    for month in wanted:
        known = watch.months.get(f"{service} {month}", AtSource())
        if month > newest:
            continue
        if not _is_ahead(known.next_at, now, HELD_AGAIN_SECONDS):
            yield Question(service, month, known)
            return
    for month in sorted(_seen(watch, service) - {one.month for one in held}):  # fetched, and not taken in: changed?
        known = watch.months[f"{service} {month}"]
        if not _is_ahead(known.next_at, now, HELD_AGAIN_SECONDS):
            yield Question(service, month, known)


def _of_held(watch: Watch, service: str, held: Sequence[Held], now: float) -> Iterator[Question]:
    for one in held:
        known = watch.months.get(f"{service} {one.month}", AtSource())
        if not _is_ahead(known.next_at, now, HELD_AGAIN_SECONDS):
            yield Question(service, one.month, known, one.bytes)


def _seen(watch: Watch, service: str) -> set[Month]:
    names = (name.split(" ") for name, known in watch.months.items() if known.was_seen)
    return {Month.parse(month) for of, month in names if of == service}


def _is_ahead(moment: float, now: float, longest: float) -> bool:
    """It is still to come; further ahead than anything is ever put off, the clock was changed."""
    return now < moment <= now + longest


def _doubling(first: float, times: int, longest: float) -> float:
    return float(min(longest, first * 2 ** min(times, 20)))

"""Calendar months, the unit in which TLC publishes and the platform works. Plain values, no framework."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise

from taxi_assets.errors import TaxiError

_PATTERN = re.compile(r"([0-9]{4})-([0-9]{2})")


class MonthNotOver(TaxiError):
    """The month is not over yet, so its file cannot exist."""


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month; `str` gives `YYYY-MM`, as in TLC's file names."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Parse `YYYY-MM`. File names, partitions and commands all use this definition of a valid month.

        Raises:
            TaxiError: the text is not a month from 2009-01 on, TLC's first.
            MonthNotOver: the month is not over.
        """
        match = _PATTERN.fullmatch(text.strip())
        if not match or not 1 <= int(match[2]) <= 12 or int(match[1]) < FIRST_MONTH.year:
            raise TaxiError(f"{text!r} is not a month: write it as YYYY-MM, from {FIRST_MONTH} on, such as 2023-01")
        month = cls(int(match[1]), int(match[2]))
        if month > newest_month():
            raise MonthNotOver(f"{month} is not over: the newest month that is over is {newest_month()}")
        return month

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def first_day(self) -> date:
        return date(self.year, self.number, 1)

    def plus(self, months: int) -> "Month":
        """The month this many months later, or earlier if `months` is negative."""
        count = self.year * 12 + self.number - 1 + months
        return Month(count // 12, count % 12 + 1)


FIRST_MONTH = Month(2009, 1)  # TLC published none earlier


def newest_month() -> Month:
    """The newest month that is over, in UTC, as Dagster counts its partitions."""
    now = datetime.now(UTC)
    return Month(now.year, now.month).plus(-1)


def month_range(first: Month, last: Month) -> tuple[Month, ...]:
    """Every month from `first` to `last`, inclusive.

    Raises:
        TaxiError: the range runs backwards.
    """
    if last < first:
        raise TaxiError(f"the range '{first}..{last}' runs backwards: write the earlier month first")
    length = (last.year - first.year) * 12 + last.number - first.number + 1
    return tuple(first.plus(step) for step in range(length))


def not_earlier(trained_on: Sequence[Month], scored: Month) -> list[Month]:
    """Training months that are not earlier than the scored one."""
    return [month for month in trained_on if month >= scored]


def parse_months(text: str) -> tuple[Month, ...]:
    """Parse `2023-01..2023-03`, `2023-01,2023-04` or a mixture into months in calendar order.

    Raises:
        TaxiError: a part is not a month, a range runs backwards, or a month is given twice.
    """
    months = sorted(month for part in text.split(",") for month in _parse_part(part))
    for earlier, later in pairwise(months):
        if earlier == later:
            raise TaxiError(f"the month {earlier} is given twice in {text!r}: name each month once")
    return tuple(months)


def _parse_part(part: str) -> tuple[Month, ...]:
    first, dots, last = part.partition("..")
    if not dots:
        return (Month.parse(first),)
    return month_range(Month.parse(first), Month.parse(last))

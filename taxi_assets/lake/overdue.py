"""Which service waits too long for its next month. Plain values, no framework."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from taxi_assets.months import Month

__all__ = ["OVERDUE_DAYS", "NextMonth", "next_months"]

OVERDUE_DAYS = 100  # after the month's end; TLC takes about two months, never yet more than three


@dataclass(frozen=True)
class NextMonth:
    """The month a service waits for: the one after the newest held, and the day from which it is overdue."""

    service: str
    newest: Month
    month: Month
    overdue_from: date

    def is_overdue(self, today: date) -> bool:
        return today > self.overdue_from

    def sentence(self, today: date) -> str:
        """One line for people."""
        late = f"overdue for {(today - self.overdue_from).days} days" if self.is_overdue(today) else "not overdue"
        return f"{self.service} holds months to {self.newest}; {self.month} is {late}"


def next_months(newest: Mapping[str, Month]) -> tuple[NextMonth, ...]:
    """The month each service waits for, given the newest it holds."""
    return tuple(
        NextMonth(service, month, month.plus(1), month.plus(2).first_day + timedelta(days=OVERDUE_DAYS - 1))
        for service, month in sorted(newest.items())
    )

"""The next month of each service and when it is overdue. Imports no framework."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from duckdb import DuckDBPyConnection

from taxi_assets.months import Month

OVERDUE_DAYS = 100  # after the month's end; TLC takes about two months, so far never more than three


@dataclass(frozen=True)
class NewestMonth:
    """The newest month of a service in the warehouse, and the day its first file arrived, if known."""

    month: Month
    arrived_on: date | None = None


@dataclass(frozen=True)
class NextMonth:
    """The month after a service's newest one, and the last day before it is overdue.

    `is_awaited` is false if the newest month itself arrived late: then only past months are ingested, as in a trial.
    """

    service: str
    newest: Month
    month: Month
    overdue_from: date
    is_awaited: bool

    def is_overdue(self, today: date) -> bool:
        return self.is_awaited and today > self.overdue_from

    def sentence(self, today: date) -> str:
        """States the next month, when it is due or since when it is overdue, and the remedy."""
        if not self.is_awaited:
            return f"No new month of {self.service} is expected: only past months, up to {self.newest}, were ingested."
        if not self.is_overdue(today):
            return f"{self.service} {self.month} is expected by {self.overdue_from}; the newest month is {self.newest}."
        days, since = (today - self.overdue_from).days, self.overdue_from + timedelta(days=1)
        return (
            f"{self.service} {self.month} is overdue since {since} ({days} {'day' if days == 1 else 'days'}); "
            f"the newest month is {self.newest}. Put its file into the landing folder, or fetch it: "
            f"taxi run --months {self.month} --services {self.service}"
        )


def newest_months(connection: DuckDBPyConnection) -> dict[str, NewestMonth]:
    """Reads the newest month of each service in the warehouse."""
    query = (
        "SELECT service, month, CAST(min(first_seen_at) AS DATE) FROM "
        "(SELECT service, max(month) AS month FROM file_columns GROUP BY service) "
        "LEFT JOIN source_files USING (service, month) GROUP BY service, month ORDER BY service"
    )
    rows = connection.execute(query).fetchall()
    return {service: NewestMonth(Month(day.year, day.month), arrived_on) for service, day, arrived_on in rows}


def next_months(newest: Mapping[str, NewestMonth]) -> tuple[NextMonth, ...]:
    """The next month of each service, given its newest one."""
    return tuple(_next_month(service, newest[service]) for service in sorted(newest))


def _next_month(service: str, newest: NewestMonth) -> NextMonth:
    overdue_from = newest.month.plus(2).first_day + timedelta(days=OVERDUE_DAYS - 1)
    is_awaited = newest.arrived_on is None or newest.arrived_on <= overdue_from
    return NextMonth(service, newest.month, newest.month.plus(1), overdue_from, is_awaited)

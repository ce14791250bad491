"""The next month of each service and when it is overdue. Imports no framework."""

from dataclasses import dataclass
from datetime import date, timedelta

from duckdb import DuckDBPyConnection

from taxi_assets.months import Month

OVERDUE_DAYS = 100  # after the month's end; TLC takes about two months, so far never more than three


@dataclass(frozen=True)
class NextMonth:
    """The month after a service's newest one, whose first file arrived on `arrived_on`, if known."""

    service: str
    newest: Month
    arrived_on: date | None = None

    @property
    def month(self) -> Month:
        return self.newest.plus(1)

    @property
    def overdue_from(self) -> date:
        """The last day before it is overdue."""
        return self.newest.plus(2).first_day + timedelta(days=OVERDUE_DAYS - 1)

    @property
    def is_awaited(self) -> bool:
        """False if the newest month itself arrived late: then only past months are ingested, as in a trial."""
        return self.arrived_on is None or self.arrived_on <= self.overdue_from

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


def next_months(connection: DuckDBPyConnection) -> tuple[NextMonth, ...]:
    """The next month of each service in the warehouse."""
    query = (
        "SELECT service, month, CAST(min(first_seen_at) AS DATE) FROM "
        "(SELECT service, max(month) AS month FROM file_columns GROUP BY service) "
        "LEFT JOIN source_files USING (service, month) GROUP BY service, month ORDER BY service"
    )
    rows = connection.execute(query).fetchall()
    return tuple(NextMonth(service, Month(day.year, day.month), arrived_on) for service, day, arrived_on in rows)

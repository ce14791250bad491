"""Compares a file's coverage of its month with its previous file and months nearby. Pure functions."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from taxi_assets.months import Month

MAX_LOSS_SHARE = 0.1
"""Share of rows, days, hours or values of a column that a republished file may lose. A tenth is three days of a month;
TLC's corrections drop single rows. A 1,000-row sample of green 2020-04 loses 97 % of the rows and 37 % of the hours."""

COUNTS = ("rows", "days", "hours", "distances", "fares", "pickup_zone_ids", "dropoff_zone_ids")
"""Statistics of `month_statistics.sql` of which a republished file may lose at most `MAX_LOSS_SHARE`."""

MIN_COVERAGE_SHARE = 0.8
"""Share of the days and hours covered nearby that a month's first file must cover. Each of 48 green months has pickups
on every day and in 99.5 % of its hours. In the lockdown rows fell to a tenth but hours did not, so rows do not count
here. The 1,000-row sample covers 63 % of the hours."""

MIN_ROW_SHARE = 0.5
"""Share of the rows nearby below which a month is suspicious. Of 48 green months none has less than 0.71."""

NEARBY_MONTHS = 2
"""Months before and after that a month is compared with."""


@dataclass(frozen=True)
class Extent:
    """Days and hours of a month with pickups in its raw trips."""

    month: Month
    days: int
    hours: int

    def shares(self) -> Mapping[str, float]:
        """The shares of the calendar month's days and hours with pickups, 0 to 1."""
        days = monthrange(self.month.year, self.month.number)[1]
        return {"days": self.days / days, "hours": self.hours / (24 * days)}


def losses(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """One clause for each of the `COUNTS` of which a republished file lost more than `MAX_LOSS_SHARE`."""
    return [
        f"{after[name]:,} {name.replace('_', ' ')} instead of {before[name]:,} before"
        for name in COUNTS
        if name in before and after[name] < before[name] * (1 - MAX_LOSS_SHARE)
    ]


def missing_parts(month: Extent, nearby: Sequence[Extent]) -> list[str]:
    """One clause for days and one for hours, if far fewer have pickups than in the best month nearby."""
    clauses = []
    for name, share in month.shares().items():
        best = max((other.shares()[name] for other in nearby), default=0.0)
        if share < best * MIN_COVERAGE_SHARE:
            clauses.append(f"pickups in {share:.0%} of the {name} instead of {best:.0%} nearby")
    return clauses


def few_rows(rows: int, nearby: Sequence[int]) -> str | None:
    """A clause if a month has far fewer rows than every month nearby; otherwise None."""
    least = min(nearby, default=0)
    return f"{rows:,} rows, where months nearby have {least:,} or more" if rows < least * MIN_ROW_SHARE else None

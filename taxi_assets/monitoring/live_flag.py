"""The champion's newest day on the control chart of live errors, if it is outside its limits."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NEWEST_CHARTED_DAY = (
    "SELECT model_version, day, rmse, control_low, control_high, ewma FROM live_performance "
    "WHERE is_flagged IS NOT NULL QUALIFY row_number() OVER (ORDER BY day DESC, model_version DESC) = 1 AND is_flagged"
)


@dataclass(frozen=True)
class LiveFlag:
    """A day outside the control limits, by itself or with the days before.

    Attributes:
        version: The champion's version.
        day: The day of the pickups.
        rmse: Error of the day, minutes.
        low: Lower limit of a single day, minutes.
        high: Upper limit of a single day, minutes.
        ewma: Weighted mean of the standardised errors until the day.
    """

    version: int
    day: date
    rmse: float
    low: float
    high: float
    ewma: float

    @property
    def is_above(self) -> bool:
        """True if the error is larger than expected, not smaller."""
        return self.rmse > self.high or (self.rmse >= self.low and self.ewma > 0)

    @property
    def text(self) -> str:
        """The day's error and the limits in words."""
        trend = "has been above" if self.is_above else "has been below"
        is_inside = self.low <= self.rmse <= self.high
        limits = f"expected between {self.low:.2f} and {self.high:.2f}"
        why = f"the mean of the last days {trend} that of its evaluation month" if is_inside else limits
        return f"RMSE of version {self.version} on {self.day:%Y-%m-%d}: {self.rmse:.2f} minutes, {why}"


def newest_flag(connection: "DuckDBPyConnection") -> LiveFlag | None:
    """The champion's newest charted day if it is outside its limits; else None."""
    rows = connection.execute(_NEWEST_CHARTED_DAY).fetchall()
    return LiveFlag(*rows[0]) if rows else None

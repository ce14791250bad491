"""Training trips read month by month, and sums over them, for more trips than fit into memory."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from taxi_assets.features.target_encoding import PairSums
from taxi_assets.warehouse.queries import sql

if TYPE_CHECKING:
    import pandas as pd

_RANGE = ("shortest", "longest")


@dataclass(frozen=True)
class MonthSums:
    """Sums over a month's trips, and their shortest and longest duration in minutes."""

    pairs: PairSums
    minutes_range: tuple[float, float]

    @property
    def trips(self) -> int:
        return int(self.pairs.count.sum())


class MonthReader(Protocol):
    """Reads one month of one service at a time; months count since 1970."""

    def counts(self, service: int) -> dict[int, int]:
        """The number of trips of a service by month, oldest first; a month without trips is left out."""

    def trips(self, service: int, month: int) -> "pd.DataFrame":
        """The month's trips, with the columns of `training_trips.sql`."""

    def sums(self, service: int, month: int, *, by_week: bool = False) -> MonthSums:
        """The month's sums; without `by_week` every week is 0."""


class MonthlyTrips(Protocol):
    """Training trips of a window of months, not in memory."""

    @property
    def services(self) -> tuple[int, ...]:
        """The services by number."""

    def scratch_folder(self) -> AbstractContextManager[Path]:
        """Makes a folder for encoded trips, deleted after the block."""

    def reading(self) -> AbstractContextManager[MonthReader]:
        """Opens a reader of one snapshot."""


@dataclass(frozen=True)
class FrameTrips:
    """Trips in memory, with the interface of `MonthlyTrips`."""

    frame: "pd.DataFrame"

    @property
    def services(self) -> tuple[int, ...]:
        return tuple(int(service) for service in np.unique(self.frame["service_id"]))

    @contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="training-") as folder:
            yield Path(folder)

    def reading(self) -> AbstractContextManager["FrameTrips"]:
        return nullcontext(self)

    def counts(self, service: int) -> dict[int, int]:
        found = np.unique(self._months()[self.frame["service_id"] == service], return_counts=True)
        return dict(zip(*(values.tolist() for values in found), strict=True))

    def trips(self, service: int, month: int) -> "pd.DataFrame":
        return self.frame[(self.frame["service_id"] == service).to_numpy() & (self._months() == month)]

    def sums(self, service: int, month: int, *, by_week: bool = False) -> MonthSums:
        """The sums by the warehouse's SQL, so that both kinds of trips give the same model."""
        import duckdb

        own = self.trips(service, month)
        with duckdb.connect() as connection:
            connection.register("own", own)
            connection.execute(
                "CREATE TEMP VIEW trip_features AS SELECT *, 'any' AS service, DATE '1970-01-01' AS month FROM own"
            )
            values = {"service": "any", "month": "1970-01-01", "by_week": by_week}
            values |= {"shortest_minutes": 0.0, "longest_minutes": float("inf")}
            return month_sums(connection.execute(sql("pair_sums"), values).fetchnumpy())

    def _months(self) -> Any:
        return self.frame["pickup_at"].to_numpy().astype("datetime64[M]").astype(np.int64)


def month_sums(found: Mapping[str, Any]) -> MonthSums:
    """The result of `pair_sums.sql` by column."""
    low, high = float(found["shortest"].min()), float(found["longest"].max())
    counted: dict[str, Any] = {
        name: np.asarray(values, np.float64 if name in {"count", "total", "logs", "squares"} else np.int64)
        for name, values in found.items()
        if name not in _RANGE
    }
    return MonthSums(PairSums(**counted), (low, high))

"""Many rides as columns: their features as arrays, and the end of each ride."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.trip_features import SERVICE_IDS, TripColumns
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.tlc.local_time import local_time, utc_seconds

_SUMMER_HOURS = 4  # New York's summer time is this far behind UTC


@dataclass(frozen=True)
class RideBatch:
    """Validated rides, one element a ride in each list; the fields of `RideRequest`.

    `rider_key` names the rider of all rides, so that one variant predicts them.
    """

    services: Sequence[str]
    pickup_at: Sequence[datetime]
    pickup_zone_ids: Sequence[int]
    dropoff_zone_ids: Sequence[int]
    passenger_counts: Sequence[int | None]
    vendor_ids: Sequence[int]
    warnings: Sequence[tuple[str, ...]]
    rider_key: str | None = None
    is_rows: bool = False

    @classmethod
    def of(cls, rides: Sequence[RideRequest], rider_key: str | None, is_rows: bool) -> "RideBatch":
        """A batch of single rides."""
        return cls(
            [ride.service for ride in rides],
            [ride.pickup_at for ride in rides],
            [ride.pickup_zone_id for ride in rides],
            [ride.dropoff_zone_id for ride in rides],
            [ride.passenger_count for ride in rides],
            [ride.vendor_id for ride in rides],
            [ride.warnings for ride in rides],
            rider_key,
            is_rows,
        )

    def __len__(self) -> int:
        return len(self.pickup_at)

    def columns(self) -> TripColumns:
        """The inputs of `ServedModel.encode`, shape (n,) each."""
        return {
            "service_id": np.array([SERVICE_IDS[service] for service in self.services]),
            "pickup_at": np.array(self.pickup_at, "datetime64[s]"),
            "pickup_zone_id": np.array(self.pickup_zone_ids),
            "dropoff_zone_id": np.array(self.dropoff_zone_ids),
            "passenger_count": np.array(self.passenger_counts, np.float64),
        }

    @cached_property
    def pickup_seconds(self) -> NDArray[np.int64]:
        """The pickups, seconds since 1970, shape (n,)."""
        start = np.array(self.pickup_at, "datetime64[s]")
        is_second = np.array([time.fold for time in self.pickup_at], bool)
        first = utc_seconds(start)
        return np.where(is_second, utc_seconds(start, "second"), first) if is_second.any() else first

    def dropoff_times(self, minutes: NDArray[np.float64]) -> list[str]:
        """The end of each ride as `pickup_time.dropoff_time` writes it."""
        fraction = np.array(self.pickup_at, "datetime64[us]").astype(np.int64) % 1_000_000
        end = self.pickup_seconds + (fraction + np.rint(minutes * 60e6).astype(np.int64)) // 1_000_000
        local = local_time(end)
        offsets = np.where(end - local.astype(np.int64) == _SUMMER_HOURS * 3600, "-04:00", "-05:00")
        texts = np.datetime_as_string(local, "s").tolist()
        return [text + offset for text, offset in zip(texts, offsets.tolist(), strict=True)]

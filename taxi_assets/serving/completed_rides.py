"""The completed rides that a worker knows, 22 bytes each.

Every served model makes its recent traffic from them.
"""

import math
import time
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.trip_features import SERVICE_IDS, TripColumns
from taxi_assets.serving.requested_ride import RideRequest

MAX_RIDES = 4_000_000
"""Completed rides that a worker keeps, more than yellow taxis have in four weeks."""

_SERVICES = tuple(SERVICE_IDS)
# Encoded in some milliseconds; then other threads get their turn.
_CHUNK_RIDES = 2_000
# Removed in one go, since the rides after them are moved.
_DROPPED_SHARE = 64


class CompletedRides:
    """The last completed rides in the order of their receipt, as columns.

    Not safe to use from several threads.

    Args:
        max_rides: The oldest rides beyond this number are dropped.

    Attributes:
        received: Number of rides added so far.
    """

    def __init__(self, max_rides: int = MAX_RIDES) -> None:
        self._max_rides, self.received = max_rides, 0
        self._pickup_at, self._minutes = array("q"), array("d")
        self._services, self._vendors = array("B"), array("B")
        self._starts, self._ends = array("H"), array("H")

    def __len__(self) -> int:
        return len(self._minutes)

    def append(self, ride: RideRequest, minutes: float) -> None:
        """Add a ride and its actual duration."""
        self._pickup_at.append(int(ride.pickup_at.replace(tzinfo=UTC).timestamp()))
        self._minutes.append(minutes)
        self._services.append(SERVICE_IDS[ride.service])
        self._vendors.append(ride.vendor_id)
        self._starts.append(ride.pickup_zone_id)
        self._ends.append(ride.dropoff_zone_id)
        self.received += 1
        if len(self) > self._max_rides + self._max_rides // _DROPPED_SHARE:
            for column in self._columns():
                del column[: len(column) - self._max_rides]

    def copy(self) -> "CompletedRides":
        """The same rides, to read in another thread; a million takes some ten milliseconds."""
        made = CompletedRides(self._max_rides)
        made.received = self.received
        for own, column in zip(made._columns(), self._columns(), strict=True):
            own.extend(column)  # type: ignore[arg-type]
        return made

    def since(self, received: int) -> list[tuple[RideRequest, float]]:
        """The kept rides that were added after so many, with their durations."""
        first = max(len(self) - (self.received - received), 0)
        rows = zip(*(column[first:] for column in self._columns()), strict=True)
        return [(_ride(pickup_at, *others), minutes) for pickup_at, minutes, *others in rows]

    def of_service(self, service: int, shortest: float = 0, longest: float = math.inf) -> Iterator[TripColumns]:
        """The service's rides of these minutes in chunks, in the order of their receipt.

        Yields:
            The inputs of `ServedModel.encode` and `vendor_id`, `duration_minutes`; shape (n,) each.
        """
        pickup_at, minutes, services, vendors, starts, ends = (np.array(column) for column in self._columns())
        own = np.flatnonzero((services == service) & (minutes >= shortest) & (minutes <= longest))
        for first in range(0, len(own), _CHUNK_RIDES):
            rows: NDArray[np.int64] = own[first : first + _CHUNK_RIDES]
            yield {
                "service_id": np.full(len(rows), service),
                "pickup_at": pickup_at[rows].astype("datetime64[s]"),
                "pickup_zone_id": starts[rows].astype(np.int64),
                "dropoff_zone_id": ends[rows].astype(np.int64),
                "vendor_id": vendors[rows].astype(np.int64),
                "duration_minutes": minutes[rows],
            }
            time.sleep(0)

    def _columns(self) -> tuple["array[int] | array[float]", ...]:
        return self._pickup_at, self._minutes, self._services, self._vendors, self._starts, self._ends


def _ride(pickup_at: int, service: int, vendor: int, start: int, end: int) -> RideRequest:
    local = datetime.fromtimestamp(pickup_at, UTC).replace(tzinfo=None)
    return RideRequest(_SERVICES[service], local, start, end, vendor_id=vendor)

"""A ride whose duration is requested, after validation."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RideRequest:
    """A requested ride.

    Attributes:
        service: The kind of taxi.
        pickup_at: An existing New York time, without an offset; `fold` is 1 in the second of two equal hours.
        pickup_zone_id: TLC zone of its start.
        dropoff_zone_id: TLC zone of its end.
        passenger_count: Number of passengers, if known.
        rider_key: The client's name of the rider, which gets the same variant in every request.
        warnings: Notes on how an ambiguous time was read.
        vendor_id: TLC's id of the vendor, 0 if unknown.
    """

    service: str
    pickup_at: datetime
    pickup_zone_id: int
    dropoff_zone_id: int
    passenger_count: int | None = None
    rider_key: str | None = None
    warnings: tuple[str, ...] = ()
    vendor_id: int = 0

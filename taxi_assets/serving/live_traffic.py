"""Recent traffic of a running endpoint: the completed rides, and predictions from them."""

import math
from datetime import datetime

import numpy as np

from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.features.recent_traffic import RECENT_TRAFFIC_FEATURES
from taxi_assets.features.traffic_index import CompletedTrip, TrafficIndex
from taxi_assets.features.trip_features import SERVICE_IDS
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.served_model import ServedModel
from taxi_assets.tlc.local_time import NEW_YORK
from taxi_assets.training.predictions import Prediction, predict_interval

_COLUMNS = [MATRIX_COLUMNS.index(name) for name in RECENT_TRAFFIC_FEATURES]
_EXPECTED = MATRIX_COLUMNS.index("expected_minutes")


class LiveTraffic:
    """Completed trips by service, with the durations that one model expects of them.

    It begins with the model's last training trips. A model that does not use recent traffic keeps none.

    Args:
        model: The served model.
        max_trips: The oldest trips of a service beyond this number are removed.
    """

    def __init__(self, model: ServedModel, max_trips: int = 500_000) -> None:
        self._model = model
        borough = model.geometry.zones.borough
        self._indexes = {
            service: TrafficIndex(borough, completed, max_trips) for service, completed in model.completed.items()
        }

    def add(self, ride: RideRequest, minutes: float, vendor: int = 0) -> bool:
        """Add a completed ride; False if its duration or its service says nothing about the model's traffic.

        Args:
            ride: The ride.
            minutes: Its actual duration.
            vendor: TLC's id of its vendor, 0 if unknown.
        """
        index = self._indexes.get(SERVICE_IDS[ride.service])
        shortest, longest = self._model.minutes_range
        if index is None or not shortest <= minutes <= longest:
            return False
        expected = self._model.encode_ride(ride).item(_EXPECTED)
        # As in training: a pickup in an hour that the clocks repeat is in the second one, so no trip ends too early.
        ended_at = _seconds(ride.pickup_at.replace(fold=1)) + round(minutes * 60)
        trip = CompletedTrip(ended_at, ride.pickup_zone_id, ride.dropoff_zone_id, minutes, expected, vendor)
        index.add(trip)
        return True

    def newest(self, service: str) -> datetime | None:
        """The end of the last completed trip, New York time with its offset; None without trips."""
        index = self._indexes.get(SERVICE_IDS[service])
        if index is None or index.newest is None:
            return None
        return datetime.fromtimestamp(index.newest, NEW_YORK)

    def predict_ride(self, ride: RideRequest, vendor: int = 0) -> Prediction:
        """The prediction of one ride from the traffic before its pickup, shape (1,).

        Raises:
            TaxiError: the model was not trained on trips of its service.
        """
        matrix = self._model.encode_ride(ride)
        index = self._indexes.get(SERVICE_IDS[ride.service])
        if index is None:
            return self._model.predict_matrix(matrix)
        at = _seconds(ride.pickup_at)
        matrix[0, _COLUMNS] = index.features(at, ride.pickup_zone_id, ride.dropoff_zone_id)
        fixed_minutes = index.fixed_duration_minutes(at, vendor)
        if math.isnan(fixed_minutes):
            return self._model.predict_matrix(matrix)
        corrections = np.ones(1)  # the fixed duration replaces what the trees would say
        return predict_interval(corrections, matrix, np.array([fixed_minutes]), self._model.intervals)


def _seconds(local: datetime) -> int:
    """Seconds since 1970 of a New York time."""
    return int(local.replace(tzinfo=NEW_YORK).timestamp())

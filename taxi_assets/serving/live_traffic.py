"""Recent traffic of a running endpoint: the completed rides, and predictions from them."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.encoding import MATRIX_COLUMNS, expected_minutes
from taxi_assets.features.recent_traffic import RECENT_TRAFFIC_FEATURES, CompletedTrips, concat_trips, lookback_seconds
from taxi_assets.features.traffic_index import CompletedTrip, TrafficIndex
from taxi_assets.features.traffic_of_many import ages_of_many, features_of_many
from taxi_assets.features.trip_features import SERVICE_IDS, TripColumns
from taxi_assets.serving.completed_rides import CompletedRides
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.served_model import ServedModel
from taxi_assets.tlc.local_time import NEW_YORK, utc_seconds
from taxi_assets.training.predictions import Prediction, predict_interval

MAX_AGE_SECONDS = 86_400
"""Recent traffic is unknown if no ride ended so shortly before the pickup: the feed was interrupted."""

_COLUMNS = [MATRIX_COLUMNS.index(name) for name in RECENT_TRAFFIC_FEATURES]
_EXPECTED = MATRIX_COLUMNS.index("expected_minutes")


class LivePrediction(NamedTuple):
    """The prediction of one ride and what it was made from.

    Attributes:
        matrix: The model's input, shape (1, features).
        prediction: The prediction, shape (1,).
        traffic_age_seconds: Seconds since the last completed ride; None if recent traffic was unknown and not used.
    """

    matrix: NDArray[np.float32]
    prediction: Prediction
    traffic_age_seconds: int | None


class LivePredictions(NamedTuple):
    """The predictions of many rides and what they were made from.

    Attributes:
        matrix: The model's input, shape (n, features).
        prediction: The predictions, shape (n,).
        traffic_age_seconds: Of each ride: seconds since the last completed ride; None if recent traffic was unknown.
    """

    matrix: NDArray[np.float32]
    prediction: Prediction
    traffic_age_seconds: Sequence[int | None]


class LiveTraffic:
    """Completed trips by service, with the durations that one model expects of them.

    A service's traffic is known from its first completed ride on. It then includes the model's last training trips, if
    they are recent. A model that does not use recent traffic keeps none.

    Args:
        model: The served model.
        rides: Rides completed so far; they take microseconds each, a twentieth of `add`.
    """

    def __init__(self, model: ServedModel, rides: CompletedRides | None = None) -> None:
        self._model = model
        self._indexes: dict[int, TrafficIndex] = {}
        self._training_end = {service: int(each.ended_at.max()) for service, each in model.completed.items()}
        if rides:
            for service in self._training_end:
                self._add_all(service, rides)

    def add(self, ride: RideRequest, minutes: float) -> bool:
        """Add a completed ride; False if its duration or its service says nothing about the model's traffic.

        Args:
            ride: The ride.
            minutes: Its actual duration.
        """
        service = SERVICE_IDS[ride.service]
        shortest, longest = self._model.minutes_range
        if service not in self._training_end or not shortest <= minutes <= longest:
            return False
        expected = self._model.encode_ride(ride).item(_EXPECTED)
        # As in training: a pickup in an hour that the clocks repeat is in the second one, so no trip ends too early.
        ended_at = _seconds(ride.pickup_at.replace(fold=1)) + round(minutes * 60)
        trip = CompletedTrip(ended_at, ride.pickup_zone_id, ride.dropoff_zone_id, minutes, expected, ride.vendor_id)
        if service not in self._indexes:
            self._indexes[service] = self._new_index(self._recent_training_trips(service, ended_at))
        self._indexes[service].add(trip)
        return True

    def newest(self, service: str) -> datetime | None:
        """The end of the last completed trip, New York time with its offset; None without trips."""
        index = self._indexes.get(SERVICE_IDS[service])
        return None if index is None or index.newest is None else datetime.fromtimestamp(index.newest, NEW_YORK)

    def predict_ride(self, ride: RideRequest) -> LivePrediction:
        """The prediction of one ride from the traffic before its pickup.

        Raises:
            TaxiError: the model was not trained on trips of its service.
        """
        matrix = self._model.encode_ride(ride)
        index, at = self._indexes.get(SERVICE_IDS[ride.service]), _seconds(ride.pickup_at)
        age = index.age_seconds(at) if index else None
        if index is None or age is None or age > MAX_AGE_SECONDS:
            return LivePrediction(matrix, self._model.predict_matrix(matrix), None)
        matrix[0, _COLUMNS] = index.features(at, ride.pickup_zone_id, ride.dropoff_zone_id)
        fixed_minutes = index.fixed_duration_minutes(at, ride.vendor_id)
        if math.isnan(fixed_minutes):
            return LivePrediction(matrix, self._model.predict_matrix(matrix), age)
        # The fixed duration replaces what the trees would say.
        prediction = predict_interval(np.ones(1), matrix, np.array([fixed_minutes]), self._model.intervals)
        return LivePrediction(matrix, prediction, age)

    def predict_many(self, trips: TripColumns, at: NDArray[np.int64], vendors: Sequence[int]) -> LivePredictions:
        """The predictions of many rides, each from the traffic before its pickup, as `predict_ride` of each.

        No trip may be added meanwhile.

        Args:
            trips: The rides, as `ServedModel.encode` takes them, shape (n,) each.
            at: Their pickups, seconds since 1970, shape (n,).
            vendors: TLC's ids of their vendors, 0 if unknown, shape (n,).

        Raises:
            TaxiError: the model was not trained on trips of a service.
        """
        matrix = self._model.encode(trips)
        ages, fixed_minutes = np.full(len(at), np.inf), np.full(len(at), np.nan)
        for service, index in self._indexes.items():
            own = np.flatnonzero(trips["service_id"] == service)
            ages[own] = ages_of_many(index, at[own])
            own = own[ages[own] <= MAX_AGE_SECONDS]
            zones = trips["pickup_zone_id"][own], trips["dropoff_zone_id"][own]
            matrix[own[:, None], _COLUMNS] = features_of_many(index, at[own], *zones)
            for row in own[np.asarray(vendors)[own] > 0].tolist():
                fixed_minutes[row] = index.fixed_duration_minutes(int(at[row]), vendors[row])
        known = [int(age) if age <= MAX_AGE_SECONDS else None for age in ages.tolist()]
        return LivePredictions(matrix, self._model.predict_matrix(matrix, fixed_minutes), known)

    def _add_all(self, service: int, rides: CompletedRides) -> None:
        """Make the service's index of the rides."""
        shortest, longest = self._model.minutes_range
        parts = [self._completed(chunk) for chunk in rides.of_service(service, shortest, longest)]
        if parts:
            known = self._recent_training_trips(service, int(parts[0].ended_at[0]))
            self._indexes[service] = self._new_index(concat_trips([*([known] if known else []), *parts]))

    def _completed(self, rides: TripColumns) -> CompletedTrips:
        """The rides as the index takes them."""
        minutes = rides["duration_minutes"]
        return CompletedTrips(
            ended_at=utc_seconds(rides["pickup_at"], repeated="second") + np.rint(minutes * 60).astype(np.int64),
            starts=rides["pickup_zone_id"],
            ends=rides["dropoff_zone_id"],
            vendor=rides["vendor_id"],
            minutes=minutes,
            expected=expected_minutes(self._model.encode(rides)),
        )

    def _recent_training_trips(self, service: int, at: int) -> CompletedTrips | None:
        """The last training trips, with which recent traffic begins; None if they are too old at that time."""
        return self._model.completed[service] if at - self._training_end[service] <= lookback_seconds() else None

    def _new_index(self, completed: CompletedTrips | None) -> TrafficIndex:
        return TrafficIndex(self._model.geometry.zones.borough, completed)


def _seconds(local: datetime) -> int:
    """Seconds since 1970 of a New York time."""
    return int(local.replace(tzinfo=NEW_YORK).timestamp())

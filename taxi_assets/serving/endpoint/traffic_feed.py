"""Recent traffic of one worker: follows the feedback of all workers, and feeds the models with it."""

import contextlib
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from taxi_assets.serving.completed_rides import MAX_RIDES, CompletedRides
from taxi_assets.serving.endpoint.feedback_log import FEEDBACK_FOLDER
from taxi_assets.serving.live_traffic import LiveTraffic
from taxi_assets.serving.prediction_log.feedback_record import REMEMBERED_DAYS, LoggedFeedback, decode_feedback
from taxi_assets.serving.prediction_log.log_tail import LogTail
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.served_model import ServedModel
from taxi_assets.serving.variants import Variant

# Added while predictions wait: a third of a millisecond.
_HANDED_OVER = 10
# Added before the thread that predicts gets its turn.
_ADDED_AT_A_TIME = 5


class TrafficFeed:
    """Completed rides known to a worker, and the recent traffic of each model that it serves.

    All workers follow the same log, so each knows a ride before its next prediction, also after a restart. One thread
    predicts; another may `prepare` and `keep` models meanwhile, a third one may predict during `unchanged`.

    Args:
        state: The serving state folder.
        max_rides: Number of rides kept.
    """

    def __init__(self, state: Path, max_rides: int = MAX_RIDES) -> None:
        self._tail = LogTail(state / FEEDBACK_FOLDER, time.time() - REMEMBERED_DAYS * 86_400)
        self._rides = CompletedRides(max_rides)
        self._lock = threading.Lock()
        # By the identity of the model, which its traffic keeps alive: a version may be packaged again.
        self._by_model: dict[int, LiveTraffic] = {}
        self._is_read = False

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Take in nothing during the block, in which another thread may predict; blocks do not overlap."""
        self._is_read = True
        try:
            yield
        finally:
            self._is_read = False

    def follow(self) -> None:
        """Take in what any worker has received since the last call; a few microseconds if nothing."""
        if self._is_read:
            return
        while lines := self._tail.read():
            with self._lock:
                for line in lines:
                    # A loss of power may have left bytes that are no record.
                    with contextlib.suppress(msgspec.MsgspecError):
                        record = decode_feedback(line.content)
                        ride, minutes = _ride(record), record.actual_minutes
                        self._rides.append(ride, minutes)
                        for traffic in self._by_model.values():
                            traffic.add(ride, minutes)

    def of(self, variant: Variant) -> LiveTraffic:
        """The recent traffic as a variant's model sees it; made of all known rides unless it is prepared."""
        traffic = self._by_model.get(id(variant.model))
        return traffic or self.prepare(variant.model)

    def prepare(self, model: ServedModel) -> LiveTraffic:
        """Make the recent traffic of a model of all known rides, beside the thread that predicts."""
        with self._lock:
            known = self._rides.copy()
        traffic, seen = LiveTraffic(model, known), known.received
        while True:
            with self._lock:
                fresh, seen = self._rides.since(seen), self._rides.received
                if len(fresh) <= _HANDED_OVER:
                    for ride, minutes in fresh:
                        traffic.add(ride, minutes)
                    return self._by_model.setdefault(id(model), traffic)
            for number, (ride, minutes) in enumerate(fresh):
                traffic.add(ride, minutes)
                if number % _ADDED_AT_A_TIME == 0:
                    time.sleep(0)

    def keep(self, models: Collection[ServedModel]) -> None:
        """Forget the recent traffic of all other models."""
        kept = {id(model) for model in models}
        with self._lock:
            self._by_model = {key: each for key, each in self._by_model.items() if key in kept}

    def close(self) -> None:
        """Close the log's files."""
        self._tail.close()


def _ride(record: LoggedFeedback) -> RideRequest:
    zones = record.pickup_zone_id, record.dropoff_zone_id
    return RideRequest(record.service, record.pickup_at.replace(tzinfo=None), *zones, vendor_id=record.vendor_id)

"""Recent traffic of one worker: follows the feedback of all workers, and feeds the models with it."""

import contextlib
import time
from collections import deque
from pathlib import Path

import msgspec

from taxi_assets.serving.endpoint.feedback_log import FEEDBACK_FOLDER
from taxi_assets.serving.live_traffic import LiveTraffic
from taxi_assets.serving.prediction_log.feedback_record import REMEMBERED_DAYS, LoggedFeedback, decode_feedback
from taxi_assets.serving.prediction_log.log_tail import LogTail
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.variants import Variant

MAX_RIDES = 500_000
"""Completed rides that a worker keeps; older ones are dropped."""


class TrafficFeed:
    """Completed rides known to a worker, and the recent traffic of each model that it serves.

    All workers follow the same log, so each knows a ride before its next prediction, also after a restart. Not safe to
    use from several threads.

    Args:
        state: The serving state folder.
        max_rides: Number of rides kept.
    """

    def __init__(self, state: Path, max_rides: int = MAX_RIDES) -> None:
        self._tail = LogTail(state / FEEDBACK_FOLDER, time.time() - REMEMBERED_DAYS * 86_400)
        self._max_rides = max_rides
        self._rides: deque[LoggedFeedback] = deque(maxlen=max_rides)
        self._by_version: dict[int, LiveTraffic] = {}

    def follow(self) -> None:
        """Take in what any worker has received since the last call; a few microseconds if nothing."""
        while lines := self._tail.read():
            for line in lines:
                # A loss of power may have left bytes that are no record.
                with contextlib.suppress(msgspec.MsgspecError):
                    record = decode_feedback(line.content)
                    self._rides.append(record)
                    for traffic in self._by_version.values():
                        _add(traffic, record)

    def of(self, variant: Variant) -> LiveTraffic:
        """The recent traffic as a variant's model sees it; made of all known rides when first asked for."""
        traffic = self._by_version.get(variant.version)
        if traffic is None:
            traffic = self._by_version[variant.version] = LiveTraffic(variant.model, self._max_rides)
            for each in self._rides:
                _add(traffic, each)
        return traffic

    def close(self) -> None:
        """Close the log's files."""
        self._tail.close()


def _add(traffic: LiveTraffic, record: LoggedFeedback) -> None:
    pickup_at = record.pickup_at.replace(tzinfo=None)
    zones = record.pickup_zone_id, record.dropoff_zone_id
    traffic.add(RideRequest(record.service, pickup_at, *zones, vendor_id=record.vendor_id), record.actual_minutes)

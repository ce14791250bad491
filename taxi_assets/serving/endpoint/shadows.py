"""Predictions by shadow variants: made after the answer is sent, then logged and never answered."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter

from starlette.background import BackgroundTask

from taxi_assets.serving.endpoint.answer_log import AnswerLog, Computed
from taxi_assets.serving.endpoint.metrics import variant_metrics
from taxi_assets.serving.endpoint.ride_batch import RideBatch
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.variants import Variant

_LOGGER = logging.getLogger("uvicorn.error")


class Shadows:
    """Predicts answered rides by shadow variants. A failure is counted, and logged once for each version.

    Args:
        log: The prediction log.
        traffic: The recent traffic of each variant.
    """

    def __init__(self, log: AnswerLog, traffic: TrafficFeed) -> None:
        self._log, self._traffic = log, traffic
        self._failed_versions: set[int] = set()

    async def after_answer(
        self, variants: Sequence[Variant], ride: RideRequest, answer_id: str, is_overloaded: bool
    ) -> BackgroundTask | None:
        """Arrange the predictions of an answered ride from the traffic that its answer saw.

        Args:
            variants: The shadow variants.
            ride: The ride.
            answer_id: Request id of its answer.
            is_overloaded: Leaves the ride out, and counts it.

        Returns:
            The task that predicts once the answer is sent; None if nothing is left to do.
        """
        if is_overloaded:
            self._omit(variants, 1)
        elif self._log.sync == "process":
            return BackgroundTask(self.predict_ride, variants, ride, answer_id)
        else:
            # Other requests change the traffic while the answer waits for the disk, which takes far longer than this.
            await self.predict_ride(variants, ride, answer_id)
        return None

    async def predict_ride(self, variants: Sequence[Variant], ride: RideRequest, answer_id: str) -> None:
        """Predict and log an answered ride, without a pause in which other requests could change the traffic."""
        for variant in variants:
            self._attempt(variant, partial(self._predict_ride, variant, ride, answer_id))

    def predict_batch(
        self, variants: Sequence[Variant], batch: RideBatch, answer_id: str, is_overloaded: bool = False
    ) -> None:
        """Predict and log the rides of an answered batch; see `after_answer`."""
        if is_overloaded:
            self._omit(variants, len(batch))
            return
        for variant in variants:
            self._attempt(variant, partial(self._predict_batch, variant, batch, answer_id))

    @staticmethod
    def _omit(variants: Sequence[Variant], rides: int) -> None:
        for variant in variants:
            variant_metrics(variant).count_omission(rides)

    def _attempt(self, variant: Variant, predict: Callable[[], None]) -> None:
        try:
            predict()
        except Exception:
            variant_metrics(variant).count_failure()
            if variant.version not in self._failed_versions:
                self._failed_versions.add(variant.version)
                _LOGGER.exception("shadow version %d fails; later failures are only counted", variant.version)

    def _predict_ride(self, variant: Variant, ride: RideRequest, answer_id: str) -> None:
        started = perf_counter()
        live = self._traffic.of(variant).predict_ride(ride)
        age = live.traffic_age_seconds
        self._log.append(variant, ride, Computed(live.matrix, live.prediction, started, answer_id, age))
        metrics = variant_metrics(variant)
        metrics.count({ride.service: 1}, live.matrix, live.prediction)
        metrics.note_traffic([age])
        metrics.time("/predict", perf_counter() - started)

    def _predict_batch(self, variant: Variant, batch: RideBatch, answer_id: str) -> None:
        started = perf_counter()
        live = self._traffic.of(variant).predict_many(batch.columns(), batch.pickup_seconds, batch.vendor_ids)
        ages = live.traffic_age_seconds
        computed = Computed(live.matrix, live.prediction, started, answer_id, traffic_ages=ages)
        self._log.append_batch(variant, batch, computed)
        metrics = variant_metrics(variant)
        metrics.count(Counter(batch.services), live.matrix, live.prediction)
        metrics.note_traffic(ages)
        metrics.time("/predict_many", perf_counter() - started)

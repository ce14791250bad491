"""Prometheus metrics of the endpoint, added over its workers by prometheus-client's multiprocess mode.

BentoML sets `PROMETHEUS_MULTIPROC_DIR` for its workers, which turns that mode on, and empties the folder at its start.
Each addition to a file takes two microseconds. So requests and predictions are added up in memory, and written every
second and at each scrape of the worker; a killed worker loses a second of its counts.
"""

import os
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.serving.variants import Variant
from taxi_assets.training.predictions import Prediction

CONTENT_TYPE = CONTENT_TYPE_LATEST
OTHER_ADDRESS = "other"

_PAIR_TRIPS = MATRIX_COLUMNS.index("pair_log_trips")
_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_VARIANT = ("variant", "version")
REGISTRY = CollectorRegistry()

_REQUESTS = Counter("taxi_requests", "Requests by address and status", ("address", "status"), registry=REGISTRY)
_PREDICTIONS = Counter("taxi_predictions", "Predicted rides", (*_VARIANT, "service"), registry=REGISTRY)


class _SummedHistogram(Histogram):
    """A histogram to which many observations are added at once."""

    def observe_many(self, counts: Sequence[int], total: float) -> None:
        """Add observations.

        Args:
            counts: Their number in each bucket, the last without an upper bound.
            total: Their sum.
        """
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(total)


_LATENCY = _SummedHistogram(
    "taxi_prediction_seconds",
    "Seconds from the body to the response of a request",
    (*_VARIANT, "address"),
    buckets=_SECONDS,
    registry=REGISTRY,
)
_MINUTES = Counter("taxi_predicted_minutes", "Sum of the predicted durations, minutes", _VARIANT, registry=REGISTRY)
_WIDTHS = Counter(
    "taxi_interval_width_minutes", "Sum of the widths of the 90 % intervals, minutes", _VARIANT, registry=REGISTRY
)
_UNSEEN = Counter(
    "taxi_unseen_pairs", "Predicted rides between two zones without a past trip", _VARIANT, registry=REGISTRY
)
_FEATURE = (*_VARIANT, "feature")
_LOWEST = Gauge(
    "taxi_feature_lowest", "Lowest value in predicted rides", _FEATURE, multiprocess_mode="min", registry=REGISTRY
)
_HIGHEST = Gauge(
    "taxi_feature_highest", "Highest value in predicted rides", _FEATURE, multiprocess_mode="max", registry=REGISTRY
)

_WITH_TRAFFIC = Counter(
    "taxi_predictions_with_recent_traffic", "Predicted rides with recent traffic", _VARIANT, registry=REGISTRY
)
_TRAFFIC_AGE = Gauge(
    "taxi_recent_traffic_age_seconds",
    "Age of the recent traffic in the last prediction that had it",
    _VARIANT,
    multiprocess_mode="mostrecent",
    registry=REGISTRY,
)

_SHADOW_FAILURES = Counter(
    "taxi_shadow_failures", "Answers that a shadow failed to predict", _VARIANT, registry=REGISTRY
)
_SHADOW_OMISSIONS = Counter(
    "taxi_shadow_omissions",
    "Answered rides that no shadow predicted, since requests were refused",
    _VARIANT,
    registry=REGISTRY,
)


# Guards what is counted and not yet written, while the thread that writes takes it.
_LOCK = threading.Lock()
_RESPONSES: defaultdict[tuple[str, int], int] = defaultdict(int)


@dataclass
class _Latencies:
    """The latencies of an address: their number in each bucket, and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(_SECONDS) + 1))
    total: float = 0.0


@dataclass
class _Counted:
    """Predictions of a variant since the last `write`."""

    rides: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    minutes: float = 0.0
    widths: float = 0.0
    unseen: int = 0
    with_traffic: int = 0
    traffic_age: int | None = None
    latencies: defaultdict[str, _Latencies] = field(default_factory=lambda: defaultdict(_Latencies))


class VariantMetrics:
    """The metrics of one variant; `variant_metrics` makes it once."""

    def __init__(self, name: str, version: int) -> None:
        self._labels = (name, str(version))
        self._counted = _Counted()
        self._lowest, self._highest = (np.full(len(MATRIX_COLUMNS), sign * np.inf, np.float32) for sign in (1, -1))

    def count(self, rides: Mapping[str, int], matrix: NDArray[np.float32], prediction: Prediction) -> None:
        """Count predicted rides.

        Args:
            rides: The number of rides by service.
            matrix: Their features, shape (n, len(MATRIX_COLUMNS)).
            prediction: Their minutes and intervals, shape (n,).
        """
        minutes, widths = _sum(prediction.minutes), 0.0
        if prediction.low is not None and prediction.high is not None:
            widths = _sum(prediction.high) - _sum(prediction.low)
        unseen = len(matrix) - int(np.count_nonzero(matrix[:, _PAIR_TRIPS]))
        with _LOCK:
            counted = self._counted
            for service, number in rides.items():
                counted.rides[service] += number
            counted.minutes += minutes
            counted.widths += widths
            counted.unseen += unseen
        self._note_ranges(matrix)

    def note_traffic(self, ages: Sequence[int | None]) -> None:
        """Count rides with recent traffic, given its age in seconds of each ride, None for a ride without."""
        known = [age for age in ages if age is not None]
        if known:
            with _LOCK:
                self._counted.with_traffic += len(known)
                self._counted.traffic_age = known[-1]

    def time(self, address: str, seconds: float) -> None:
        """Record the latency of an answered request."""
        with _LOCK:
            latencies = self._counted.latencies[address]
            latencies.counts[bisect_left(_SECONDS, seconds)] += 1
            latencies.total += seconds

    def count_failure(self) -> None:
        """Count an answer that a shadow failed to predict."""
        _SHADOW_FAILURES.labels(*self._labels).inc()

    def count_omission(self, rides: int) -> None:
        """Count answered rides that a shadow did not predict."""
        _SHADOW_OMISSIONS.labels(*self._labels).inc(rides)

    def write(self) -> None:
        """Add what was counted since the last call to the metrics."""
        with _LOCK:
            counted, self._counted = self._counted, _Counted()
        for service, number in counted.rides.items():
            _PREDICTIONS.labels(*self._labels, service).inc(number)
        for address, latencies in counted.latencies.items():
            _LATENCY.labels(*self._labels, address).observe_many(latencies.counts, latencies.total)
        for metric, value in (
            (_MINUTES, counted.minutes),
            (_WIDTHS, counted.widths),
            (_UNSEEN, counted.unseen),
            (_WITH_TRAFFIC, counted.with_traffic),
        ):
            metric.labels(*self._labels).inc(value)
        if counted.traffic_age is not None:
            _TRAFFIC_AGE.labels(*self._labels).set(counted.traffic_age)

    def _note_ranges(self, matrix: NDArray[np.float32]) -> None:
        low, high = (matrix[0], matrix[0]) if len(matrix) == 1 else (np.fmin.reduce(matrix), np.fmax.reduce(matrix))
        is_lower, is_higher = low < self._lowest, high > self._highest
        if is_lower.any() or is_higher.any():
            np.copyto(self._lowest, low, where=is_lower)
            np.copyto(self._highest, high, where=is_higher)
            for gauge, values, changed in ((_LOWEST, low, is_lower), (_HIGHEST, high, is_higher)):
                for column in np.flatnonzero(changed).tolist():
                    gauge.labels(*self._labels, MATRIX_COLUMNS[column]).set(float(values[column]))


def _sum(values: NDArray[np.float64]) -> float:
    # Of one value NumPy computes the sum in two microseconds.
    return values.item() if len(values) == 1 else float(values.sum())


# None is removed with its version: prometheus-client keeps each value of a worker's file, and would make new ones if
# the version came back.
_VARIANT_METRICS: dict[tuple[str, int], VariantMetrics] = {}


def variant_metrics(variant: Variant) -> VariantMetrics:
    """The metrics of a variant."""
    key = (variant.name, variant.version)
    found = _VARIANT_METRICS.get(key)
    return found or _VARIANT_METRICS.setdefault(key, VariantMetrics(*key))


def count_request(address: str, status: int) -> None:
    """Count a response by address, which is a route's path or `OTHER_ADDRESS`."""
    with _LOCK:
        _RESPONSES[address, status] += 1


def write_counted() -> None:
    """Add the requests and predictions since the last call to the metrics, which other workers read."""
    with _LOCK:
        responses = dict(_RESPONSES)
        _RESPONSES.clear()
    for (address, status), number in responses.items():
        _REQUESTS.labels(address, str(status)).inc(number)
    for metrics in list(_VARIANT_METRICS.values()):
        metrics.write()


def exposition() -> bytes:
    """The metrics of all workers in Prometheus' text format; of this process outside of BentoML."""
    write_counted()
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)

"""Counts are added up in memory, and written to the metrics."""

import time

import numpy as np
import pytest
from forget_metrics import forget_variant_metrics
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.serving.endpoint.metrics import (
    REGISTRY,
    _SummedHistogram,
    count_request,
    variant_metrics,
    write_counted,
)
from taxi_assets.serving.endpoint.metrics_writer import MetricsWriter
from taxi_assets.serving.variants import Variant
from taxi_assets.training.predictions import Prediction


class Model:
    """The part of a model that a variant needs."""

    def __init__(self, version: int) -> None:
        self.facts = {"version": version}


def serve(version: int) -> None:
    """Count as an endpoint does in a routing of this version."""
    matrix, minutes = np.ones((1, len(MATRIX_COLUMNS)), np.float32), np.ones(1)
    for name in ("champion", "shadow"):
        metrics = variant_metrics(Variant(name, Model(version)))  # type: ignore[arg-type]
        metrics.count({"green": 1}, matrix, Prediction(minutes, minutes, minutes))
        metrics.note_traffic([1])
        metrics.time("/predict", 0.001)
        metrics.count_failure()
        metrics.count_omission(1)


@pytest.fixture(autouse=True)
def _no_variants() -> None:
    forget_variant_metrics()


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def test_predictions_are_added_up_until_they_are_written() -> None:
    for _ in range(3):
        serve(8)
    labels = {"variant": "champion", "version": "8"}
    assert sample("taxi_predicted_minutes_total", **labels) == 0
    write_counted()
    write_counted()  # adds nothing
    assert sample("taxi_predictions_total", **labels, service="green") == 3
    assert sample("taxi_predicted_minutes_total", **labels) == 3
    assert sample("taxi_interval_width_minutes_total", **labels) == 0
    assert sample("taxi_predictions_with_recent_traffic_total", **labels) == 3
    assert sample("taxi_recent_traffic_age_seconds", **labels) == 1
    assert sample("taxi_prediction_seconds_count", **labels, address="/predict") == 3
    assert sample("taxi_prediction_seconds_sum", **labels, address="/predict") == pytest.approx(0.003)


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 0.9, 1.0, 1.1, 2.0, 7.0]), min_size=1))
def test_summed_observations_equal_single_ones(values: list[float]) -> None:
    bounds = (0.5, 1.0, 2.0)
    single, summed = CollectorRegistry(), CollectorRegistry()
    one = Histogram("one", "", buckets=bounds, registry=single)
    many = _SummedHistogram("one", "", buckets=bounds, registry=summed)
    for value in values:
        one.observe(value)
    counts = [sum(value <= bound for value in values) for bound in bounds]
    many.observe_many([counts[0], counts[1] - counts[0], counts[2] - counts[1], len(values) - counts[2]], sum(values))
    for name in ("one_sum", "one_count"):
        assert summed.get_sample_value(name) == pytest.approx(single.get_sample_value(name))
    for bound in (*bounds, "+Inf"):
        labels = {"le": str(bound)}
        assert summed.get_sample_value("one_bucket", labels) == single.get_sample_value("one_bucket", labels)


def test_a_latency_at_a_bound_is_in_its_bucket() -> None:
    variant_metrics(Variant("champion", Model(9))).time("/predict", 0.001)  # type: ignore[arg-type]
    write_counted()
    labels = {"variant": "champion", "version": "9", "address": "/predict"}
    buckets = {bound: sample("taxi_prediction_seconds_bucket", **labels, le=bound) for bound in ("0.0005", "0.001")}
    assert buckets == {"0.0005": 0, "0.001": 1}


def test_the_writer_writes_within_its_time_and_at_its_end() -> None:
    labels = {"address": "/written", "status": "200"}
    writer = MetricsWriter(seconds=0.01)
    count_request("/written", 200)
    deadline = time.monotonic() + 10
    while sample("taxi_requests_total", **labels) < 1:
        assert time.monotonic() < deadline
    writer.close()
    writer = MetricsWriter(seconds=1_000)
    count_request("/written", 200)
    writer.close()
    assert sample("taxi_requests_total", **labels) == 2

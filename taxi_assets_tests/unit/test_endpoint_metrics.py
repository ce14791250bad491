"""Versions that are not served any more leave no metrics behind."""

import gc
import weakref

import numpy as np

from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.serving.endpoint.metrics import REGISTRY, exposition, keep_versions, variant_metrics
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


def test_metrics_of_a_hundred_swaps_take_the_place_of_one() -> None:
    keep_versions(())
    serve(1)
    alone = len(exposition())
    for version in range(2, 102):
        serve(version)
        keep_versions((version,))
    assert abs(len(exposition()) - alone) < 0.1 * alone
    assert b'version="101"' in exposition()
    assert b'version="100"' not in exposition()
    keep_versions(())
    assert b"variant=" not in exposition()


def test_metrics_of_a_gone_version_are_freed() -> None:
    serve(7)
    metrics = weakref.ref(variant_metrics(Variant("champion", Model(7))))  # type: ignore[arg-type]
    keep_versions(())
    gc.collect()
    assert metrics() is None


def test_a_version_that_comes_back_is_counted_again() -> None:
    serve(7)
    keep_versions(())
    serve(7)
    labels = {"variant": "champion", "version": "7", "service": "green"}
    assert REGISTRY.get_sample_value("taxi_predictions_total", labels) == 1
    keep_versions(())

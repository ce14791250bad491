"""Metrics of the deployments: loads of models, refusals, swaps and the routing."""

from prometheus_client import Counter, Gauge, Histogram

from taxi_assets.serving.deployments.routing_store import RoutingRevision
from taxi_assets.serving.endpoint.metrics import REGISTRY

_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

_LOADS = Histogram(
    "taxi_model_load_seconds",
    "Seconds to load and check a model version in a worker",
    buckets=_SECONDS,
    registry=REGISTRY,
)
_REFUSALS = Counter("taxi_model_refusals", "Model versions that a worker refused", ("version",), registry=REGISTRY)
_SWAPS = Counter("taxi_swaps", "Changes of the routing that a worker followed", registry=REGISTRY)
_REVISION = Gauge(
    "taxi_routing_revision", "Routing that a worker answers by", multiprocess_mode="mostrecent", registry=REGISTRY
)


def count_load(version: int, seconds: float, refusal: str | None) -> None:
    """Count the load of a version, and its refusal if it has a reason."""
    _LOADS.observe(seconds)
    if refusal is not None:
        _REFUSALS.labels(str(version)).inc()


def count_swap(before: RoutingRevision, after: RoutingRevision) -> None:
    """Note the routing by which the worker answers, and count it if it is another one."""
    _REVISION.set(after.revision)
    if before.revision != after.revision:
        _SWAPS.inc()

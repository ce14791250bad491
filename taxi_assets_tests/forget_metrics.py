"""Forgets what earlier tests of this process counted of variants."""

from taxi_assets.serving.endpoint import metrics


def forget_variant_metrics() -> None:
    metrics._VARIANT_METRICS.clear()
    for metric in list(metrics.REGISTRY._collector_to_names):
        if "version" in getattr(metric, "_labelnames", ()):
            metric.clear()  # type: ignore[attr-defined]

"""Figures of the endpoint's metrics, from the text of `GET /metrics`."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.samples import Sample


@dataclass(frozen=True)
class ScrapedMetrics:
    """The samples of all workers."""

    samples: "tuple[Sample, ...]"

    @classmethod
    def parse(cls, text: str) -> "ScrapedMetrics":
        """Reads Prometheus's text format.

        Raises:
            ValueError: the text has another format.
        """
        from prometheus_client.parser import text_string_to_metric_families

        return cls(tuple(sample for family in text_string_to_metric_families(text) for sample in family.samples))

    def values(self, name: str, chosen: Callable[[Mapping[str, str]], bool] = lambda _: True) -> list[float]:
        """The values of a metric's samples whose labels are chosen."""
        return [sample.value for sample in self.samples if sample.name == name and chosen(sample.labels)]

    def quantile_bound(self, name: str, share: float) -> float | None:
        """The lowest bucket of a histogram below which this share of the observations is; None without any."""
        counts = defaultdict[float, float](float)
        for sample in self.samples:
            if sample.name == f"{name}_bucket":
                counts[float(sample.labels["le"])] += sample.value
        total = max(counts.values(), default=0)
        return next((bound for bound in sorted(counts) if counts[bound] >= share * total), None) if total else None

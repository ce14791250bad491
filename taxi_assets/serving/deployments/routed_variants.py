"""The loaded models of one routing, immutable, so that no response mixes two routings."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from taxi_assets.serving.deployments.assignment import bucket_of
from taxi_assets.serving.deployments.routing import Routing
from taxi_assets.serving.deployments.routing_store import RoutingRevision
from taxi_assets.serving.served_model import ServedModel
from taxi_assets.serving.variants import CHAMPION, Variant
from taxi_assets.serving.zone_names import ZoneNames


@dataclass(frozen=True)
class RoutedVariants:
    """Every loaded model of a worker, by its place.

    A request reads it once, so that a swap never mixes versions.

    Attributes:
        champion: The model that answers every rider of no challenger.
        routing: The routing that these models answer.
        by_bucket: The model of each bucket, shape (1000,); None without challengers.
        shadows: Models that predict and never answer.
        deployed: Every loaded model by its version.
    """

    champion: Variant
    routing: RoutingRevision
    by_bucket: tuple[Variant, ...] | None
    shadows: tuple[Variant, ...]
    deployed: Mapping[int, Variant]

    @classmethod
    def of(cls, routing: RoutingRevision, models: Mapping[int, ServedModel]) -> "RoutedVariants":
        """The variants of a routing.

        Raises:
            LookupError: a version of the routing is not loaded.
        """
        plan = routing.routing
        champion = Variant(CHAMPION, models[plan.champion])
        answering = {each.version: Variant("challenger", models[each.version]) for each in plan.challengers}
        answering[champion.version] = champion
        by_bucket = tuple(answering[version] for version in routing.versions_by_bucket) if plan.challengers else None
        shadows = tuple(Variant("shadow", models[version]) for version in plan.shadows)
        deployed = {version: Variant("deployment", model) for version, model in models.items()}
        return cls(champion, routing, by_bucket, shadows, deployed)

    @classmethod
    def alone(cls, model: ServedModel) -> "RoutedVariants":
        """The variants of a model that answers every rider; their revision is 0."""
        version = int(model.facts["version"])
        return cls.of(RoutingRevision(0, Routing(version)), {version: model})

    def assign(self, key: str) -> Variant:
        """The model that answers a rider.

        Args:
            key: The rider's key or, without one, the request's id.
        """
        return self.champion if self.by_bucket is None else self.by_bucket[bucket_of(key)]

    @property
    def zone_names(self) -> ZoneNames:
        """Names of the zones."""
        return self.champion.model.zone_names

    @cached_property
    def services(self) -> tuple[str, ...]:
        """The services that every model was trained on, in the champion's order; the first is the default."""
        answering = [self.champion, *self.shadows, *(self.by_bucket or ())]
        common = set.intersection(*(set(each.model.services) for each in answering))
        return tuple(service for service in self.champion.model.services if service in common)

    def as_json(self) -> dict[str, Any]:
        """The variants with their shares, and every loaded version."""
        plan = self.routing.routing
        share = round(1 - sum(each.share for each in plan.challengers), 3)
        variants = [
            {"name": CHAMPION, "version": plan.champion, "share": share},
            *({"name": "challenger", "version": each.version, "share": each.share} for each in plan.challengers),
            *({"name": "shadow", "version": version, "share": 0.0} for version in plan.shadows),
        ]
        about = {name: getattr(self.routing, name) for name in ("revision", "at", "by")}
        return {**about, "variants": variants, "deployed": sorted(self.deployed)}

"""The model versions that one worker serves at a time."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from taxi_assets.serving.served_model import ServedModel
from taxi_assets.serving.zone_names import ZoneNames

CHAMPION = "champion"


@dataclass(frozen=True)
class Variant:
    """A loaded model and the role by which responses and metrics name it."""

    name: str
    model: ServedModel

    @cached_property
    def version(self) -> int:
        """The model's version in MLflow."""
        return int(self.model.facts["version"])


@dataclass(frozen=True)
class Variants:
    """An immutable set of variants: a request reads it once, so a swap never mixes versions in a response."""

    champion: Variant

    @property
    def services(self) -> tuple[str, ...]:
        """The services that every variant was trained on; the first is the default."""
        return self.champion.model.services

    @property
    def zone_names(self) -> ZoneNames:
        """Names of the zones."""
        return self.champion.model.zone_names

    def assign(self, key: str) -> Variant:  # noqa: ARG002  # one variant answers every rider
        """The variant that answers the rider with this key."""
        return self.champion

    def as_json(self) -> dict[str, Any]:
        """The content of `GET /variants`."""
        return {"variants": [{"name": self.champion.name, "version": self.champion.version, "share": 1.0}]}

"""A served model version and its role."""

from dataclasses import dataclass
from functools import cached_property

from taxi_assets.serving.served_model import ServedModel

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

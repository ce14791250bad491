"""The ways to learn there are, by name: what `fit(trips, minutes)` and `predict(trips)` a training gets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.features.trip_features import ZoneMap
from taxi_assets.training.model import DurationModel
from taxi_assets.training.random_forest import RandomForestModel

__all__ = ["BOOSTED_TREES", "ESTIMATORS", "EstimatorSpec", "build_estimator", "get_estimator"]

BOOSTED_TREES = "boosted_trees"


@dataclass(frozen=True)
class EstimatorSpec:
    """One way to learn: how it is made, whether it can be exported for the service, which parameters it knows."""

    make: Callable[[ZoneMap, Mapping[str, Any]], Any]
    is_servable: bool
    parameters: frozenset[str] | None = None  # None: all there are


ESTIMATORS: Mapping[str, EstimatorSpec] = {
    BOOSTED_TREES: EstimatorSpec(lambda zones, given: DurationModel(zones, **given), is_servable=True),
    "random_forest": EstimatorSpec(
        lambda _zones, given: RandomForestModel(**given),
        is_servable=False,
        parameters=frozenset({"max_iter", "max_leaf_nodes", "min_samples_leaf", "random_state"}),
    ),
}


def get_estimator(name: str) -> EstimatorSpec:
    """The way to learn of this name.

    Raises:
        TaxiError: there is none.
    """
    if name not in ESTIMATORS:
        raise TaxiError(f"there is no estimator '{name}': choose one of {', '.join(ESTIMATORS)}")
    return ESTIMATORS[name]


def build_estimator(name: str, zones: ZoneMap, parameters: Mapping[str, Any]) -> Any:
    """An estimator that has not learned yet, with those of the parameters it knows."""
    chosen = get_estimator(name)
    accepted = chosen.parameters
    return chosen.make(zones, {key: value for key, value in parameters.items() if accepted is None or key in accepted})

"""The estimators by name. Each has `fit(trips, minutes)` and `predict(trips)`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.features.trip_features import ZoneMap
from taxi_assets.training.distributed_model import DistributedXGBoostModel
from taxi_assets.training.model import DurationModel
from taxi_assets.training.random_forest import RandomForestModel
from taxi_assets.training.xgboost_model import XGBoostModel

BOOSTED_TREES = "boosted_trees"


@dataclass(frozen=True)
class EstimatorSpec:
    """An estimator's factory and properties.

    Attributes:
        make: Makes it from the zones and parameters.
        is_servable: The service can run it.
        parameters: The parameters it takes; None means all.
        reads_months: It has `fit_months`, which reads the trips month by month.
    """

    make: Callable[[ZoneMap, Mapping[str, Any]], Any]
    is_servable: bool
    parameters: frozenset[str] | None = None
    reads_months: bool = False


ESTIMATORS: Mapping[str, EstimatorSpec] = {
    BOOSTED_TREES: EstimatorSpec(lambda zones, given: DurationModel(zones, **given), is_servable=True),
    "random_forest": EstimatorSpec(
        lambda _zones, given: RandomForestModel(**given),
        is_servable=False,
        parameters=frozenset({"max_iter", "max_leaf_nodes", "min_samples_leaf", "random_state"}),
    ),
    "xgboost": EstimatorSpec(
        lambda zones, given: XGBoostModel(zones, **given),
        is_servable=True,
        reads_months=True,
    ),
    "xgboost_distributed": EstimatorSpec(
        lambda zones, given: DistributedXGBoostModel(zones, **given),
        is_servable=True,
        reads_months=True,
    ),
}


def get_estimator(name: str) -> EstimatorSpec:
    """Returns the estimator of this name.

    Raises:
        TaxiError: there is none.
    """
    if name not in ESTIMATORS:
        raise TaxiError(f"there is no estimator '{name}': choose one of {', '.join(ESTIMATORS)}")
    return ESTIMATORS[name]


def build_estimator(name: str, zones: ZoneMap, parameters: Mapping[str, Any]) -> Any:
    """Makes an unfitted estimator with the parameters it takes; others are ignored."""
    chosen = get_estimator(name)
    accepted = chosen.parameters
    return chosen.make(zones, {key: value for key, value in parameters.items() if accepted is None or key in accepted})

"""From features to a champion: train, evaluate, decide. How a model learns or is judged is not said here."""

import dagster as dg

from taxi_assets.settings import Settings
from taxi_assets.warehouse import Warehouse

from ..ingestion.assets import taxi_zones, trip_features
from ..partitions import MONTHS, earlier_months
from ..reporting import column_schema, picture

_MONTHLY = {"partitions_def": MONTHS, "group_name": "training", "owners": ["team:ml"], "code_version": "1"}


class TrainingConfig(dg.Config):
    """What is varied from training to training."""

    months: list[str] | None = None
    """Months to learn from, as `2023-01`; unset, every month held before the one to be scored."""
    learning_rate: float = 0.06
    max_iter: int = 300
    max_leaf_nodes: int = 63
    min_samples_leaf: int = 80
    l2_regularization: float = 5.0
    random_state: int = 0


@dg.asset(
    **_MONTHLY,
    kinds={"scikitlearn", "mlflow", "python"},
    deps=[dg.AssetDep(trip_features, partition_mapping=earlier_months()), taxi_zones],
    required_resource_keys={"mlflow"},
    metadata={"mlflow_model": "taxi-duration"},
    check_specs=[dg.AssetCheckSpec("no_feature_is_known_only_after_the_ride", asset="duration_model")],
)
def duration_model(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.MaterializeResult:
    """Gradient-boosted trees over the history of zones and hours, learned from the months before the partition's.

    Registered in MLflow as `taxi-duration`. The same rides, parameters and code make no second version.
    """
    from taxi_assets import leakage, training_run

    trained = training_run.train(
        settings, warehouse, context.run_id, context.partition_key, config.months, config.model_dump(exclude={"months"})
    )

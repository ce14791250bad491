"""The parameters of a training, as Dagster's launchpad shows them."""

from typing import Any

import dagster as dg

from taxi_assets.training.training_window import WINDOW_MONTHS


class TrainingConfig(dg.Config):
    """Parameters of one training."""

    months: list[str] | None = None
    """Months to train on, such as 2023-01; unset, the available ones of the `window_months` before the partition."""
    window_months: int = WINDOW_MONTHS
    """Length of the training window in calendar months, also in the back-test."""
    row_months: int = WINDOW_MONTHS
    """The trees are trained on the last so many months of the window, the target encoding on all."""
    use_recent_traffic: bool = True
    """Use features of recent traffic: trips completed shortly before the pickup."""
    use_passenger_count: bool = True
    """Use the passenger count, where it is known."""
    learning_rate: float = 0.1
    max_iter: int = 130
    max_leaf_nodes: int = 63
    min_samples_leaf: int = 200
    l2_regularization: float = 5.0
    random_state: int = 0
    estimator: str = "boosted_trees"
    """Or `random_forest`, a challenger that is compared and never served; or `xgboost`, which reads the trips month by
    month and needs the packages of `make env-large`."""


def parameters(config: TrainingConfig) -> dict[str, Any]:
    """The estimator's parameters: the config without the window."""
    return config.model_dump(exclude={"months", "window_months"})
